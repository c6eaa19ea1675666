/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the public exponent of a private key whose object does not tell it. A public object may
 * tell an exponent, but anyone can create a public object without the PIN, and the thumbprint by
 * which databases know a key depends on the exponent. So a candidate is accepted only if the
 * private key decrypts what the candidate encrypts. The session that loads the key makes that test.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* The exponents of common key generators, the most common first. */
static const tok_exponent common[] = {{{1, 0, 1}, 3}, {{3}, 1}, {{17}, 1}};
enum { CANDIDATES_MOST = 8 };

static bool is_f4(const tok_exponent *exponent)
{
    return exponent->length == common[0].length &&
           memcmp(exponent->bytes, common[0].bytes, exponent->length) == 0;
}

static void set_exponent(tok_key_info *info, const tok_exponent *exponent)
{
    memcpy(info->exponent, exponent->bytes, exponent->length);
    info->exponent_len = exponent->length;
}

core_status tok_exponent_proves(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_exponent *exponent, bool *right, core_err *err)
{
    static const core_padding order[] = {CORE_PAD_OAEP_SHA1, CORE_PAD_OAEP_SHA256, CORE_PAD_PKCS1};
    const tok_key_info *info = &key->info;
    core_status st = ST_MECHANISM;

    *right = false;
    EVP_PKEY *public =
        core_rsa_public(info->modulus, info->modulus_len, exponent->bytes, exponent->length);
    if (public == NULL)
        return ST_OK; /* OpenSSL takes these numbers for no RSA key */
    for (size_t i = 0; i < CORE_PAD_COUNT && st == ST_MECHANISM; i++)
        st = tok_answer_comes_back(session, object, key, public, order[i], right, err);
    core_rsa_free(public);
    return st;
}

static core_status try_exponents(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                 const tok_exponent *list, size_t count, core_err *err)
{
    core_status st = ST_OK;
    bool right = false;

    for (size_t i = 0; st == ST_OK && !right && i < count; i++) {
        st = tok_exponent_proves(session, object, key, &list[i], &right, err);
        if (right)
            set_exponent(&key->info, &list[i]);
    }
    return st != ST_OK || right ? st : ST_NOT_SUPPORTED;
}

core_status tok_exponent_find(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                              core_err *err)
{
    tok_exponent list[CANDIDATES_MOST];
    size_t count = 0;
    core_status st = tok_public_exponents(session, &key->info, list, CANDIDATES_MOST, &count, err);

    if (st != ST_OK)
        return st;
    /* The only candidate is 65537: accept it here. It is proven before the first encryption. */
    if (count == 1 && is_f4(&list[0])) {
        set_exponent(&key->info, &list[0]);
        return ST_OK;
    }
    if ((key->info.can & TOK_CAN_DECRYPT) == 0)
        return ST_NOT_SUPPORTED; /* the key cannot decrypt, so it cannot prove one */
    st = try_exponents(session, object, key, common, sizeof common / sizeof common[0], err);
    if (st == ST_NOT_SUPPORTED && count > 0)
        st = try_exponents(session, object, key, list, count, err);
    return st;
}
