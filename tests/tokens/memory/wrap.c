/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrapping and unwrapping of the memory token's keys.
 */
#include "private.h"

#include <openssl/crypto.h>
#include <string.h>

/* The operation that wraps or unwraps in one call. */
static CK_RV wrapper(CK_SESSION_HANDLE session, mem_kind kind, const CK_MECHANISM *m,
                     CK_OBJECT_HANDLE key, mem_operation *o)
{
    mem_lock();
    const CK_RV rv = mem_session_find(session) != NULL ? mem_operation_begin(o, kind, m, key)
                                                       : CKR_SESSION_HANDLE_INVALID;
    mem_unlock();
    return rv;
}

static void wrapper_end(mem_operation *o)
{
    mem_lock();
    mem_operation_end(o);
    mem_unlock();
}

/* A copy of the value of a key that may be wrapped. */
static CK_RV leaving(CK_OBJECT_HANDLE handle, CK_BYTE value[MEM_SECRET_MOST], CK_ULONG *length)
{
    CK_RV rv = CKR_OK;

    mem_lock();
    const mem_object *o = mem_object_find(handle);
    if (o == NULL)
        rv = CKR_KEY_HANDLE_INVALID;
    else if (o->class != CKO_SECRET_KEY)
        rv = CKR_KEY_NOT_WRAPPABLE;
    else if (!mem_object_is(o, CKA_EXTRACTABLE))
        rv = CKR_KEY_UNEXTRACTABLE;
    if (rv == CKR_OK) {
        memcpy(value, o->value, o->value_len);
        *length = o->value_len;
    }
    mem_unlock();
    return rv;
}

CK_RV mem_C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_OBJECT_HANDLE k,
                    CK_OBJECT_HANDLE o, CK_BYTE *out, CK_ULONG *n)
{
    mem_operation how = {0};
    CK_BYTE value[MEM_SECRET_MOST];
    CK_BYTE *made = NULL;
    CK_ULONG length = 0;
    CK_ULONG made_len = 0;
    CK_RV rv = wrapper(session, MEM_WRAP, m, k, &how);

    if (rv != CKR_OK)
        return rv;
    rv = leaving(o, value, &length);
    if (rv == CKR_OK)
        rv = mem_crypt(&how, MEM_WRAP, value, length, &made, &made_len);
    if (rv == CKR_OK && out != NULL && made_len > *n)
        rv = CKR_BUFFER_TOO_SMALL;
    else if (rv == CKR_OK && out != NULL)
        memcpy(out, made, made_len);
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
        *n = made_len;
    OPENSSL_free(made);
    OPENSSL_cleanse(value, sizeof value);
    wrapper_end(&how);
    return rv;
}

CK_RV mem_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_OBJECT_HANDLE k, CK_BYTE *in,
                      CK_ULONG n, CK_ATTRIBUTE *t, CK_ULONG tn, CK_OBJECT_HANDLE *out)
{
    mem_operation how = {0};
    CK_BYTE *value = NULL;
    CK_ULONG length = 0;
    CK_ULONG type = 0;
    CK_ULONG most = 0;
    CK_RV rv = mem_template_number(t, tn, CKA_KEY_TYPE, &type);

    if (rv == CKR_OK)
        rv = wrapper(session, MEM_UNWRAP, m, k, &how);
    if (rv != CKR_OK)
        return rv;
    most = mem_crypt_most(&how, n);
    rv = mem_crypt(&how, MEM_UNWRAP, in, n, &value, &length);
    if (rv == CKR_OK && !mem_length_fits(type, length))
        rv = CKR_WRAPPED_KEY_LEN_RANGE;
    if (rv == CKR_OK)
        rv = mem_secret_enter(session, type, value, length, t, tn, out);
    OPENSSL_clear_free(value, most);
    wrapper_end(&how);
    return rv;
}
