/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches for objects (PKCS #11 v3.1, 5.7.7 to 5.7.9). An empty result is accepted only if the
 * token is still present and logged in. If one object cannot be compared with the template, some
 * tokens fail the whole search (SoftHSM, for an object that it cannot decrypt); then this file
 * searches with fewer attributes and compares the objects itself.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* Checks that the session is logged in; a public session finds no private objects and returns no
 * error. Some modules report every session as public, so that report is ignored if a C_Login since
 * the last one did not change it. */
static core_status check_logged_in(tok_session *session, core_err *err)
{
    tok_token *token = session->token;
    const uint64_t logins = atomic_load(&token->logins) + 1;
    CK_SESSION_INFO info;
    CK_RV rv = session->f->C_GetSessionInfo(session->handle, &info);

    if (rv == CKR_FUNCTION_NOT_SUPPORTED)
        return ST_OK;
    if (rv != CKR_OK)
        return tok_rv_fail(err, token, "C_GetSessionInfo", rv, TOK_CALL_OTHER);
    if (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS) {
        atomic_store(&token->public_at_login, 0);
        return ST_OK;
    }
    const uint64_t before = atomic_exchange(&token->public_at_login, logins);
    if (before != 0 && before != logins)
        return ST_OK;
    return core_fail(err, ST_LOGIN_LOST, "token \"%s\": %s; %s", token->info.label,
                     core_status_text(ST_LOGIN_LOST), core_status_next(ST_LOGIN_LOST));
}

/* Checks that the token is present and logged in. Some modules return an empty result without an
 * error for a removed token or a lost login; that must not count as a deleted key. */
static core_status check_present(tok_session *session, core_err *err)
{
    CK_TOKEN_INFO info;
    CK_RV rv = tok_token_info_get(session->token->ctx, session->token->slot, &info);

    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_GetTokenInfo", rv, TOK_CALL_OTHER);
    return (info.flags & CKF_LOGIN_REQUIRED) != 0 ? check_logged_in(session, err) : ST_OK;
}

/* Makes one search. *init_rv: the result of C_FindObjectsInit. */
static core_status search_once(tok_session *session, const CK_ATTRIBUTE *match,
                               CK_ULONG match_count, CK_OBJECT_HANDLE **out, size_t *count,
                               CK_RV *init_rv, core_err *err)
{
    enum { STEP = 256, MOST = 1 << 20 };
    CK_ULONG got = 0;
    core_status st = ST_OK;
    size_t room = 0;
    CK_RV rv;

    *out = NULL;
    *count = 0;
    atomic_fetch_add(&session->token->searches, 1);
    rv = session->f->C_FindObjectsInit(session->handle, (CK_ATTRIBUTE_PTR)(uintptr_t)match,
                                       match_count);
    *init_rv = rv;
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_FindObjectsInit", rv, TOK_CALL_OTHER);
    do {
        if (*count + STEP > room) {
            CK_OBJECT_HANDLE *more = core_realloc(*out, (room + STEP) * 2 * sizeof **out);
            if (more == NULL || room > MOST) {
                core_free(more != NULL ? more : *out);
                *out = NULL;
                st = core_fail(err, ST_NO_MEMORY, "out of memory for the keys of the token");
                break;
            }
            *out = more;
            room = (room + STEP) * 2;
        }
        rv = session->f->C_FindObjects(session->handle, *out + *count, STEP, &got);
        if (rv != CKR_OK) {
            st = tok_rv_fail(err, session->token, "C_FindObjects", rv, TOK_CALL_OTHER);
            break;
        }
        *count += got < STEP ? got : STEP;
    } while (got > 0);
    if (st != ST_SESSION_LOST) {
        rv = session->f->C_FindObjectsFinal(session->handle);
        if (st == ST_OK && rv != CKR_OK)
            st = tok_rv_fail(err, session->token, "C_FindObjectsFinal", rv, TOK_CALL_OTHER);
    }
    if (st == ST_OK && *count == 0)
        st = check_present(session, err);
    if (st != ST_OK) {
        core_free(*out);
        *out = NULL;
        *count = 0;
    }
    return st;
}

/* --- a token that cannot compare all attributes --- */

/* True for the attributes that every object has and every token can compare. */
static bool is_plain(CK_ATTRIBUTE_TYPE type)
{
    return type == CKA_CLASS || type == CKA_TOKEN || type == CKA_KEY_TYPE;
}

/* Divides the template; returns the number of plain attributes. */
static CK_ULONG divide_template(const CK_ATTRIBUTE *match, CK_ULONG count, CK_ATTRIBUTE *plain,
                                CK_ATTRIBUTE *others, CK_ULONG *other_count)
{
    CK_ULONG plain_count = 0;

    *other_count = 0;
    for (CK_ULONG i = 0; i < count; i++)
        if (is_plain(match[i].type))
            plain[plain_count++] = match[i];
        else
            others[(*other_count)++] = match[i];
    return plain_count;
}

/* *has: the object's attribute has the value. An attribute that is not told has not. */
static core_status compare_value(tok_session *session, CK_OBJECT_HANDLE object,
                                 const CK_ATTRIBUTE *wanted, bool *has, core_err *err)
{
    CK_ATTRIBUTE is = {wanted->type, core_calloc(1, wanted->ulValueLen + 1), wanted->ulValueLen};

    *has = false;
    if (is.pValue == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for an attribute");
    core_status st = tok_attributes(session, object, &is, 1, err);
    if (st == ST_OK)
        *has = is.ulValueLen == wanted->ulValueLen &&
               memcmp(is.pValue, wanted->pValue, wanted->ulValueLen) == 0;
    core_free(is.pValue);
    return st == ST_HANDLE_LOST ? ST_OK : st;
}

/* Keeps the objects that have all values, and sets *count to their number. */
static core_status keep_matching(tok_session *session, const CK_ATTRIBUTE *wanted,
                                 CK_ULONG wanted_count, CK_OBJECT_HANDLE *objects, size_t *count,
                                 core_err *err)
{
    core_status st = ST_OK;
    size_t kept = 0;

    for (size_t i = 0; st == ST_OK && i < *count; i++) {
        bool has = true;
        for (CK_ULONG a = 0; st == ST_OK && has && a < wanted_count; a++)
            st = compare_value(session, objects[i], &wanted[a], &has, err);
        if (has)
            objects[kept++] = objects[i];
    }
    *count = kept;
    return st;
}

core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match, CK_ULONG match_count,
                       CK_OBJECT_HANDLE **out, size_t *count, core_err *err)
{
    enum { MOST = 8 };
    CK_ATTRIBUTE plain[MOST], others[MOST];
    CK_ULONG other_count = 0;
    CK_RV init_rv = CKR_OK, again_rv = CKR_OK;

    core_status st = search_once(session, match, match_count, out, count, &init_rv, err);
    if (init_rv == CKR_OK || tok_rv_ends_reading(init_rv) || match_count > MOST)
        return st;
    const CK_ULONG plain_count = divide_template(match, match_count, plain, others, &other_count);
    if (other_count == 0)
        return st;
    core_status again = search_once(session, plain, plain_count, out, count, &again_rv, NULL);
    if (again_rv == CKR_OPERATION_ACTIVE) { /* SoftHSM, from the search that failed */
        (void)session->f->C_FindObjectsFinal(session->handle);
        again = search_once(session, plain, plain_count, out, count, &again_rv, NULL);
    }
    if (again != ST_OK)
        return st;
    st = keep_matching(session, others, other_count, *out, count, err);
    if (st != ST_OK) {
        core_free(*out);
        *out = NULL;
        *count = 0;
    }
    return st;
}
