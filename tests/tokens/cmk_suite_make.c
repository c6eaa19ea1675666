/* SPDX-License-Identifier: Apache-2.0
 *
 * Making encrypted column encryption keys: encrypting, generating and rewrapping inside the token,
 * and the signatures of master keys; checked with OpenSSL, with an independent script, and by the
 * calls that the token received.
 */
#include "tests/tokens/cmk_suite.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "cmk/ecek.h"
#include "core/crypto.h"
#include "core/text.h"

#define OWN  "ae_own_2048.key.pem"
#define WIDE "ae_own_4096.key.pem"
enum { ROOM = 2048 };
static const uint8_t sample_cek[CMK_CEK_LEN] = {0xc0, 1, 2, 3, 4, 5, 6, 7, 8};
static int start(void)
{
    return core_crypto_open() == ST_OK ? 0 : 1;
}

static int stop(void)
{
    suite_store_close();
    core_crypto_close();
    return 0;
}

static cmk_store *the_store(void)
{
    return suite_store("");
}

/* Decrypts an ECEK of ours with OpenSSL and the key file. */
static bool opens_outside(const char *key_file, const char *path, const uint8_t *ecek,
                          size_t length, uint8_t cek[CMK_CEK_LEN])
{
    EVP_PKEY *key = vector_key(vectors_own(), key_file), *public = vector_public(key);
    const size_t k = (size_t)EVP_PKEY_get_size(key);
    uint8_t digest[32], head[ROOM], opened[1024];
    size_t offset = 0, opened_len = sizeof opened;
    cmk_ecek parts;
    bool good = cmk_ecek_parse(ecek, length, k, &parts, NULL) == ST_OK &&
                core_sha256(ecek, parts.signed_len, NULL, 0, NULL, 0, digest) == ST_OK &&
                core_rsa_verify(public, digest, parts.signature, parts.signature_len) == ST_OK &&
                oaep_decrypt(key, parts.ciphertext, parts.ciphertext_len, opened, &opened_len) &&
                opened_len == CMK_CEK_LEN &&
                cmk_ecek_begin(path, k, head, sizeof head, &offset, NULL) == ST_OK &&
                memcmp(head, ecek, offset) == 0;
    if (good)
        memcpy(cek, opened, CMK_CEK_LEN);
    core_rsa_free(public);
    EVP_PKEY_free(key);
    return good;
}

static void encrypts(void)
{
    static const char *const keys[] = {OWN, "ae_own_3072.key.pem", WIDE};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        uint8_t ecek[ROOM], again[ROOM], cek[CMK_CEK_LEN];
        size_t length = 0, again_len = sizeof again;
        const char *path = suite_path(keys[i]);
        count_reset();
        CU_ASSERT_EQUAL(
            cmk_encrypt_cek(the_store(), path, "RSA_OAEP", sample_cek, 32, NULL, &length, NULL),
            ST_BUFFER_TOO_SMALL);
        CU_ASSERT_EQUAL(count_private(), 0);
        CU_ASSERT_TRUE(length > 512 && length < sizeof ecek);
        CU_ASSERT_EQUAL(
            cmk_encrypt_cek(the_store(), path, "RSA_OAEP", sample_cek, 32, ecek, &length, NULL),
            ST_OK);
        CU_ASSERT_TRUE(opens_outside(keys[i], path, ecek, length, cek));
        CU_ASSERT_EQUAL(memcmp(cek, sample_cek, sizeof cek), 0);
        CU_ASSERT_EQUAL(cmk_decrypt_cek(the_store(), path, "RSA_OAEP", ecek, length, cek, NULL),
                        ST_OK);
        CU_ASSERT_EQUAL(memcmp(cek, sample_cek, sizeof cek), 0);
        CU_ASSERT_EQUAL(
            cmk_encrypt_cek(the_store(), path, "RSA-OAEP", sample_cek, 32, again, &again_len, NULL),
            ST_OK);
        CU_ASSERT_TRUE(again_len == length && memcmp(again, ecek, length) != 0);
    }
}

static void refuses_other_sizes(void)
{
    static const size_t sizes[] = {0, 16, 31, 33, 64};
    uint8_t ecek[ROOM], cek[64] = {0};
    core_err err;
    count_reset();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t length = sizeof ecek;
        memset(ecek, 0xee, sizeof ecek);
        CU_ASSERT_EQUAL(cmk_encrypt_cek(the_store(), suite_path(OWN), "RSA_OAEP", cek, sizes[i],
                                        ecek, &length, &err),
                        ST_DATA_LENGTH);
        CU_ASSERT_EQUAL(length, 0);
        CU_ASSERT_EQUAL(ecek[0], 0);
        CU_ASSERT_EQUAL(ecek[sizeof ecek - 1], 0);
    }
    CU_ASSERT_EQUAL(count_of("C_Encrypt"), 0);
}

