/* SPDX-License-Identifier: Apache-2.0
 *
 * Scans the key objects of a token. An object that cannot be read must not hide the others, so this
 * file decides for every search whether a failure belongs to one object or ends the scan.
 */
#include <stdio.h>
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* What reading one object showed. */
typedef enum object_kind {
    IS_KEY,
    IS_OTHER,       /* not an RSA, AES or 3DES key, or deleted after the search */
    IS_UNPROTECTED, /* CKA_PRIVATE is not TRUE: it can be created without the PIN */
    IS_BAD,         /* the token refuses to tell its attributes, or to use it */
    IS_FAILURE      /* the device, the session or the login failed */
} object_kind;

/* Some tokens return CKR_OBJECT_HANDLE_INVALID for all objects after the login has ended. */
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

static object_kind classify(tok_session *session, core_status st)
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
    return classify(session, st) == IS_FAILURE;
}

/* Reads an object, and a second time if the first read fails: a temporary failure must not make a
 * key disappear from SQL Server. */
static object_kind read_object(tok_session *session, CK_OBJECT_HANDLE object,
                               CK_OBJECT_CLASS object_class, const tok_scan *scan,
                               char name[TOK_LABEL_MAX + 1], tok_key **key, core_status *st,
                               core_err *err)
{
    *st = tok_key_describe(session, object, object_class, scan->thumbs, name, key, err);
    object_kind is = classify(session, *st);

    if (*st != ST_HANDLE_LOST && is != IS_BAD)
        return is;
    if (*st == ST_HANDLE_LOST) {
        *st = check_login(session, err);
        if (*st != ST_OK)
            return IS_FAILURE;
    }
    *st = tok_key_describe(session, object, object_class, scan->thumbs, name, key, err);
    return classify(session, *st);
}

/* Reports an ignored object to the caller of the scan. */
static void report_ignored(const char *name, CK_OBJECT_CLASS object_class, bool unprotected,
                           const core_err *why, core_status st, tok_scan *scan)
{
    tok_ignored_key ignored = {.secret = object_class == CKO_SECRET_KEY,
                               .why =
                                   unprotected ? TOK_IGNORED_UNPROTECTED : TOK_IGNORED_UNREADABLE};
    if (unprotected)
        tok_passed_unprotected(scan->passed, name);
    if (!unprotected && scan->bad == ST_OK) {
        /* The object is at fault, so the status must not start a recovery. */
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
    const object_kind is = read_object(session, object, object_class, scan, name, &key, &st, &why);

    scan->silent += is == IS_BAD && name[0] == '\0';
    scan->told += is != IS_BAD || name[0] != '\0';
    if (is == IS_KEY) {
        scan->done = !scan->seen(key, scan->arg);
        tok_key_release(key);
    } else if (is == IS_UNPROTECTED || is == IS_BAD) {
        report_ignored(name, object_class, is == IS_UNPROTECTED, &why, st, scan);
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
    /* If none of several objects tells anything, the device is at fault. */
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

/* *is: the object's label is the name followed by NULs. A label that the token does not tell is
 * another. */
static core_status check_padded(tok_session *session, CK_OBJECT_HANDLE object, const char *name,
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
            st = check_padded(session, objects[i], name, scan->passed, &is, err);
            if (st == ST_OK && is)
                st = tok_scan_object(session, objects[i], object_class, scan, err);
        }
        core_free(objects);
    }
    return st;
}
