/* SPDX-License-Identifier: Apache-2.0
 *
 * A key store provider for Microsoft's ODBC driver over RSA keys in PEM files. It tests the harness
 * without the product: a failure with this provider is the harness's.
 *
 * Written from the public interface; shares no code with cmk/. Its configuration is one line,
 * "config=DIRECTORY"; the key path "pkcs11:...;object=NAME" means DIRECTORY/NAME.pem.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

typedef void ksp_error(void *ctx, const uint16_t *text, ...);

typedef int ksp_init(void *ctx, ksp_error *on_error);
typedef int ksp_read(void *ctx, ksp_error *on_error, void *data, unsigned *len);
typedef int ksp_write(void *ctx, ksp_error *on_error, void *data, unsigned len);
typedef int ksp_decrypt(void *ctx, ksp_error *on_error, const uint16_t *path, const uint16_t *alg,
                        unsigned char *ecek, unsigned short ecek_len, unsigned char **cek,
                        unsigned short *cek_len);
typedef int ksp_verify(void *ctx, ksp_error *on_error, const uint16_t *path,
                       unsigned char *signature, unsigned short sig_len);

struct provider {
    const uint16_t *name;
    ksp_init *init;
    ksp_read *read;
    ksp_write *write;
    ksp_decrypt *decrypt_cek;
    void *encrypt_cek;
    ksp_verify *verify_metadata;
    void *reserved;
    void (*free)(void);
};

#define HEAD_SIZE 5
#define CEK_SIZE  32

static char key_directory[512];

/* Reports an ASCII text to the driver. */
static int fail(void *ctx, ksp_error *on_error, const char *text)
{
    uint16_t wide[256];
    size_t n;

    for (n = 0; text[n] != '\0' && n < 255; n++)
        wide[n] = (unsigned char)text[n];
    wide[n] = 0;
    on_error(ctx, wide);
    return 0;
}

/* The key's name from "...object=NAME"; 0 if there is none. */
static int object_name(const uint16_t *path, char *name, size_t size)
{
    char text[256];
    const char *at;
    size_t n;

    for (n = 0; path[n] != 0 && n < sizeof text - 1; n++)
        text[n] = path[n] < 0x80 ? (char)path[n] : '?';
    text[n] = '\0';
    at = strstr(text, "object=");
    if (at == NULL || strpbrk(at, "/;?") != NULL)
        return 0;
    snprintf(name, size, "%s", at + strlen("object="));
    return 1;
}

static EVP_PKEY *open_key(void *ctx, ksp_error *on_error, const uint16_t *path)
{
    char name[256], file[800], text[200];
    EVP_PKEY *key = NULL;
    FILE *stream;

    if (key_directory[0] == '\0') {
        fail(ctx, on_error, "test provider: no configuration; write config=DIRECTORY first");
        return NULL;
    }
    if (!object_name(path, name, sizeof name)) {
        fail(ctx, on_error, "test provider: the key path names no object");
        return NULL;
    }
    snprintf(file, sizeof file, "%s/%s.pem", key_directory, name);
    stream = fopen(file, "rb");
    if (stream != NULL) {
        key = PEM_read_PrivateKey(stream, NULL, NULL, NULL);
        fclose(stream);
    }
    if (key == NULL) {
        snprintf(text, sizeof text, "test provider: no key named \"%.100s\"", name);
        fail(ctx, on_error, text);
    }
    return key;
}

/* RSASSA-PKCS1-v1_5 with SHA-256. */
static int verify(EVP_PKEY *key, const unsigned char *data, size_t len, const unsigned char *sig,
                  size_t sig_len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md != NULL && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestVerify(md, sig, sig_len, data, len) == 1;

    EVP_MD_CTX_free(md);
    return ok;
}

/* RSA-OAEP with SHA-1; returns 0 if the plaintext does not have a CEK's size. */
static int decrypt(EVP_PKEY *key, const unsigned char *in, size_t in_len, unsigned char *cek)
{
    unsigned char out[1024];
    size_t len = sizeof out;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    int ok = ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
             EVP_PKEY_decrypt(ctx, out, &len, in, in_len) == 1 && len == CEK_SIZE;

    EVP_PKEY_CTX_free(ctx);
    if (ok)
        memcpy(cek, out, CEK_SIZE);
    return ok;
}

