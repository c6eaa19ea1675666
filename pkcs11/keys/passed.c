/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes the first retired or unprotected key that a search skipped, for the error text. Such a key
 * is on the token, so the error must not say that it is missing: an administrator who needs the key
 * to open a database has to learn how to make it usable.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

static void note_first(tok_passed *passed, const char *label, bool retired)
{
    if (passed == NULL || passed->any)
        return;
    passed->any = true;
    passed->retired = retired;
    memcpy(passed->label, label, strlen(label) + 1);
}

void tok_passed_retired(tok_passed *passed, const char *label)
{
    note_first(passed, label, true);
}

void tok_passed_unprotected(tok_passed *passed, const char *label)
{
    note_first(passed, label, false);
}

const char *tok_retired_name(const char *label)
{
    return tok_label_is_retired(label) && strlen(label) > TOK_RETIRED_MARK_LEN &&
                   label[TOK_RETIRED_MARK_LEN - 1] == ':'
               ? label + TOK_RETIRED_MARK_LEN
               : NULL;
}

core_status tok_passed_fail(const tok_token *token, const tok_passed *passed, const char *what,
                            core_err *err)
{
    const char *label = passed->label;
    const char *name = tok_retired_name(label);
    core_status st = ST_NOT_FOUND;

    if (!passed->any) {
        return core_fail(err, st, "key \"%s\" is not on token \"%s\"; %s", what, token->info.label,
                         core_status_next(st));
    }
    if (passed->retired && name != NULL) {
        st = core_fail(err, st,
                       "key \"%.128s\" on token \"%s\" is retired since %.*s; p11ekm key restore "
                       "%.128s",
                       name, token->info.label, TOK_RETIRED_DATE_LEN, label + TOK_RETIRED_DATE,
                       name);
    } else if (passed->retired) {
        st = core_fail(err, st, "key \"%.128s\" on token \"%s\" is retired; rename it on the token",
                       label, token->info.label);
    } else {
        st =
            core_fail(err, st,
                      "key \"%.128s\" on token \"%s\" is ignored: its CKA_PRIVATE is not TRUE; see "
                      "unprotected_keys in p11ekm.conf(5)",
                      label, token->info.label);
    }
    if (err != NULL)
        err->passed_over = true;
    return st;
}
