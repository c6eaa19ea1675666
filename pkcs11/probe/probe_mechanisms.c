/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists the mechanisms of a token by name. Some tokens give the key sizes of AES in bytes, as the
 * standard says, and some in bits. They are converted to bits if the unit is certain.
 */
#include <stdio.h>
#include "pkcs11/probe/probe_private.h"

#define NAME(type)  \
    {               \
        type, #type \
    }
static const struct {
    CK_MECHANISM_TYPE type;
    const char *name;
} names[] = {
    NAME(CKM_RSA_PKCS_KEY_PAIR_GEN),
    NAME(CKM_RSA_PKCS),
    NAME(CKM_RSA_X_509),
    NAME(CKM_RSA_9796),
    NAME(CKM_RSA_PKCS_OAEP),
    NAME(CKM_RSA_PKCS_PSS),
    NAME(CKM_MD5_RSA_PKCS),
    NAME(CKM_SHA1_RSA_PKCS),
    NAME(CKM_SHA224_RSA_PKCS),
    NAME(CKM_SHA256_RSA_PKCS),
    NAME(CKM_SHA384_RSA_PKCS),
    NAME(CKM_SHA512_RSA_PKCS),
    NAME(CKM_SHA1_RSA_PKCS_PSS),
    NAME(CKM_SHA224_RSA_PKCS_PSS),
    NAME(CKM_SHA256_RSA_PKCS_PSS),
    NAME(CKM_SHA384_RSA_PKCS_PSS),
    NAME(CKM_SHA512_RSA_PKCS_PSS),
    NAME(CKM_DSA_KEY_PAIR_GEN),
    NAME(CKM_DSA),
    NAME(CKM_DSA_SHA1),
    NAME(CKM_EC_KEY_PAIR_GEN),
    NAME(CKM_ECDSA),
    NAME(CKM_ECDSA_SHA1),
    NAME(CKM_ECDSA_SHA256),
    NAME(CKM_ECDSA_SHA384),
    NAME(CKM_ECDSA_SHA512),
    NAME(CKM_ECDH1_DERIVE),
    NAME(CKM_DH_PKCS_KEY_PAIR_GEN),
    NAME(CKM_DH_PKCS_DERIVE),
    NAME(CKM_AES_KEY_GEN),
    NAME(CKM_AES_ECB),
    NAME(CKM_AES_CBC),
    NAME(CKM_AES_CBC_PAD),
    NAME(CKM_AES_CTR),
    NAME(CKM_AES_GCM),
    NAME(CKM_AES_CCM),
    NAME(CKM_AES_CMAC),
    NAME(CKM_AES_MAC),
    NAME(CKM_AES_KEY_WRAP),
    NAME(CKM_AES_KEY_WRAP_PAD),
    NAME(CKM_DES_KEY_GEN),
    NAME(CKM_DES_ECB),
    NAME(CKM_DES_CBC),
    NAME(CKM_DES_CBC_PAD),
    NAME(CKM_DES2_KEY_GEN),
    NAME(CKM_DES3_KEY_GEN),
    NAME(CKM_DES3_ECB),
    NAME(CKM_DES3_CBC),
    NAME(CKM_DES3_CBC_PAD),
    NAME(CKM_DES3_CMAC),
    NAME(CKM_GENERIC_SECRET_KEY_GEN),
    NAME(CKM_MD5),
    NAME(CKM_MD5_HMAC),
    NAME(CKM_SHA_1),
    NAME(CKM_SHA_1_HMAC),
    NAME(CKM_SHA224),
    NAME(CKM_SHA224_HMAC),
    NAME(CKM_SHA256),
    NAME(CKM_SHA256_HMAC),
    NAME(CKM_SHA384),
    NAME(CKM_SHA384_HMAC),
    NAME(CKM_SHA512),
    NAME(CKM_SHA512_HMAC),
};
#undef NAME

/* The buffer is larger than the token requests, by MECHANISMS_EXTRA entries: p11-kit's client
 * (0.24) also writes the mechanisms that it removes from the list afterwards, beyond the size that
 * it returned. */
enum { MECHANISMS_MAX = 4096, MECHANISMS_EXTRA = 512, TRIES = 3 };