/* An independent script decrypts what we encrypt. Exit status 77: it cannot run here. */
static void script_opens_ours(void)
{
    extern char **environ;
    uint8_t ecek[ROOM];
    char hex[2 * ROOM + 1], cek_hex[65], script[600], key[600];
    size_t length = sizeof ecek;
    int status = -1;
    pid_t child = 0;
    CU_ASSERT_EQUAL_FATAL(cmk_encrypt_cek(the_store(), suite_path(OWN), "RSA_OAEP", sample_cek, 32,
                                          ecek, &length, NULL),
                          ST_OK);
    core_hex(ecek, length, hex);
    core_hex(sample_cek, sizeof sample_cek, cek_hex);
    const char *file = testing_file("ecek.hex", hex, strlen(hex), 0600);
    (void)snprintf(script, sizeof script, "%s/open_ecek.py", vectors_own());
    (void)snprintf(key, sizeof key, "%s/%s", vectors_own(), OWN);
    char *const argv[] = {(char *)(uintptr_t) "python3",      script,  key, (char *)(uintptr_t)file,
                          (char *)(uintptr_t)suite_path(OWN), cek_hex, NULL};
    if (posix_spawnp(&child, "python3", NULL, NULL, argv, environ) != 0)
        TEST_SKIP("there is no python3");
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        TEST_SKIP("python3 has no package cryptography");
    CU_ASSERT_EQUAL(status, 0);
}

/* Generated inside the token: the value is never in this process. */
static void generates_inside(void)
{
    uint8_t ecek[ROOM], other[ROOM], cek[CMK_CEK_LEN], opened[CMK_CEK_LEN];
    size_t length = sizeof ecek, other_len = sizeof other;
    core_err err = {0};
    const char *path = suite_path(OWN);
    count_reset();
    CU_ASSERT_EQUAL_FATAL(
        cmk_generate_cek(the_store(), path, "RSA_OAEP", CMK_IN_TOKEN, ecek, &length, &err), ST_OK);
    if (counting()) {
        CU_ASSERT_EQUAL(count_of("C_GenerateKey"), 1);
        CU_ASSERT_EQUAL(count_of("C_WrapKey"), 1);
        CU_ASSERT_EQUAL(count_of("C_DestroyObject"), 1);
        CU_ASSERT_EQUAL(count_of("C_Decrypt"), 0);
        CU_ASSERT_EQUAL(count_of("C_Encrypt"), 0);
        CU_ASSERT_EQUAL(count_of("C_GenerateRandom"), 0);
    }
    CU_ASSERT_TRUE(opens_outside(OWN, path, ecek, length, cek));
    CU_ASSERT_EQUAL(cmk_decrypt_cek(the_store(), path, "RSA_OAEP", ecek, length, opened, NULL),
                    ST_OK);
    CU_ASSERT_EQUAL(memcmp(cek, opened, sizeof cek), 0);
    CU_ASSERT_EQUAL(
        cmk_generate_cek(the_store(), path, "RSA_OAEP", CMK_IN_TOKEN, other, &other_len, &err),
        ST_OK);
    CU_ASSERT_TRUE(opens_outside(OWN, path, other, other_len, opened));
    CU_ASSERT_NOT_EQUAL(memcmp(cek, opened, sizeof cek), 0);
}

