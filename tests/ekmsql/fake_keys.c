/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake provider's token: a text file of keys, with RSA and AES by OpenSSL. For tests only: the
 * keys in it are not encrypted.
 */
#include "tests/ekmsql/fake_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

const fake_algorithm fake_algorithms[] = {
    {1, "RSA_2048", scp_kt_Asymmetric, 2048, 0},   {2, "RSA_3072", scp_kt_Asymmetric, 3072, 0},
    {3, "AES_128", scp_kt_Symmetric, 128, 128},    {4, "AES_256", scp_kt_Symmetric, 256, 128},
    {5, "ODD_ALGORITHM", scp_kt_Symmetric, 99, 0}, {0, NULL, scp_kt_Symmetric, 0, 0},
};

const fake_algorithm *fake_algorithm_by_id(SqlCpAlgId id)
{
    for (const fake_algorithm *a = fake_algorithms; a->id != 0; a++) {
        if (a->id == id) {
            return a;
        }
    }
    return NULL;
}

static const char *trouble_at(const char *name)
{
    const char *list = getenv("FAKE_TROUBLE");
    size_t len = strlen(name);
    for (const char *at = list; at != NULL && *at != 0; at += *at == ',') {
        if (strncmp(at, name, len) == 0 && (at[len] == 0 || at[len] == ',' || at[len] == '=')) {
            return at + len;
        }
        at += strcspn(at, ",");
    }
    return NULL;
}

bool fake_trouble(const char *name)
{
    return trouble_at(name) != NULL;
}

SqlCpError fake_code(const char *name)
{
    const char *at = trouble_at(name);
    return at == NULL || *at != '=' ? 0 : (SqlCpError)strtoul(at + 1, NULL, 10);
}

static void to_hex(FILE *f, const SqlCpByte *data, int len)
{
    for (int i = 0; i < len; i++) {
        fprintf(f, "%02x", data[i]);
    }
}

static int from_hex(const char *text, SqlCpByte *out, int cap)
{
    int n = 0;
    while (n < cap && text[0] != 0 && text[1] != 0) {
        char two[3] = {text[0], text[1], 0};
        out[n++] = (SqlCpByte)strtoul(two, NULL, 16);
        text += 2;
    }
    return n;
}

