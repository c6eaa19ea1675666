/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks through the key objects of a token. One object that cannot be read must not hide the
 * others: this file holds the one rule of what a failure to read an object means, for every search.
 */
#include <stdio.h>
#include <string.h>
#include "pkcs11/keys/keys_private.h"

typedef enum verdict {
    IS_KEY,
    IS_OTHER,       /* no key of ours, or deleted since */
    IS_UNPROTECTED, /* anybody can have put it there */
    IS_BAD,         /* the token refuses to tell what it is, or to use it */
    IS_FAILURE      /* the device, the session or the login fails */
} verdict;

/* Some tokens say of all objects that they are gone once nobody is logged in. */
static core_status check_login(tok_session *session, core_err *err)
{
    CK_SESSION_INFO info;
    CK_RV rv = session->f->C_GetSessionInfo(session->handle, &info);

    if (rv == CKR_FUNCTION_NOT_SUPPORTED)
        return ST_OK; /* the module cannot tell */
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_GetSessionInfo", rv, TOK_CALL_OTHER);
    if (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS)
        return ST_OK;
    return core_fail(err, ST_LOGIN_LOST, "token \"%s\": %s; %s", session->token->info.label,
                     core_status_text(ST_LOGIN_LOST), core_status_next(ST_LOGIN_LOST));
}

static verdict judge(tok_session *session, core_status st)
{
    const core_class class = core_status_class(st);

    if (st == ST_OK)
        return IS_KEY;
    if (st == ST_NOT_SUPPORTED || st == ST_HANDLE_LOST)
        return IS_OTHER;
    if (st == ST_POLICY)
        return IS_UNPROTECTED;
    if (class == CORE_CLASS_CAPACITY || class == CORE_CLASS_PIN || tok_access_is_lost(session, st))
        return IS_FAILURE;
    return IS_BAD;
}

bool tok_scan_stops(tok_session *session, core_status st)
{
    return judge(session, st) == IS_FAILURE;
}

/* Reads an object, a second time where it cannot be read or used: one passing failure must not make
 * SQL Server believe that a key is gone. */
static verdict read_object(tok_session *session, CK_OBJECT_HANDLE object,
                           CK_OBJECT_CLASS object_class, const tok_scan *scan,
                           char name[TOK_LABEL_MAX + 1], tok_key **key, core_status *st,
                           core_err *err)
{
    *st = tok_key_describe(session, object, object_class, scan->thumbs, name, key, err);
    verdict is = judge(session, *st);

    if (*st != ST_HANDLE_LOST && is != IS_BAD)
        return is;
    if (*st == ST_HANDLE_LOST) {
        *st = check_login(session, err);
        if (*st != ST_OK)
            return IS_FAILURE;
    }
    *st = tok_key_describe(session, object, object_class, scan->thumbs, name, key, err);
    return judge(session, *st);
}

static void ignore(const char *name, CK_OBJECT_CLASS object_class, bool unprotected,
                   const core_err *why, core_status st, tok_scan *scan)
{
    tok_ignored_key ignored = {.secret = object_class == CKO_SECRET_KEY,
                               .why =
                                   unprotected ? TOK_IGNORED_UNPROTECTED : TOK_IGNORED_UNREADABLE};
    if (unprotected)
        tok_passed_unprotected(scan->passed, name);
    if (!unprotected && scan->bad == ST_OK) {
        /* It is the object's fault, so recovery has nothing to do. */
        scan->bad = core_status_class(st) == CORE_CLASS_DEVICE ? ST_KEY_USAGE : st;
        scan->why = *why;
    }
    if (scan->ignored == NULL)
        return;
    memcpy(ignored.name, name, sizeof ignored.name);
    (void)snprintf(ignored.text, sizeof ignored.text, "%.255s", core_err_text(why, st));
    scan->ignored(&ignored, scan->arg);
}

core_status tok_scan_object(tok_session *session, CK_OBJECT_HANDLE object,
                            CK_OBJECT_CLASS object_class, tok_scan *scan, core_err *err)
{
    char name[TOK_LABEL_MAX + 1];
    core_err why = {0};
    core_status st = ST_OK;
    tok_key *key = NULL;
    const verdict is = read_object(session, object, object_class, scan, name, &key, &st, &why);

    scan->silent += is == IS_BAD && name[0] == '\0';
    scan->told += is != IS_BAD || name[0] != '\0';
    if (is == IS_KEY) {
        scan->done = !scan->seen(key, scan->arg);
        tok_key_release(key);
    } else if (is == IS_UNPROTECTED || is == IS_BAD) {
        ignore(name, object_class, is == IS_UNPROTECTED, &why, st, scan);
    } else if (is == IS_FAILURE) {
        if (err != NULL)
            *err = why;
        return st;
    }
    return ST_OK;
}

