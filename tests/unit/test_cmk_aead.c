/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells of encrypted columns, decrypted with the CEKs of our ECEK parser: the whole way from a
 * column master key to a value. AEAD_AES_256_CBC_HMAC_SHA256 is implemented here from its
 * description, with OpenSSL; the module itself never handles a cell.
 */
#include "test_cmk.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/ecek.h"
#include "core/text.h"

enum { KEY = 32, MAC_AT = 1, IV_AT = 33, DATA_AT = 49 };

static void derive(const uint8_t cek[KEY], const char *what, uint8_t out[KEY])
{
    char salt[160];
    uint8_t wide[320];
    size_t cb = sizeof wide;
    unsigned length = KEY;
    (void)snprintf(salt, sizeof salt,
                   "Microsoft SQL Server cell %s key with encryption algorithm:"
                   "AEAD_AES_256_CBC_HMAC_SHA256 and key length:256",
                   what);
    CU_ASSERT_EQUAL(core_utf8_to_utf16(salt, wide, &cb), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(HMAC(EVP_sha256(), cek, KEY, wide, cb, out, &length));
}

static bool mac_fits(const uint8_t cek[KEY], const uint8_t *cell, size_t length)
{
    uint8_t key[KEY], mac[KEY];
    unsigned mac_len = sizeof mac;
    uint8_t *text = malloc(length);
    bool fits = false;
    if (text != NULL) {
        const size_t rest = length - IV_AT;
        derive(cek, "MAC", key);
        text[0] = cell[0];
        memcpy(text + 1, cell + IV_AT, rest);
        text[1 + rest] = 1;
        fits = HMAC(EVP_sha256(), key, KEY, text, rest + 2, mac, &mac_len) != NULL &&
               CRYPTO_memcmp(mac, cell + MAC_AT, sizeof mac) == 0;
    }
    free(text);
    return fits;
}

/* Decrypts a cell; returns the plaintext's length, or -1. */
static int open_cell(const uint8_t cek[KEY], const uint8_t *cell, size_t length, uint8_t *out)
{
    uint8_t key[KEY];
    int head = 0, tail = 0, total = -1;
    if (length < 65 || cell[0] != 1 || !mac_fits(cek, cell, length))
        return -1;
    derive(cek, "encryption", key);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, cell + IV_AT) == 1 &&
        EVP_DecryptUpdate(ctx, out, &head, cell + DATA_AT, (int)(length - DATA_AT)) == 1 &&
        EVP_DecryptFinal_ex(ctx, out + head, &tail) == 1)
        total = head + tail;
    EVP_CIPHER_CTX_free(ctx);
    return total;
}

/* The IV of a deterministic cell is derived from its plaintext. */
static bool iv_fits(const uint8_t cek[KEY], const uint8_t *text, size_t length, const uint8_t *cell)
{
    uint8_t key[KEY], mac[KEY];
    unsigned mac_len = sizeof mac;
    derive(cek, "IV", key);
    return HMAC(EVP_sha256(), key, KEY, text, length, mac, &mac_len) != NULL &&
           memcmp(mac, cell + IV_AT, 16) == 0;
}

/* The CEKs of the ECEK vectors, through our parser. */
enum { CEKS_MAX = 16 };
static uint8_t ceks[CEKS_MAX][KEY];
static size_t cek_count;

static void open_ceks(void)
{
    vector_file file;
    CU_ASSERT_TRUE_FATAL(vectors_open(vectors_shared(), "ae_ecek_vectors.txt", &file));
    for (size_t i = 0; i < file.count && cek_count < CEKS_MAX; i++) {
        size_t length = 0, opened_len = 1024;
        uint8_t *blob = vector_bytes(&file.vectors[i], "ecek", &length), opened[1024];
        EVP_PKEY *key = vector_key(vectors_shared(), vector_get(&file.vectors[i], "key"));
        cmk_ecek ecek;
        if (cmk_ecek_parse(blob, length, (size_t)EVP_PKEY_get_size(key), &ecek, NULL) == ST_OK &&
            oaep_decrypt(key, ecek.ciphertext, ecek.ciphertext_len, opened, &opened_len) &&
            opened_len == KEY)
            memcpy(ceks[cek_count++], opened, KEY);
        EVP_PKEY_free(key);
        free(blob);
    }
    vectors_close(&file);
}

static bool cek_known(const uint8_t cek[KEY])
{
    for (size_t i = 0; i < cek_count; i++)
        if (memcmp(ceks[i], cek, KEY) == 0)
            return true;
    return false;
}

static uint8_t *bytes_of(const char *hex, size_t *length)
{
    *length = strlen(hex) / 2;
    uint8_t *bytes = malloc(*length + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(core_unhex(hex, bytes, length), ST_OK);
    return bytes;
}

/* A line: number, det or rnd, CEK, plaintext, cell. */
static bool check_line(char *line)
{
    char *save = NULL, *fields[5] = {NULL};
    for (size_t i = 0; i < 5; i++)
        if ((fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save)) == NULL)
            return false;
    size_t cek_len = 0, text_len = 0, cell_len = 0;
    uint8_t *cek = bytes_of(fields[2], &cek_len);
    uint8_t *text = bytes_of(fields[3], &text_len);
    uint8_t *cell = bytes_of(fields[4], &cell_len);
    uint8_t *out = malloc(cell_len + 32);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_TRUE(cek_known(cek));
    CU_ASSERT_EQUAL(open_cell(cek, cell, cell_len, out), (int)text_len);
    CU_ASSERT_EQUAL(memcmp(out, text, text_len), 0);
    if (strcmp(fields[1], "det") == 0)
        CU_ASSERT_TRUE(iv_fits(cek, text, text_len, cell));
    cell[cell_len - 1] ^= 1;
    CU_ASSERT_EQUAL(open_cell(cek, cell, cell_len, out), -1);
    free(out);
    free(cell);
    free(text);
    free(cek);
    return true;
}

static void opens_cells(void)
{
    char path[1024];
    size_t length = 0;
    unsigned checked = 0;
    if (vectors_shared() == NULL)
        TEST_SKIP("the known answers of others are not here (P11EKM_VECTORS)");
    open_ceks();
    (void)snprintf(path, sizeof path, "%s/ae_aead_cell_vectors.txt", vectors_shared());
    char *text = testing_read(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (line[0] >= '0' && line[0] <= '9' && check_line(line))
            checked++;
        line = end == NULL ? NULL : end + 1;
    }
    free(text);
    CU_ASSERT_TRUE(checked >= 32);
}

static const test_case cases[] = {{"opens_cells", opens_cells}, {NULL, NULL}};
const test_suite cmk_aead_suite = {.name = "cmk_aead", .cases = cases};
