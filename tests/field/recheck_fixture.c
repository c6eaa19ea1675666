/* SPDX-License-Identifier: Apache-2.0
 *
 * See recheck_fixture.h.
 */
#include "tests/field/recheck_fixture.h"
#include <stdlib.h>
#include <string.h>
#include "pkcs11/keys/keys_private.h"

uint8_t rsa[FX_THUMB], aes[FX_THUMB];
uint8_t rsa_cipher[SIZE], cell[SIZE];
size_t rsa_cipher_len, cell_len;

SqlCpError seal(const uint8_t *thumb, uint8_t *out, size_t *length)
{
    *length = SIZE;
    return fx_encrypt(session, thumb, NULL, 0, plain, sizeof plain, out, length);
}

SqlCpError seal_rsa(void)
{
    uint8_t out[SIZE];
    size_t length;
    return seal(rsa, out, &length);
}

SqlCpError seal_aes(void)
{
    uint8_t out[SIZE];
    size_t length;
    return seal(aes, out, &length);
}

static SqlCpError unseal(const uint8_t *thumb, const uint8_t *in, size_t in_len)
{
    uint8_t out[SIZE] = {0};
    size_t length = sizeof out;
    SqlCpError e = fx_decrypt(session, thumb, NULL, 0, in, in_len, out, &length);
    bool right = length == sizeof plain && memcmp(out, plain, length) == 0;
    return e == scp_err_Success && !right ? scp_err_Failure : e;
}

SqlCpError open_rsa(void)
{
    return unseal(rsa, rsa_cipher, rsa_cipher_len);
}

SqlCpError open_aes(void)
{
    return unseal(aes, cell, cell_len);
}

void begin(const char *policy)
{
    provider_open(policy);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "RK", CORE_ALG_RSA_2048, 0, rsa), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "SK", CORE_ALG_AES_256, 0, aes), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(seal(rsa, rsa_cipher, &rsa_cipher_len), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(seal(aes, cell, &cell_len), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(open_aes(), scp_err_Success);
    proxy.reset();
}

static bool ours(tok_key *key)
{
    const char *name = tok_key_info_of(key)->name;
    const size_t length = strlen(name);
    return length >= 2 && (strcmp(name + length - 2, "RK") == 0 ||
                           strcmp(name + length - 2, "SK") == 0 || strstr(name, "own-") != NULL);
}

void end(void)
{
    tok_key **keys = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (ours(keys[i]))
            CU_ASSERT_EQUAL(tok_key_destroy(keys[i], NULL), ST_OK);
    tok_key_list_free(keys, count);
    provider_close();
}

void period(void)
{
    const uint64_t by = UINT64_C(1000000) * PERIOD_S;

    core_mutex_lock(&token->lock);
    for (unsigned i = 0; i < TOK_KEY_BUCKETS; i++) {
        for (tok_key *key = token->keys[i]; key != NULL; key = key->next) {
            atomic_fetch_sub(&key->state_us, atomic_load(&key->state_us) > by ? by : 0);
            atomic_fetch_sub(&key->handles[0].proven_us,
                             atomic_load(&key->handles[0].proven_us) > by ? by : 0);
        }
    }
    core_mutex_unlock(&token->lock);
}

CK_OBJECT_HANDLE private_key(const char *name)
{
    return other_find(&outside, CKO_PRIVATE_KEY, name);
}

unsigned log_count(const char *wanted)
{
    size_t length = 0;
    unsigned count = 0;
    char *text = testing_read(log_path, &length);

    for (const char *at = text; at && (at = strstr(at, wanted)) != NULL; at++)
        count++;
    free(text);
    return count;
}

bool retire_outside(const char *name, const char *retired)
{
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY};
    unsigned done = 0;
    for (unsigned i = 0; i < 3; i++) {
        CK_OBJECT_HANDLE object = other_find(&outside, classes[i], name);
        done += object != 0 && other_text(&outside, object, CKA_LABEL, retired);
    }
    return done > 0;
}
