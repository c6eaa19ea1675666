/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of the memory token: begun and ended by the rules of Cryptoki, done by cipher.c.
 */
#include "private.h"

#include <openssl/crypto.h>
#include <string.h>

static const struct {
    CK_ATTRIBUTE_TYPE right;
    CK_FLAGS flag;
    CK_OBJECT_CLASS rsa; /* class of the RSA key that does it */
    CK_RV no_key;
} kinds[] = {
    [MEM_ENCRYPT] = {CKA_ENCRYPT, CKF_ENCRYPT, CKO_PUBLIC_KEY, CKR_KEY_HANDLE_INVALID},
    [MEM_DECRYPT] = {CKA_DECRYPT, CKF_DECRYPT, CKO_PRIVATE_KEY, CKR_KEY_HANDLE_INVALID},
    [MEM_SIGN] = {CKA_SIGN, CKF_SIGN, CKO_PRIVATE_KEY, CKR_KEY_HANDLE_INVALID},
    [MEM_VERIFY] = {CKA_VERIFY, CKF_VERIFY, CKO_PUBLIC_KEY, CKR_KEY_HANDLE_INVALID},
    [MEM_WRAP] = {CKA_WRAP, CKF_WRAP, CKO_PUBLIC_KEY, CKR_WRAPPING_KEY_HANDLE_INVALID},
    [MEM_UNWRAP] = {CKA_UNWRAP, CKF_UNWRAP, CKO_PRIVATE_KEY, CKR_UNWRAPPING_KEY_HANDLE_INVALID},
};

CK_RV mem_operation_begin(mem_operation *o, mem_kind kind, const CK_MECHANISM *mechanism,
                          CK_OBJECT_HANDLE key)
{
    mem_operation new = {0};
    CK_RV rv;

    if (mechanism == NULL)
        return CKR_ARGUMENTS_BAD;
    new.key = mem_object_find(key);
    new.how = mem_mechanism_find(mechanism->mechanism);
    if (new.how == NULL || (new.how->flags &kinds[kind].flag) == 0)
        return CKR_MECHANISM_INVALID;
    if (new.key == NULL)
        return kinds[kind].no_key;
    if (new.key->type != new.how->key || (new.key->rsa != NULL &&new.key->class != kinds[kind].rsa))
        return CKR_KEY_TYPE_INCONSISTENT;
    if (!mem_object_is(new.key, kinds[kind].right))
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    rv = mem_refuse_use(new.key, kind);
    if (rv == CKR_OK)
        rv = mem_operation_set(&new, mechanism);
    if (rv == CKR_OK) {
        new.key->refs++;
        *o = new;
    }
    return rv;
}

static CK_RV start(CK_SESSION_HANDLE session, mem_kind kind, const CK_MECHANISM *mechanism,
                   CK_OBJECT_HANDLE key)
{
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;

    mem_lock();
    mem_session *s = mem_session_find(session);
    if (s != NULL && s->operations[kind].how != NULL)
        rv = CKR_OPERATION_ACTIVE;
    else if (s != NULL)
        rv = mem_operation_begin(&s->operations[kind], kind, mechanism, key);
    mem_unlock();
    return rv;
}

/* A copy of the active operation that keeps its key, whatever other calls do to the session. */
static CK_RV borrow(CK_SESSION_HANDLE session, mem_kind kind, mem_operation *o)
{
    CK_RV rv = CKR_OK;

    mem_lock();
    mem_session *s = mem_session_find(session);
    if (s == NULL) {
        rv = CKR_SESSION_HANDLE_INVALID;
    } else if (s->operations[kind].how == NULL) {
        rv = CKR_OPERATION_NOT_INITIALIZED;
    } else if (!mem.logged_in && mem_object_is(s->operations[kind].key, CKA_PRIVATE)) {
        mem_operation_end(&s->operations[kind]);
        rv = CKR_USER_NOT_LOGGED_IN;
    } else {
        *o = s->operations[kind];
        o->key->refs++;
    }
    mem_unlock();
    return rv;
}

static void give_back(CK_SESSION_HANDLE session, mem_kind kind, mem_operation *o, bool end)
{
    mem_lock();
    mem_session *s = mem_session_find(session);
    if (end && s != NULL)
        mem_operation_end(&s->operations[kind]);
    mem_operation_end(o);
    mem_unlock();
}

static CK_RV run(CK_SESSION_HANDLE session, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                 CK_BYTE *out, CK_ULONG *n)
{
    mem_operation o;
    CK_BYTE *made = NULL;
    CK_ULONG length = 0;
    CK_ULONG most = 0;
    CK_RV rv = borrow(session, kind, &o);

    if (rv != CKR_OK)
        return rv;
    most = mem_crypt_most(&o, in_len);
    if (out == NULL) {
        *n = most;
        give_back(session, kind, &o, false);
        return CKR_OK;
    }
    rv = mem_crypt(&o, kind, in, in_len, &made, &length);
    if (rv == CKR_OK && length > *n)
        rv = CKR_BUFFER_TOO_SMALL;
    else if (rv == CKR_OK)
        memcpy(out, made, length);
    if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
        *n = length;
    OPENSSL_clear_free(made, most);
    give_back(session, kind, &o, rv != CKR_BUFFER_TOO_SMALL);
    return rv;
}

CK_RV mem_C_EncryptInit(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    return start(s, MEM_ENCRYPT, m, k);
}

CK_RV mem_C_Encrypt(CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *n)
{
    return run(s, MEM_ENCRYPT, in, in_len, out, n);
}

CK_RV mem_C_DecryptInit(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    return start(s, MEM_DECRYPT, m, k);
}

CK_RV mem_C_Decrypt(CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *n)
{
    return run(s, MEM_DECRYPT, in, in_len, out, n);
}

CK_RV mem_C_SignInit(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    return start(s, MEM_SIGN, m, k);
}

CK_RV mem_C_Sign(CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *n)
{
    return run(s, MEM_SIGN, in, in_len, out, n);
}

CK_RV mem_C_VerifyInit(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    return start(s, MEM_VERIFY, m, k);
}

CK_RV mem_C_Verify(CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG n, CK_BYTE *sig, CK_ULONG sn)
{
    mem_operation o;
    CK_RV rv = borrow(s, MEM_VERIFY, &o);

    if (rv == CKR_OK) {
        rv = mem_verify(&o, in, n, sig, sn);
        give_back(s, MEM_VERIFY, &o, true);
    }
    return rv;
}
