/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the modulus of an RSA private key whose object does not tell it. Candidates are the public
 * objects with the same CKA_ID. Anyone can create a public object without the PIN, so a candidate
 * is accepted only if the private key decrypts what the candidate encrypts. The session that loads
 * the key makes that test.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

enum { CANDIDATES_MOST = 8 };

/* Copies the numbers of one public object into key->info. *right: they match the private key. */
static core_status try_candidate(tok_session *session, CK_OBJECT_HANDLE public, tok_key *key,
                                 CK_OBJECT_HANDLE object, bool *right, core_err *err)
{
    tok_key_info *info = &key->info;
    tok_exponent exponent = {.length = 0};
    CK_ATTRIBUTE want[] = {{CKA_MODULUS, info->modulus, sizeof info->modulus},
                           {CKA_PUBLIC_EXPONENT, exponent.bytes, sizeof exponent.bytes}};
    core_status st = tok_attributes(session, public, want, 2, err);

    *right = false;
    if (st == ST_HANDLE_LOST) /* deleted after the search */
        return ST_OK;
    if (st != ST_OK || !tok_attribute_has(&want[0]) || !tok_attribute_has(&want[1]))
        return st;
    info->modulus_len = want[0].ulValueLen;
    exponent.length = want[1].ulValueLen;
    tok_strip_zeros(info->modulus, &info->modulus_len);
    tok_strip_zeros(exponent.bytes, &exponent.length);
    st = tok_exponent_proves(session, object, key, &exponent, right, err);
    if (*right) {
        memcpy(info->exponent, exponent.bytes, exponent.length);
        info->exponent_len = exponent.length;
    }
    return st;
}

core_status tok_modulus_find(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                             bool *found, core_err *err)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_ID, key->info.id, (CK_ULONG)key->info.id_len},
    };
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;

    *found = false;
    if (key->info.id_len == 0 || (key->info.can & TOK_CAN_DECRYPT) == 0)
        return ST_OK; /* no id to search for, or no decryption to prove it with */
    core_status st = tok_search(session, match, 3, &objects, &count, err);
    for (size_t i = 0; st == ST_OK && !*found && i < count && i < CANDIDATES_MOST; i++)
        st = try_candidate(session, objects[i], key, object, found, err);
    core_free(objects);
    if (!*found)
        key->info.modulus_len = 0;
    return st;
}
