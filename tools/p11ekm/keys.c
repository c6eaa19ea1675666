/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a token as the verbs use them: sorted, and found by name or thumbprint. Retired
 * keys are included, which the searches of the token layer do not find.
 */
#include "tools/p11ekm/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const tok_key_info *left = tok_key_info_of(*(tok_key *const *)a);
    const tok_key_info *right = tok_key_info_of(*(tok_key *const *)b);
    int order = strcmp(cli_key_plain_name(left), cli_key_plain_name(right));
    return order != 0 ? order : memcmp(left->thumb, right->thumb, TOK_THUMB_LEN);
}

core_status cli_keys_list(cli_session *session, cli_keys *keys, core_err *err)
{
    core_status st = tok_key_survey(session->token, &keys->keys, &keys->count, &keys->ignored,
                                    &keys->ignored_count, err);
    if (st == ST_OK && keys->count > 1) {
        qsort(keys->keys, keys->count, sizeof keys->keys[0], compare);
    }
    return st;
}

void cli_keys_free(cli_keys *keys)
{
    tok_key_list_free(keys->keys, keys->count);
    core_free(keys->ignored);
    *keys = (cli_keys){0};
}

const char *cli_key_plain_name(const tok_key_info *info)
{
    /* "p11ekm-retired:2026-01-31T12:00:00Z:name" */
    const char *stamp_end = info->retired ? strstr(info->name, "Z:") : NULL;
    return stamp_end == NULL ? info->name : stamp_end + 2;
}

cli_shown cli_show(const char *name)
{
    cli_shown shown;
    snprintf(shown.text, sizeof shown.text, "%s", name);
    core_text_sanitize(shown.text, "");
    return shown;
}

const char *cli_key_algorithm(const tok_key_info *info, char *buffer, size_t size)
{
    const char *tag = core_algorithm_tag(info->algorithm);
    if (tag != NULL) {
        return tag;
    }
    snprintf(buffer, size, "%s-%u", info->rsa ? "RSA" : "symmetric", info->bits);
    return buffer;
}

static bool wanted(const tok_key_info *info, const char *name, const uint8_t *thumb,
                   cli_which which)
{
    if ((which == CLI_LIVE_KEY && info->retired) || (which == CLI_RETIRED_KEY && !info->retired)) {
        return false;
    }
    return strcmp(info->name, name) == 0 || strcmp(cli_key_plain_name(info), name) == 0 ||
           (thumb != NULL && info->has_thumb && memcmp(info->thumb, thumb, TOK_THUMB_LEN) == 0);
}

/* The last key that matches; *found is the number of matches. */
static tok_key *find(const cli_keys *keys, const char *name, const uint8_t *thumb, cli_which which,
                     size_t *found)
{
    const cli_which passes[2] = {which == CLI_ANY_KEY ? CLI_LIVE_KEY : which, CLI_RETIRED_KEY};
    tok_key *key = NULL;
    *found = 0;
    for (size_t pass = 0; *found == 0 && pass < (which == CLI_ANY_KEY ? 2U : 1U); pass++) {
        for (size_t i = 0; i < keys->count; i++) {
            if (wanted(tok_key_info_of(keys->keys[i]), name, thumb, passes[pass])) {
                key = keys->keys[i];
                ++*found;
            }
        }
    }
    return key;
}

/* A key that cannot be identified has no thumbprint, and is not found by it. */
static void identify_all(const cli_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        core_err why = {0};
        tok_key_identify(keys->keys[i], &why);
    }
}

/* A retired key and its successor may have the same name: finds the one in use, unless the verb
 * wants a retired one. */
core_status cli_keys_find(const cli_keys *keys, const char *name_or_thumb, cli_which which,
                          tok_key **out, core_err *err)
{
    uint8_t bytes[TOK_THUMB_LEN];
    size_t length = sizeof bytes;
    bool hex = core_unhex(name_or_thumb, bytes, &length) == ST_OK && length == sizeof bytes;
    size_t found = 0;
    *out = find(keys, name_or_thumb, hex ? bytes : NULL, which, &found);
    if (found == 0 && hex) {
        identify_all(keys);
        *out = find(keys, name_or_thumb, bytes, which, &found);
    }
    if (found == 1) {
        /* A key that may not be used can be shown, retired and purged without its thumbprint. */
        core_err why = {0};
        tok_key_identify(*out, &why);
        return ST_OK;
    }
    *out = NULL;
    for (size_t i = 0; found == 0 && i < keys->ignored_count; i++) {
        if (strcmp(keys->ignored[i].name, name_or_thumb) == 0) {
            return core_fail(err, ST_NOT_FOUND, "key \"%s\" is ignored: %s", name_or_thumb,
                             keys->ignored[i].text);
        }
    }
    if (found == 0) {
        return core_fail(err, ST_NOT_FOUND,
                         "key \"%s\": there is no %skey of this name or "
                         "thumbprint; see p11ekm key list",
                         name_or_thumb, which == CLI_RETIRED_KEY ? "retired " : "");
    }
    return core_fail(err, ST_KEY_AMBIGUOUS,
                     "key \"%s\": %zu keys have this name; give the thumbprint (p11ekm key list)",
                     name_or_thumb, found);
}
