/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading attributes and searching objects, with the distrust that real tokens have earned: some
 * stop at the first attribute they do not know, some answer CKR_OK with an unavailable length.
 */
#include <string.h>
#include "pkcs11/key_private.h"

bool tok_attribute_has(const CK_ATTRIBUTE *attribute)
{
    return attribute->ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

static bool partial(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           rv == CKR_BUFFER_TOO_SMALL;
}

core_status tok_attributes(tok_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                           CK_ULONG count, core_err *err)
{
    /* SoftHSM says CKR_ATTRIBUTE_VALUE_INVALID, which has no meaning here, of an object that has
     * changed and whose file another thread is just reading again: a moment later it is there. */
    enum { MOST = 24, TRIES = 5, PAUSE_MS = 2 };
    CK_ULONG room[MOST];
    CK_RV rv;

    if (count > MOST)
        return core_fail(err, ST_FAILURE, "too many attributes");
    for (CK_ULONG i = 0; i < count; i++)
        room[i] = attributes[i].ulValueLen;
    rv = session->f->C_GetAttributeValue(session->handle, object, attributes, count);
    for (unsigned i = 1; i < TRIES && rv == CKR_ATTRIBUTE_VALUE_INVALID; i++) {
        core_sleep_ms(PAUSE_MS * i);
        rv = session->f->C_GetAttributeValue(session->handle, object, attributes, count);
    }
    if (partial(rv)) {
        for (CK_ULONG i = 0; i < count; i++) {
            attributes[i].ulValueLen = room[i];
            rv = session->f->C_GetAttributeValue(session->handle, object, &attributes[i], 1);
            if (partial(rv)) {
                attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
                rv = CKR_OK;
            }
            if (rv != CKR_OK)
                break;
        }
    }
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_GetAttributeValue", rv, TOK_CALL_OTHER);
    for (CK_ULONG i = 0; i < count; i++)
        if (attributes[i].ulValueLen > room[i])
            attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return ST_OK;
}

/* Some modules find nothing, without an error, on a token that is gone: that must not be taken for
 * a key that is gone. */
static core_status token_still_there(const tok_session *session, core_err *err)
{
    CK_TOKEN_INFO info;
    CK_RV rv = tok_token_info_get(session->token->ctx, session->token->slot, &info);
    return rv == CKR_OK ? ST_OK
                        : tok_rv_fail(err, session->token, "C_GetTokenInfo", rv, TOK_CALL_OTHER);
}

core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match, CK_ULONG match_count,
                       CK_OBJECT_HANDLE **out, size_t *count, core_err *err)
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
        st = token_still_there(session, err);
    if (st != ST_OK) {
        core_free(*out);
        *out = NULL;
        *count = 0;
    }
    return st;
}