static void rewraps_inside(void)
{
    uint8_t ecek[ROOM], moved[ROOM], cek[CMK_CEK_LEN];
    size_t length = sizeof ecek, moved_len = 0;
    const char *from = suite_path(OWN), *to = suite_path(WIDE);
    CU_ASSERT_EQUAL_FATAL(
        cmk_encrypt_cek(the_store(), from, "RSA_OAEP", sample_cek, 32, ecek, &length, NULL), ST_OK);
    CU_ASSERT_EQUAL(cmk_rewrap_cek(the_store(), from, to, "RSA_OAEP", ecek, length, CMK_IN_TOKEN,
                                   NULL, &moved_len, NULL),
                    ST_BUFFER_TOO_SMALL);
    CU_ASSERT_TRUE_FATAL(moved_len <= sizeof moved);
    count_reset();
    CU_ASSERT_EQUAL_FATAL(cmk_rewrap_cek(the_store(), from, to, "RSA_OAEP", ecek, length,
                                         CMK_IN_TOKEN, moved, &moved_len, NULL),
                          ST_OK);
    if (counting()) {
        CU_ASSERT_TRUE(count_of("C_UnwrapKey") >= 1); /* some tokens need another template */
        CU_ASSERT_TRUE(count_of("C_WrapKey") >= 1);
        CU_ASSERT_EQUAL(count_of("C_Decrypt"), 0);
        CU_ASSERT_EQUAL(count_of("C_Encrypt"), 0);
    }
    CU_ASSERT_TRUE(opens_outside(WIDE, to, moved, moved_len, cek));
    CU_ASSERT_EQUAL(memcmp(cek, sample_cek, sizeof cek), 0);
}

/* The checks of a decryption apply here, too, before the token is called. */
static void rewraps_only_what_is_sound(void)
{
    uint8_t ecek[ROOM], moved[ROOM];
    size_t length = 0, moved_len = sizeof moved;
    core_err err = {0};
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    length = suite_ecek(key, sample_cek, 32, true, ecek);
    count_reset();
    CU_ASSERT_EQUAL(cmk_rewrap_cek(the_store(), suite_path(OWN), suite_path(WIDE), "RSA_OAEP", ecek,
                                   length, CMK_SOFTWARE_ALLOWED, moved, &moved_len, &err),
                    ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(moved_len, 0);
    CU_ASSERT_EQUAL(count_private(), 0);
    moved_len = sizeof moved;
    CU_ASSERT_EQUAL(cmk_rewrap_cek(suite_store("accept_double_hash = yes"), suite_path(OWN),
                                   suite_path(WIDE), "RSA_OAEP", ecek, length, CMK_IN_TOKEN, moved,
                                   &moved_len, &err),
                    ST_OK);
    uint8_t cek[CMK_CEK_LEN];
    CU_ASSERT_EQUAL(
        cmk_decrypt_cek(the_store(), suite_path(WIDE), "RSA_OAEP", moved, moved_len, cek, NULL),
        ST_OK); /* our signatures follow the single rule */
    /* The token itself detects that the value inside has another length. */
    length = suite_ecek(key, ecek, 16, false, ecek);
    moved_len = sizeof moved;
    CU_ASSERT_EQUAL(cmk_rewrap_cek(the_store(), suite_path(OWN), suite_path(WIDE), "RSA_OAEP", ecek,
                                   length, CMK_IN_TOKEN, moved, &moved_len, &err),
                    ST_DECRYPT_FAILED);
    EVP_PKEY_free(key);
}

static void falls_back_when_asked(void)
{
    uint8_t ecek[ROOM], moved[ROOM], cek[CMK_CEK_LEN];
    size_t length = sizeof ecek, moved_len = sizeof moved;
    core_err err = {0};
    const char *path = suite_path(OWN), *to = suite_path(WIDE);
    if (!counting())
        TEST_SKIP("the token is used without the fault proxy");
    count_plan("call=C_WrapKey times=0 rv=0x70"); /* CKR_MECHANISM_INVALID */
    CU_ASSERT_EQUAL(
        cmk_generate_cek(the_store(), path, "RSA_OAEP", CMK_IN_TOKEN, ecek, &length, &err),
        ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "software"));
    CU_ASSERT_EQUAL(length, 0);
    length = sizeof ecek;
    CU_ASSERT_EQUAL(
        cmk_generate_cek(the_store(), path, "RSA_OAEP", CMK_SOFTWARE_ALLOWED, ecek, &length, &err),
        ST_OK);
    CU_ASSERT_TRUE(opens_outside(OWN, path, ecek, length, cek));
    CU_ASSERT_EQUAL(cmk_rewrap_cek(the_store(), path, to, "RSA_OAEP", ecek, length, CMK_IN_TOKEN,
                                   moved, &moved_len, &err),
                    ST_MECHANISM);
    moved_len = sizeof moved;
    CU_ASSERT_EQUAL(cmk_rewrap_cek(the_store(), path, to, "RSA_OAEP", ecek, length,
                                   CMK_SOFTWARE_ALLOWED, moved, &moved_len, &err),
                    ST_OK);
    count_plan("");
    uint8_t again[CMK_CEK_LEN];
    CU_ASSERT_TRUE(opens_outside(WIDE, to, moved, moved_len, again));
    CU_ASSERT_EQUAL(memcmp(cek, again, sizeof cek), 0);
}

