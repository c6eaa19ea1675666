/* SPDX-License-Identifier: Apache-2.0
 *
 * Chaos through the Always Encrypted key store: what client drivers do with a column master key.
 */
#include <stdlib.h>
#include <string.h>
#include "chaos.h"

static const char path[] = "pkcs11:object=" CHAOS_CMK;
static const char algorithm[] = "RSA_OAEP";
static uint8_t cek[P11EKM_CMK_CEK_SIZE];
static uint8_t ecek[1024], signature[512];
static size_t ecek_len = sizeof ecek, signature_len = sizeof signature;

static bool decrypts(chaos_worker *w, const uint8_t *value, size_t length, int *code)
{
    uint8_t out[P11EKM_CMK_CEK_SIZE] = {0};
    size_t out_len = sizeof out;

    *code = p11ekm_cmk_decrypt(w->store, path, algorithm, value, length, out, &out_len, NULL, 0);
    if (*code == P11EKM_CMK_OK)
        chaos_served(w);
    return *code != P11EKM_CMK_OK || (out_len == sizeof cek && memcmp(out, cek, sizeof cek) == 0);
}

static bool opens_cek(chaos_worker *w, int *code)
{
    return decrypts(w, ecek, ecek_len, code);
}

static bool seals_and_opens(chaos_worker *w, int *code)
{
    uint8_t value[sizeof ecek];
    size_t length = sizeof value;

    *code = p11ekm_cmk_encrypt(w->store, path, algorithm, cek, sizeof cek, value, &length, NULL, 0);
    return *code != P11EKM_CMK_OK || decrypts(w, value, length, code);
}

/* Nothing is decrypted if the signature does not match. */
static bool refuses_junk(chaos_worker *w, int *code)
{
    uint8_t junk[sizeof ecek];
    const size_t body = 2 * signature_len; /* ciphertext and signature are at the end */

    memcpy(junk, ecek, ecek_len);
    junk[ecek_len - 1 - w->rounds % body] ^= 1;
    (void)decrypts(w, junk, ecek_len, code);
    if (*code == P11EKM_CMK_OK)
        return false;
    if (*code == P11EKM_CMK_SIGNATURE_INVALID)
        *code = P11EKM_CMK_OK;
    return true;
}

static bool verifies(chaos_worker *w, int *code)
{
    *code = p11ekm_cmk_verify(w->store, path, 1, signature, signature_len, NULL, 0);
    return *code != P11EKM_CMK_SIGNATURE_INVALID;
}

/* A signature for enclave computations is not valid without them, and a changed signature is
 * invalid. */
static bool refuses_signature(chaos_worker *w, int *code)
{
    uint8_t other[sizeof signature];

    memcpy(other, signature, signature_len);
    other[w->rounds % signature_len] ^= 1;
    *code = p11ekm_cmk_verify(w->store, path, 1, other, signature_len, NULL, 0);
    if (*code == P11EKM_CMK_SIGNATURE_INVALID)
        *code = p11ekm_cmk_verify(w->store, path, 0, signature, signature_len, NULL, 0);
    if (*code == P11EKM_CMK_OK)
        return false;
    if (*code == P11EKM_CMK_SIGNATURE_INVALID)
        *code = P11EKM_CMK_OK;
    return true;
}

static bool signs(chaos_worker *w, int *code)
{
    uint8_t made[sizeof signature];
    size_t length = sizeof made;

    *code = p11ekm_cmk_sign(w->store, path, 1, made, &length, NULL, 0);
    return *code != P11EKM_CMK_OK ||
           (length == signature_len && memcmp(made, signature, length) == 0);
}

static int open_store(const char *pin, p11ekm_cmk **store)
{
    return p11ekm_cmk_open(NULL, "test", pin, strlen(pin), store, NULL, 0);
}

static bool other_store(chaos_worker *w, int *code)
{
    p11ekm_cmk *other = NULL;

    *code = open_store("no PIN of this", &other);
    if (*code != P11EKM_CMK_AUTH_FAILED)
        return chaos_says_away(*code);
    *code = open_store(getenv("PIN"), &other);
    if (*code != P11EKM_CMK_OK)
        return other == NULL;
    p11ekm_cmk_close(w->store);
    w->store = other;
    return opens_cek(w, code);
}

static bool open_front_end(chaos_worker *w)
{
    return open_store(getenv("PIN"), &w->store) == P11EKM_CMK_OK;
}

static void close_front_end(chaos_worker *w)
{
    p11ekm_cmk_close(w->store);
    w->store = NULL;
}

static bool prepare(chaos_worker *w)
{
    for (size_t i = 0; i < sizeof cek; i++)
        cek[i] = (uint8_t)(7 * i + 3);
    return p11ekm_cmk_encrypt(w->store, path, algorithm, cek, sizeof cek, ecek, &ecek_len, NULL,
                              0) == P11EKM_CMK_OK &&
           p11ekm_cmk_sign(w->store, path, 1, signature, &signature_len, NULL, 0) == P11EKM_CMK_OK;
}

static unsigned lost(void)
{
    chaos_worker w = {.kind = CHAOS_AE};
    int code = 0;

    if (!open_front_end(&w))
        return 1;
    bool there = opens_cek(&w, &code) && code == P11EKM_CMK_OK;
    there = there && verifies(&w, &code) && code == P11EKM_CMK_OK;
    close_front_end(&w);
    return there ? 0 : 1;
}

static const chaos_work works[CHAOS_WORKS] = {
    {"decrypts a CEK", opens_cek},  {"encrypts one, decrypts it", seals_and_opens},
    {"verifies the CMK", verifies}, {"refuses a changed CEK", refuses_junk},
    {"decrypts a CEK", opens_cek},  {"refuses a signature", refuses_signature},
    {"signs the CMK", signs},       {"another store", other_store},
};
const chaos_front_end chaos_ae = {"AE", works, open_front_end, close_front_end, prepare, lost};
