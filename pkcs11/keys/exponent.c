/* SPDX-License-Identifier: Apache-2.0
 *
 * The exponent of a private key whose object does not tell it. A public object may tell one, but
 * anybody may have put it there; a key's thumbprint, by which databases know it, is made of the
 * exponent. So a candidate counts when what it encrypts comes back from the private key, tried in
 * the session that loads the key.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* What common key generators use, in the order of use. */
static const tok_exponent common[] = {{{1, 0, 1}, 3}, {{3}, 1}, {{17}, 1}};
enum { CANDIDATES_MOST = 8 };

static bool is_f4(const tok_exponent *exponent)
{
    return exponent->length == common[0].length &&
           memcmp(exponent->bytes, common[0].bytes, exponent->length) == 0;
}

static void take(tok_key_info *info, const tok_exponent *exponent)
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
        return ST_OK; /* no RSA key has these numbers */
    for (size_t i = 0; i < CORE_PAD_COUNT && st == ST_MECHANISM; i++)
        st = tok_answer_comes_back(session, object, key, public, order[i], right, err);
    core_rsa_free(public);
    return st;
}

static core_status try_all(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                           const tok_exponent *list, size_t count, core_err *err)
{
    core_status st = ST_OK;
    bool right = false;

    for (size_t i = 0; st == ST_OK && !right && i < count; i++) {
        st = tok_exponent_proves(session, object, key, &list[i], &right, err);
        if (right)
            take(&key->info, &list[i]);
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
    /* The usual exponent and no other: it is proven when something is to be encrypted with it. */
    if (count == 1 && is_f4(&list[0])) {
        take(&key->info, &list[0]);
        return ST_OK;
    }
    if ((key->info.can & TOK_CAN_DECRYPT) == 0)
        return ST_NOT_SUPPORTED; /* it can prove nothing */
    st = try_all(session, object, key, common, sizeof common / sizeof common[0], err);
    if (st == ST_NOT_SUPPORTED && count > 0)
        st = try_all(session, object, key, list, count, err);
    return st;
}