/* The token's signature of our name, path and flag verifies with OpenSSL against the reference
 * message. */
static void signs_metadata(void)
{
    uint8_t sig[1024], made[1024], digest[32], second[32], wide[1024];
    size_t sig_len = 0, made_len = sizeof made, cb = sizeof wide;
    core_err err = {0};
    char text[400], lower[256];
    const char *path = suite_path(OWN);
    size_t n = 0;
    for (; path[n] != '\0'; n++)
        lower[n] = (char)(path[n] >= 'A' && path[n] <= 'Z' ? path[n] + 32 : path[n]);
    lower[n] = '\0';
    (void)snprintf(text, sizeof text, "pkcs11_key_store%strue", lower);
    CU_ASSERT_EQUAL(core_utf8_to_utf16(text, wide, &cb), ST_OK);
    CU_ASSERT_EQUAL(core_sha256(wide, cb, NULL, 0, NULL, 0, digest), ST_OK);
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    CU_ASSERT_TRUE(sign_digest(key, digest, made, &made_len));
    CU_ASSERT_EQUAL(cmk_sign_metadata(the_store(), path, true, NULL, &sig_len, &err),
                    ST_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(sig_len, 256);
    CU_ASSERT_EQUAL(cmk_sign_metadata(the_store(), path, true, sig, &sig_len, &err), ST_OK);
    CU_ASSERT_TRUE(sig_len == made_len && memcmp(sig, made, made_len) == 0);
    count_reset();
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, true, sig, sig_len, &err), ST_OK);
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, false, sig, sig_len, &err),
                    ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, true, sig, sig_len - 1, &err),
                    ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, true, NULL, 0, &err),
                    ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), suite_path(WIDE), true, sig, sig_len, &err),
                    ST_SIGNATURE_INVALID);
    CU_ASSERT_EQUAL(count_private(), 0);
    CU_ASSERT_EQUAL(cmk_sign_metadata(the_store(), path, false, sig, &sig_len, &err), ST_OK);
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, false, sig, sig_len, &err), ST_OK);
    sig[0] ^= 1;
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, false, sig, sig_len, &err),
                    ST_SIGNATURE_INVALID);
    /* The Java key store's rule, only with the option. */
    CU_ASSERT_EQUAL(core_sha256(digest, 32, NULL, 0, NULL, 0, second), ST_OK);
    CU_ASSERT_TRUE(sign_digest(key, second, made, &made_len));
    CU_ASSERT_EQUAL(cmk_verify_metadata(the_store(), path, true, made, made_len, &err),
                    ST_SIGNATURE_INVALID);
    const core_status st = cmk_verify_metadata(suite_store("accept_double_hash = yes"), path, true,
                                               made, made_len, &err);
    CU_ASSERT_EQUAL(st, ST_OK);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    EVP_PKEY_free(key);
}

/* A token that computes wrongly: its signature is verified and not returned. */
static void distrusts_the_token(void)
{
    uint8_t ecek[ROOM];
    size_t length = sizeof ecek;
    core_err err = {0};
    if (!counting())
        TEST_SKIP("the token is used without the fault proxy");
    count_plan("call=C_Sign times=0 rv=0x0"); /* success, and nothing written */
    const core_status st = cmk_encrypt_cek(the_store(), suite_path(OWN), "RSA_OAEP", sample_cek, 32,
                                           ecek, &length, &err);
    count_plan("");
    CU_ASSERT_EQUAL(st, ST_SIGN_FAILED);
    CU_ASSERT_EQUAL(length, 0);
    for (size_t i = 0; i < sizeof ecek; i++)
        CU_ASSERT_EQUAL_FATAL(ecek[i], 0);
}

static const test_case cases[] = {{"encrypts", encrypts},
                                  {"refuses_other_sizes", refuses_other_sizes},
                                  {"script_opens_ours", script_opens_ours},
                                  {"generates_inside", generates_inside},
                                  {"rewraps_inside", rewraps_inside},
                                  {"rewraps_only_what_is_sound", rewraps_only_what_is_sound},
                                  {"falls_back_when_asked", falls_back_when_asked},
                                  {"signs_metadata", signs_metadata},
                                  {"distrusts_the_token", distrusts_the_token},
                                  {NULL, NULL}};
const test_suite cmk_make_suite = {
    .name = "cmk_make", .cases = cases, .start = start, .stop = stop};