static int write_config(void *ctx, ksp_error *on_error, void *data, unsigned len)
{
    static const char key[] = "config=";
    const size_t key_len = sizeof key - 1;

    if (len < key_len || len - key_len >= sizeof key_directory || memcmp(data, key, key_len) != 0)
        return fail(ctx, on_error, "test provider: the data must be config=DIRECTORY");
    memcpy(key_directory, (char *)data + key_len, len - key_len);
    key_directory[len - key_len] = '\0';
    return 1;
}

static int read_status(void *ctx, ksp_error *on_error, void *data, unsigned *len)
{
    static const char status[] = "test provider: ready";

    if (*len < sizeof status - 1)
        return fail(ctx, on_error, "test provider: the buffer is too small");
    memcpy(data, status, sizeof status - 1);
    *len = sizeof status - 1;
    return 1;
}

static int decrypt_cek(void *ctx, ksp_error *on_error, const uint16_t *path, const uint16_t *alg,
                       unsigned char *ecek, unsigned short ecek_len, unsigned char **cek,
                       unsigned short *cek_len)
{
    EVP_PKEY *key = open_key(ctx, on_error, path);
    size_t modulus, signed_len, start;
    int ok = 0;

    (void)alg;
    *cek = NULL;
    *cek_len = 0;
    if (key == NULL)
        return 0;
    modulus = (size_t)EVP_PKEY_get_size(key);
    start = ecek_len < HEAD_SIZE ? 0 : HEAD_SIZE + (size_t)(ecek[1] | ecek[2] << 8);
    signed_len = start + modulus;
    if (start == 0 || ecek[0] != 1 || ecek_len != signed_len + modulus)
        ok = fail(ctx, on_error, "test provider: the encrypted key does not fit the key");
    else if (!verify(key, ecek, signed_len, ecek + signed_len, modulus))
        ok = fail(ctx, on_error, "test provider: the signature of the encrypted key is wrong");
    else if ((*cek = malloc(CEK_SIZE)) == NULL || !decrypt(key, ecek + start, modulus, *cek))
        ok = fail(ctx, on_error, "test provider: the key could not be decrypted");
    else
        ok = 1;
    if (!ok) {
        free(*cek);
        *cek = NULL;
    } else {
        *cek_len = CEK_SIZE;
    }
    EVP_PKEY_free(key);
    return ok;
}

static const uint16_t provider_name[] = u"PKCS11_KEY_STORE";

static size_t append_lower(unsigned char *out, size_t at, size_t size, const uint16_t *text)
{
    for (; *text != 0 && at + 2 <= size; text++, at += 2) {
        uint16_t c = *text >= 'A' && *text <= 'Z' ? (uint16_t)(*text + ('a' - 'A')) : *text;

        out[at] = (unsigned char)c;
        out[at + 1] = (unsigned char)(c >> 8);
    }
    return at;
}

static int verify_metadata(void *ctx, ksp_error *on_error, const uint16_t *path,
                           unsigned char *signature, unsigned short sig_len)
{
    unsigned char message[2048];
    EVP_PKEY *key = open_key(ctx, on_error, path);
    size_t len;
    int ok;

    if (key == NULL)
        return 0;
    len = append_lower(message, 0, sizeof message, provider_name);
    len = append_lower(message, len, sizeof message, path);
    len = append_lower(message, len, sizeof message, u"true");
    ok = verify(key, message, len, signature, sig_len) ||
         fail(ctx, on_error, "test provider: the signature of the master key's metadata is wrong");
    EVP_PKEY_free(key);
    return ok;
}

static const struct provider provider = {.name = provider_name,
                                         .read = read_status,
                                         .write = write_config,
                                         .decrypt_cek = decrypt_cek,
                                         .verify_metadata = verify_metadata};

/* The symbol that the driver looks up: a null-terminated array of pointers. The array of the
 * interface's first version, CEKeystoreProvider, must not contain the provider, too: the driver
 * would prefer that entry and could not verify a master key's metadata. */
extern const struct provider *const CEKeystoreProvider2[];
__attribute__((visibility("default")))
const struct provider *const CEKeystoreProvider2[] = {&provider, NULL};