int fake_load(fake_key keys[FAKE_MAX_KEYS])
{
    static char line[3 * FAKE_DATA];
    char number[16];
    char thumb[64];
    static char data[2 * FAKE_DATA + 1];
    int count = 0;
    const char *path = getenv("FAKE_KEYS");
    FILE *f = path == NULL ? NULL : fopen(path, "rb");
    while (f != NULL && count < FAKE_MAX_KEYS && fgets(line, sizeof line, f) != NULL) {
        fake_key *k = &keys[count];
        if (sscanf(line, "%255s %15s %63s %8191s", k->name, number, thumb, data) == 4) {
            k->algorithm = (SqlCpAlgId)strtoul(number, NULL, 10);
            from_hex(thumb, k->thumb, FAKE_THUMB);
            k->len = from_hex(data, k->data, FAKE_DATA);
            count++;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return count;
}

bool fake_save(const fake_key *keys, int count)
{
    const char *path = getenv("FAKE_KEYS");
    FILE *f = path == NULL ? NULL : fopen(path, "wb");
    if (f == NULL) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        fprintf(f, "%s %u ", keys[i].name, keys[i].algorithm);
        to_hex(f, keys[i].thumb, FAKE_THUMB);
        fputc(' ', f);
        to_hex(f, keys[i].data, keys[i].len);
        fputc('\n', f);
    }
    return fclose(f) == 0;
}

static void thumbprint(fake_key *key, const SqlCpByte *data, int len)
{
    SqlCpByte hash[SHA256_DIGEST_LENGTH];
    SHA256(data, (size_t)len, hash);
    memcpy(key->thumb, hash, FAKE_THUMB);
}

bool fake_generate(const fake_algorithm *algorithm, fake_key *key)
{
    key->algorithm = algorithm->id;
    if (algorithm->type == scp_kt_Symmetric) {
        key->len = (int)(algorithm->bits / 8);
        bool ok = RAND_bytes(key->data, key->len) == 1;
        thumbprint(key, key->data, key->len);
        return ok;
    }
    bool ok = false;
    SqlCpByte *der = key->data;
    SqlCpByte *spki = NULL;
    EVP_PKEY *pkey = EVP_RSA_gen(algorithm->bits);
    if (pkey != NULL && i2d_PrivateKey(pkey, NULL) <= FAKE_DATA) {
        key->len = i2d_PrivateKey(pkey, &der);
        int n = i2d_PUBKEY(pkey, &spki);
        ok = n > 0;
        thumbprint(key, spki, ok ? n : 0);
    }
    OPENSSL_free(spki);
    EVP_PKEY_free(pkey);
    return ok;
}

static EVP_PKEY *rsa_of(const fake_key *key)
{
    const SqlCpByte *der = key->data;
    return d2i_AutoPrivateKey(NULL, &der, key->len);
}

int fake_public(const fake_key *key, SqlCpByte *out)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    EVP_PKEY *pkey = rsa_of(key);
    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n);
    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e);
    SqlCpUlong head[6] = {0x31415352,
                          (SqlCpUlong)BN_num_bits(n),
                          (SqlCpUlong)BN_num_bytes(e),
                          (SqlCpUlong)BN_num_bytes(n),
                          0,
                          0};
    memcpy(out, head, sizeof head);
    int len = (int)sizeof head;
    len += BN_bn2bin(e, out + len);
    len += BN_bn2bin(n, out + len);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_free(pkey);
    return len;
}

static int rsa(const fake_key *key, bool encrypt, const SqlCpByte *in, int len, SqlCpByte *out)
{
    size_t n = FAKE_DATA;
    EVP_PKEY *pkey = rsa_of(key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool ok = ctx != NULL &&
              (encrypt ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              (encrypt ? EVP_PKEY_encrypt(ctx, out, &n, in, (size_t)len)
                       : EVP_PKEY_decrypt(ctx, out, &n, in, (size_t)len)) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok ? (int)n : -1;
}

/* CBC with a random IV before the ciphertext. */
static int aes(const fake_key *key, bool encrypt, const SqlCpByte *in, int len, SqlCpByte *out)
{
    int n = 0;
    int last = 0;
    SqlCpByte iv[16];
    const EVP_CIPHER *cipher = key->len == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
    if (!encrypt && len < 32) {
        return -1;
    }
    if (encrypt) {
        RAND_bytes(iv, sizeof iv);
        memcpy(out, iv, sizeof iv);
        out += sizeof iv;
    } else {
        memcpy(iv, in, sizeof iv);
        in += sizeof iv;
        len -= (int)sizeof iv;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = EVP_CipherInit_ex(ctx, cipher, NULL, key->data, iv, encrypt) == 1 &&
              EVP_CipherUpdate(ctx, out, &n, in, len) == 1 &&
              EVP_CipherFinal_ex(ctx, out + n, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? n + last + (encrypt ? (int)sizeof iv : 0) : -1;
}

int fake_encrypt(const fake_key *key, const SqlCpByte *in, int len, SqlCpByte *out)
{
    bool asymmetric = fake_algorithm_by_id(key->algorithm)->type == scp_kt_Asymmetric;
    return asymmetric ? rsa(key, true, in, len, out) : aes(key, true, in, len, out);
}

int fake_decrypt(const fake_key *key, const SqlCpByte *in, int len, SqlCpByte *out)
{
    bool asymmetric = fake_algorithm_by_id(key->algorithm)->type == scp_kt_Asymmetric;
    return asymmetric ? rsa(key, false, in, len, out) : aes(key, false, in, len, out);
}