core_status tok_scan_objects(tok_session *session, const CK_ATTRIBUTE *match, CK_ULONG match_count,
                             CK_OBJECT_CLASS object_class, tok_scan *scan, core_err *err)
{
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;

    core_status st = tok_search(session, match, match_count, &objects, &count, err);
    for (size_t i = 0; st == ST_OK && !scan->done && i < count; i++)
        st = tok_scan_object(session, objects[i], object_class, scan, err);
    core_free(objects);
    /* A device that finds objects and tells nothing of any of them fails. */
    if (st == ST_OK && scan->told == 0 && scan->silent > 1)
        st = core_fail(err, ST_DEVICE, "%s", core_err_text(&scan->why, ST_DEVICE));
    return st;
}

static const struct {
    unsigned which;
    CK_OBJECT_CLASS object_class;
} classes[] = {{TOK_PRIVATE_KEYS, CKO_PRIVATE_KEY}, {TOK_SECRET_KEYS, CKO_SECRET_KEY}};
enum { CLASSES = sizeof classes / sizeof classes[0] };

core_status tok_scan_keys(tok_session *session, unsigned which, CK_ATTRIBUTE_TYPE type,
                          const void *value, size_t length, tok_scan *scan, core_err *err)
{
    core_status st = ST_OK;

    for (size_t c = 0; st == ST_OK && !scan->done && c < CLASSES; c++) {
        CK_BBOOL yes = CK_TRUE;
        CK_OBJECT_CLASS object_class = classes[c].object_class;
        CK_ATTRIBUTE match[] = {
            {CKA_CLASS, &object_class, sizeof object_class},
            {CKA_TOKEN, &yes, sizeof yes},
            {type, (void *)(uintptr_t)value, (CK_ULONG)length},
        };
        if ((which & classes[c].which) != 0)
            st = tok_scan_objects(session, match, value != NULL ? 3 : 2, object_class, scan, err);
    }
    return st;
}

/* Whether the object's label is the name and NULs. One that does not tell it has another. */
static core_status is_padded(tok_session *session, CK_OBJECT_HANDLE object, const char *name,
                             tok_passed *passed, bool *is, core_err *err)
{
    char label[TOK_LABEL_MAX + 1];
    const size_t length = strlen(name);
    CK_ATTRIBUTE want = {CKA_LABEL, label, sizeof label};

    core_status st = tok_attributes(session, object, &want, 1, err);
    *is = st == ST_OK && tok_attribute_has(&want) && want.ulValueLen > length &&
          memcmp(label, name, length) == 0;
    for (size_t i = length; *is && i < want.ulValueLen; i++)
        *is = label[i] == '\0';
    if (st == ST_OK && passed != NULL && want.ulValueLen < sizeof label) {
        tok_label_take(label, &want);
        const char *retired = tok_retired_name(label);
        if (retired != NULL && strcmp(retired, name) == 0)
            tok_passed_retired(passed, label);
    }
    return st == ST_HANDLE_LOST ? ST_OK : st;
}

core_status tok_scan_padded(tok_session *session, unsigned which, const char *name, tok_scan *scan,
                            core_err *err)
{
    core_status st = ST_OK;

    for (size_t c = 0; st == ST_OK && !scan->done && c < CLASSES; c++) {
        CK_BBOOL yes = CK_TRUE;
        CK_OBJECT_CLASS object_class = classes[c].object_class;
        CK_ATTRIBUTE match[] = {{CKA_CLASS, &object_class, sizeof object_class},
                                {CKA_TOKEN, &yes, sizeof yes}};
        CK_OBJECT_HANDLE *objects = NULL;
        size_t count = 0;
        if ((which & classes[c].which) == 0)
            continue;
        st = tok_search(session, match, 2, &objects, &count, err);
        for (size_t i = 0; st == ST_OK && !scan->done && i < count; i++) {
            bool is = false;
            st = is_padded(session, objects[i], name, scan->passed, &is, err);
            if (st == ST_OK && is)
                st = tok_scan_object(session, objects[i], object_class, scan, err);
        }
        core_free(objects);
    }
    return st;
}