static void set_name(tok_mechanism *out, CK_MECHANISM_TYPE type)
{
    (void)snprintf(out->name, sizeof out->name, "0x%lx", (unsigned long)type);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type)
            (void)snprintf(out->name, sizeof out->name, "%s", names[i].name);
}

/* True if the sizes are in bytes. AES keys have 16 to 32 bytes or 128 to 256 bits, so the maximum
 * shows the unit. */
static bool is_in_bytes(CK_MECHANISM_TYPE type, CK_ULONG max)
{
    return (type == CKM_AES_KEY_GEN || type == CKM_AES_ECB || type == CKM_AES_CBC ||
            type == CKM_AES_CBC_PAD || type == CKM_AES_CTR || type == CKM_AES_GCM ||
            type == CKM_AES_CCM || type == CKM_AES_CMAC || type == CKM_AES_MAC ||
            type == CKM_AES_KEY_WRAP || type == CKM_AES_KEY_WRAP_PAD) &&
           max <= 32;
}

static void describe_mechanism(tok_session *session, CK_MECHANISM_TYPE type, tok_mechanism *out)
{
    CK_MECHANISM_INFO info;

    set_name(out, type);
    if (session->f->C_GetMechanismInfo(session->token->slot, type, &info) == CKR_OK) {
        unsigned unit = is_in_bytes(type, info.ulMaxKeySize) ? 8 : 1;
        out->min_bits = (uint64_t)info.ulMinKeySize * unit;
        out->max_bits = (uint64_t)info.ulMaxKeySize * unit;
    }
}

typedef struct listing {
    tok_mechanism *mechanisms;
    CK_ULONG count;
} listing;

/* Reads the list (PKCS #11 v3.1, 5.5.5). It is tried again if the list grew between the call for
 * its length and the call for its contents. */
static CK_RV read_types(tok_session *session, CK_MECHANISM_TYPE **types, CK_ULONG *count)
{
    CK_RV rv = CKR_BUFFER_TOO_SMALL;
    CK_ULONG room = 0;

    for (int i = 0; i < TRIES && rv == CKR_BUFFER_TOO_SMALL; i++) {
        core_free(*types);
        *types = NULL;
        rv = session->f->C_GetMechanismList(session->token->slot, NULL, count);
        if (rv != CKR_OK || *count == 0)
            return rv;
        if (*count > MECHANISMS_MAX)
            return CKR_GENERAL_ERROR;
        *count += MECHANISMS_EXTRA;
        room = *count;
        *types = core_calloc(room, sizeof **types);
        if (*types == NULL)
            return CKR_HOST_MEMORY;
        rv = session->f->C_GetMechanismList(session->token->slot, *types, count);
    }
    if (*count > room) /* the token claims to have written more than the capacity */
        *count = room;
    return rv;
}

static core_status list_op(tok_session *session, void *arg, core_err *err)
{
    listing *out = arg;
    CK_MECHANISM_TYPE *types = NULL;
    CK_ULONG count = 0;
    core_status st = ST_OK;
    CK_RV rv = read_types(session, &types, &count);

    if (rv != CKR_OK) {
        st = tok_rv_fail(err, session->token, "C_GetMechanismList", rv, TOK_CALL_OTHER);
        goto done;
    }
    if (count == 0)
        goto done;
    out->mechanisms = core_calloc(count, sizeof *out->mechanisms);
    if (out->mechanisms == NULL) {
        st = core_fail(err, ST_NO_MEMORY, "mechanisms: out of memory");
        goto done;
    }
    for (CK_ULONG i = 0; i < count; i++)
        describe_mechanism(session, types[i], &out->mechanisms[i]);
    out->count = count;
done:
    core_free(types);
    return st;
}

core_status tok_mechanism_list(tok_token *token, tok_mechanism **out, size_t *count, core_err *err)
{
    listing found = {0};
    core_status st;

    *out = NULL;
    *count = 0;
    st = tok_execute_once(token, list_op, &found, err);
    if (st == ST_OK) {
        *out = found.mechanisms;
        *count = found.count;
    }
    return st;
}
