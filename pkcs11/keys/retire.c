/* SPDX-License-Identifier: Apache-2.0
 *
 * Retires, restores and destroys keys. Destroying a key loses all data that it has encrypted, and a
 * DROP statement in SQL Server is easily issued by mistake. So dropping a key renames and hides it;
 * only the administrator's tool destroys it.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

typedef struct renaming {
    tok_key *key;
    const char *name;
    bool retires;
    bool tried; /* a token may already have the new name */
} renaming;

static core_status fail_already_retired(const tok_key *key, core_err *err)
{
    return core_fail(err, ST_INVALID_ARGUMENT, "key \"%s\" is retired already", key->info.name);
}

static core_status set_label(tok_session *session, CK_OBJECT_HANDLE object, const char *name,
                             core_err *err)
{
    const CK_ATTRIBUTE label = {CKA_LABEL, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)};
    return tok_attribute_set(session, object, &label, "C_SetAttributeValue(CKA_LABEL)", err);
}

/* Logs that the public object could not be changed. That does not fail the operation, because
 * anyone can create a public object that refuses changes. */
static void warn_public(const tok_session *session, const tok_key *key, const char *what,
                        const core_err *why, core_status st)
{
    core_log(CORE_LOG_WARNING, "key \"%s\" on token \"%s\": its public object was not %s: %s",
             key->info.name, session->token->info.label, what, core_err_text(why, st));
}

static core_status rename_public(tok_session *session, const renaming *r, core_err *err)
{
    CK_OBJECT_HANDLE public = 0;
    core_err why = {0};
    core_status st = tok_public_own(session, r->key, &public, &why);

    if (st == ST_OK && public != 0)
        st = set_label(session, public, r->name, &why);
    if (tok_status_is_access_lost(st))
        return core_fail(err, st, "%s", core_err_text(&why, st));
    if (st != ST_OK)
        warn_public(session, r->key, "renamed", &why, st);
    return ST_OK;
}

/* Renames the private object first, because its label is the name of the key. */
static core_status rename_op(tok_session *session, void *arg, core_err *err)
{
    renaming *r = arg;
    CK_OBJECT_HANDLE object = 0;

    core_status st = tok_key_find_named(session, r->key, r->tried ? r->name : NULL, &object, err);
    /* Another process may have retired the key at the same time. */
    if (st == ST_HANDLE_LOST && r->retires &&
        tok_key_find(session, r->key, &object, NULL) == ST_OK && tok_key_now(r->key).retired)
        st = fail_already_retired(r->key, err);
    r->tried |= st == ST_OK;
    if (st == ST_OK)
        st = set_label(session, object, r->name, err);
    if (st == ST_OK && r->key->info.rsa)
        st = rename_public(session, r, err);
    return tok_key_invalidate_if_lost(r->key, st);
}

/* Undoes rename_op on one member of a group. */
static core_status rename_back_op(tok_session *session, void *arg, core_err *err)
{
    const renaming *r = arg;
    CK_OBJECT_HANDLE object = 0;
    core_status st = tok_key_find_named(session, r->key, r->name, &object, err);

    if (st == ST_OK)
        st = set_label(session, object, r->key->info.name, err);
    if (st == ST_OK && r->key->info.rsa) {
        const renaming back = {r->key, r->key->info.name, false, true};
        st = rename_public(session, &back, err);
    }
    return tok_key_invalidate_if_lost(r->key, st);
}

static core_status rename_key(tok_key *key, const char *name, bool retires, core_err *err)
{
    renaming r = {key, name, retires, false};
    core_status st = tok_execute_on_all_members(key->token, rename_op, rename_back_op, &r, err);
    if (st == ST_OK)
        tok_keys_remove(key);
    return st;
}

core_status tok_key_retire(tok_key *key, core_err *err)
{
    core_str name = {.limit = TOK_LABEL_MAX};
    char now[28];
    core_status st;

    if (key->info.retired)
        return fail_already_retired(key, err);
    if (!key->info.persistent) {
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key \"%s\" is a session key: it ends with its session", key->info.name);
    }
    core_utc_text(now);
    core_str_addf(&name, TOK_RETIRED_PREFIX "%.19sZ:%s", now, key->info.name);
    if (strlen(key->info.name) > TOK_LABEL_MAX - TOK_RETIRED_MARK_LEN)
        st = core_fail(err, ST_INVALID_ARGUMENT, "key \"%s\": its name is too long to retire it",
                       key->info.name);
    else if (name.failed)
        st = core_fail(err, ST_NO_MEMORY, "out of memory for the name of a retired key");
    else
        st = rename_key(key, name.text, true, err);
    core_str_free(&name);
    return st;
}

core_status tok_key_restore(tok_key *key, core_err *err)
{
    const char *name = tok_retired_name(key->info.name);
    tok_key *other = NULL;

    if (name == NULL) {
        return core_fail(err, ST_INVALID_ARGUMENT,
                         key->info.retired
                             ? "key \"%s\" is retired, but its label holds no name to "
                               "restore; rename it on the token"
                             : "key \"%s\" is not retired",
                         key->info.name);
    }
    core_status st = tok_key_by_name(key->token, name, &other, err);
    tok_key_release(other);
    if (st == ST_NOT_FOUND)
        return rename_key(key, name, false, err);
    return st == ST_OK || st == ST_KEY_AMBIGUOUS
               ? core_fail(err, ST_KEY_EXISTS,
                           "key \"%s\": token \"%s\" has one of this name now; retire the key that "
                           "has the name now, then restore this one by its thumbprint",
                           name, key->token->info.label)
               : st;
}

/* Destroys the private object, then the public one. The key is destroyed with its private object;
 * a public object that stays is only logged. */
static core_status destroy_op(tok_session *session, void *arg, core_err *err)
{
    tok_key *key = arg;
    CK_OBJECT_HANDLE object = 0;
    CK_OBJECT_HANDLE public = 0;
    core_err why = {0};

    core_status st = tok_key_find_named(session, key, NULL, &object, err);
    core_status public_st = ST_OK;
    if (st == ST_OK && key->info.rsa)
        public_st = tok_public_own(session, key, &public, &why);
    if (tok_status_is_access_lost(public_st))
        return tok_key_invalidate_if_lost(
            key, core_fail(err, public_st, "%s", core_err_text(&why, public_st)));
    CK_RV rv = st == ST_OK ? session->f->C_DestroyObject(session->handle, object) : CKR_OK;
    if (rv != CKR_OK)
        st = tok_rv_fail(err, session->token, "C_DestroyObject", rv, TOK_CALL_OTHER);
    if (st == ST_OK && public != 0)
        rv = session->f->C_DestroyObject(session->handle, public);
    if (st == ST_OK && rv != CKR_OK)
        public_st = tok_rv_fail(&why, session->token, "C_DestroyObject", rv, TOK_CALL_OTHER);
    if (st == ST_OK && public_st != ST_OK)
        warn_public(session, key, "destroyed", &why, public_st);
    return tok_key_invalidate_if_lost(key, st);
}

core_status tok_key_destroy(tok_key *key, core_err *err)
{
    core_status st = tok_execute_on_all_members(key->token, destroy_op, NULL, key, err);
    if (st == ST_OK)
        tok_keys_remove(key);
    return st;
}
