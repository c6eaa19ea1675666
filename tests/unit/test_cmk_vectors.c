/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading known answers, and RSA by OpenSSL alone.
 */
#include "test_cmk.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/crypto.h"
#include "core/text.h"

static const char *source_dir(void)
{
    const char *dir = getenv("P11EKM_SOURCE_DIR");
    return dir != NULL ? dir : ".";
}

const char *vectors_own(void)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/vectors", source_dir());
    return path;
}

const char *vectors_shared(void)
{
    static char path[512];
    struct stat s;
    const char *named = getenv("P11EKM_VECTORS");
    if (named != NULL && named[0] != '\0')
        (void)snprintf(path, sizeof path, "%s", named);
    else
        (void)snprintf(path, sizeof path, "%s/../shared/vectors", source_dir());
    return stat(path, &s) == 0 ? path : NULL;
}

/* A name= line begins another known answer; lines without '=' and comments are skipped. */
static bool take_line(vector_file *file, char *line)
{
    char *equals = strchr(line, '=');
    if (line[0] == '#' || equals == NULL)
        return true;
    *equals = '\0';
    if (strcmp(line, "name") == 0) {
        vector *more = realloc(file->vectors, (file->count + 1) * sizeof *more);
        if (more == NULL)
            return false;
        file->vectors = more;
        file->vectors[file->count++] = (vector){.count = 0};
    }
    if (file->count == 0)
        return true;
    vector *v = &file->vectors[file->count - 1];
    if (v->count < VECTOR_FIELDS) {
        v->names[v->count] = line;
        v->values[v->count++] = equals + 1;
    }
    return true;
}

bool vectors_open(const char *folder, const char *name, vector_file *out)
{
    char path[1024];
    size_t length = 0;
    *out = (vector_file){0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    out->text = testing_read(path, &length);
    bool done = out->text != NULL;
    for (char *line = out->text; done && line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        done = take_line(out, line);
        line = end == NULL ? NULL : end + 1;
    }
    if (!done || out->count == 0)
        vectors_close(out);
    return out->count != 0;
}

void vectors_close(vector_file *file)
{
    free(file->vectors);
    free(file->text);
    *file = (vector_file){0};
}

const vector *vectors_find(const vector_file *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(vector_get(&file->vectors[i], "name"), name) == 0)
            return &file->vectors[i];
    return NULL;
}

const char *vector_get(const vector *v, const char *field)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->names[i], field) == 0)
            return v->values[i];
    return "";
}

uint8_t *vector_bytes(const vector *v, const char *field, size_t *length)
{
    const char *hex = vector_get(v, field);
    *length = strlen(hex) / 2;
    uint8_t *bytes = malloc(*length + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(core_unhex(hex, bytes, length), ST_OK);
    return bytes;
}

EVP_PKEY *vector_key(const char *folder, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    EVP_PKEY *key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, NULL, NULL);
    if (file != NULL)
        (void)fclose(file);
    CU_ASSERT_PTR_NOT_NULL(key);
    return key;
}

EVP_PKEY *vector_public(EVP_PKEY *key)
{
    BIGNUM *n = NULL, *e = NULL;
    uint8_t modulus[1024], exponent[16];
    EVP_PKEY *public = NULL;
    if (EVP_PKEY_get_bn_param(key, "n", &n) == 1 && EVP_PKEY_get_bn_param(key, "e", &e) == 1) {
        const int n_len = BN_bn2bin(n, modulus), e_len = BN_bn2bin(e, exponent);
        public = core_rsa_public(modulus, (size_t)n_len, exponent, (size_t)e_len);
    }
    BN_free(n);
    BN_free(e);
    CU_ASSERT_PTR_NOT_NULL(public);
    return public;
}

typedef int (*init_function)(EVP_PKEY_CTX *ctx);
typedef int (*crypt_function)(EVP_PKEY_CTX *ctx, unsigned char *out, size_t *out_len,
                              const unsigned char *in, size_t in_len);

static bool oaep(EVP_PKEY *key, init_function init, crypt_function crypt, const uint8_t *in,
                 size_t in_len, uint8_t *out, size_t *out_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    const bool done = ctx != NULL && init(ctx) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha1()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha1()) == 1 &&
                      crypt(ctx, out, out_len, in, in_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return done;
}

bool oaep_decrypt(EVP_PKEY *key, const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    return oaep(key, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, in, in_len, out, out_len);
}

bool oaep_encrypt(EVP_PKEY *key, const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    return oaep(key, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, in, in_len, out, out_len);
}

bool sign_digest(EVP_PKEY *key, const uint8_t digest[32], uint8_t *out, size_t *out_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    const bool done = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                      EVP_PKEY_sign(ctx, out, out_len, digest, 32) == 1;
    EVP_PKEY_CTX_free(ctx);
    return done;
}
