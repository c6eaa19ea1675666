/* SPDX-License-Identifier: Apache-2.0
 *
 * See stress.h.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/p11ekm_cmk.h"
#include "raw.h"
#include "stress.h"

static p11ekm_cmk *store;
static const char *const paths[] = {"pkcs11:object=stress-cmk-a", "pkcs11:object=stress-cmk-b"};

static const char *const names[] = {"open",   "generate", "decrypt", "encrypt",
                                    "rewrap", "sign",     "verify"};
enum { OPEN, GENERATE, DECRYPT, ENCRYPT, REWRAP, SIGN, VERIFY, FUNCTIONS };
static atomic_ulong calls[FUNCTIONS];
static atomic_ulong failed[FUNCTIONS];

static bool count(unsigned which, int code, const char *message)
{
    atomic_fetch_add(&calls[which], 1);
    if (code == P11EKM_CMK_OK)
        return true;
    if (atomic_fetch_add(&failed[which], 1) < 5)
        fprintf(stderr, "p11ekm_cmk_%s: %d %s\n", names[which], code, message);
    return false;
}

static CK_RV make(const raw_token *token, const char *label)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 2048;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
    CK_ATTRIBUTE public_part[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_MODULUS_BITS, &bits, sizeof bits},
        {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_VERIFY, &yes, sizeof yes},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
    };
    CK_ATTRIBUTE private_part[] = {
        {CKA_TOKEN, &yes, sizeof yes},   {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes}, {CKA_SIGN, &yes, sizeof yes},
        {CKA_UNWRAP, &yes, sizeof yes},  {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
    };
    return token->f->C_GenerateKeyPair(
        token->session, &mechanism, public_part, sizeof public_part / sizeof public_part[0],
        private_part, sizeof private_part / sizeof private_part[0], &public_key, &private_key);
}

bool stress_cmk_key(void)
{
    raw_token token;

    if (!raw_open(&token))
        return false;
    const bool made =
        make(&token, "stress-cmk-a") == CKR_OK && make(&token, "stress-cmk-b") == CKR_OK;
    raw_close(&token, true);
    return made;
}

bool stress_cmk_open(void)
{
    char message[256] = "";
    const char *pin = getenv("PIN");
    return count(OPEN,
                 p11ekm_cmk_open(NULL, "test", pin, strlen(pin), &store, message, sizeof message),
                 message);
}

void stress_cmk_close(void)
{
    p11ekm_cmk_close(store);
    store = NULL;
}

static bool decrypts_to(const char *path, const uint8_t *ecek, size_t ecek_size, uint8_t cek[32],
                        const uint8_t *expected)
{
    char message[256] = "";
    size_t size = P11EKM_CMK_CEK_SIZE;
    return count(DECRYPT,
                 p11ekm_cmk_decrypt(store, path, "RSA_OAEP", ecek, ecek_size, cek, &size, message,
                                    sizeof message),
                 message) &&
           size == P11EKM_CMK_CEK_SIZE && (expected == NULL || memcmp(cek, expected, size) == 0);
}

/* A new key: encrypted, rewrapped under the other master key, and the same inside the token. */
bool stress_cmk_wraps(unsigned round)
{
    const char *from = paths[round % 2];
    const char *to = paths[(round + 1) % 2];
    char message[256] = "";
    uint8_t ecek[1024];
    uint8_t again[1024];
    uint8_t cek[P11EKM_CMK_CEK_SIZE];
    uint8_t back[P11EKM_CMK_CEK_SIZE];
    size_t size = sizeof ecek;
    size_t again_size = sizeof again;

    if (!count(GENERATE,
               p11ekm_cmk_generate(store, from, "RSA_OAEP", P11EKM_CMK_ALLOW_SOFTWARE, ecek, &size,
                                   message, sizeof message),
               message) ||
        !decrypts_to(from, ecek, size, cek, NULL) ||
        !count(REWRAP,
               p11ekm_cmk_rewrap(store, from, to, "RSA_OAEP", P11EKM_CMK_ALLOW_SOFTWARE, ecek, size,
                                 again, &again_size, message, sizeof message),
               message) ||
        !decrypts_to(to, again, again_size, back, cek))
        return false;
    size = sizeof ecek;
    return count(ENCRYPT,
                 p11ekm_cmk_encrypt(store, to, "RSA_OAEP", cek, sizeof cek, ecek, &size, message,
                                    sizeof message),
                 message) &&
           decrypts_to(to, ecek, size, back, cek);
}

bool stress_cmk_signs(unsigned round)
{
    const char *path = paths[round % 2];
    char message[256] = "";
    uint8_t signature[512];
    size_t size = sizeof signature;

    return count(SIGN, p11ekm_cmk_sign(store, path, 1, signature, &size, message, sizeof message),
                 message) &&
           count(VERIFY,
                 p11ekm_cmk_verify(store, path, 1, signature, size, message, sizeof message),
                 message);
}

unsigned stress_cmk_print(void)
{
    unsigned missing = 0;

    for (unsigned i = 0; i < FUNCTIONS; i++) {
        printf("p11ekm_cmk_%-17s %10lu %10s %10lu\n", names[i],
               atomic_load(&calls[i]) - atomic_load(&failed[i]), "", atomic_load(&failed[i]));
        missing += atomic_load(&calls[i]) == 0;
    }
    return missing;
}
