/* SPDX-License-Identifier: Apache-2.0
 *
 * instructions: runs one operation of the library a given number of times, for
 * bench/instructions.py, which counts its instructions under callgrind.
 *
 *   instructions LIBRARY aes-encrypt|rsa-decrypt|cek-cached|cek-first COUNT KEY.pem
 *
 * The environment names the token, which must be the memory token: its keys exist in this process
 * only. The RSA key is read from KEY.pem (2048 bits), so that every run does the same work. Each
 * operation runs once before the COUNT runs, so that its first use is not counted. The caller
 * subtracts the results of two counts.
 */
#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "cmk/p11ekm_cmk.h"
#include "tests/tokens/token_conf.h"

enum { COUNT_MAX = 4096, ECEK_MAX = 1024, RSA_BYTES = 256, RSA_DATA = 32, AES_DATA = 64 };

static const char label[] = "instructions", path[] = "pkcs11:object=instructions",
                  algorithm[] = "RSA_OAEP";

typedef struct job {
    const char *library, *operation, *key_file;
    unsigned count;
    provider provider;
    raw_token raw;
} job;

static bool complain(const char *what)
{
    fprintf(stderr, "instructions: %s\n", what);
    return false;
}

/* Marks the end of the set-up. callgrind sets its counters to zero when this function is called. */
void instructions_begin(void);
__attribute__((noinline)) void instructions_begin(void)
{
    __asm__ volatile("");
}

/* True if run `i` of the operation is to be made. Run 0 is the first use; counting begins after it.
 */
static bool counting(const job *j, unsigned i)
{
    if (i == 1)
        instructions_begin();
    return i < j->count + 1;
}

/* --- an RSA key from a file as a key on the token --- */

enum { PARTS = 8 };
static const struct {
    const char *name;
    CK_ATTRIBUTE_TYPE type;
} parts[PARTS] = {
    {OSSL_PKEY_PARAM_RSA_N, CKA_MODULUS},
    {OSSL_PKEY_PARAM_RSA_E, CKA_PUBLIC_EXPONENT},
    {OSSL_PKEY_PARAM_RSA_D, CKA_PRIVATE_EXPONENT},
    {OSSL_PKEY_PARAM_RSA_FACTOR1, CKA_PRIME_1},
    {OSSL_PKEY_PARAM_RSA_FACTOR2, CKA_PRIME_2},
    {OSSL_PKEY_PARAM_RSA_EXPONENT1, CKA_EXPONENT_1},
    {OSSL_PKEY_PARAM_RSA_EXPONENT2, CKA_EXPONENT_2},
    {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, CKA_COEFFICIENT},
};

typedef struct number {
    CK_BYTE bytes[RSA_BYTES];
    CK_ULONG length;
} number;

static bool read_key(const char *file, number numbers[PARTS])
{
    BIO *bio = BIO_new_file(file, "r");
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    bool good = key && EVP_PKEY_get_bits(key) == 8 * RSA_BYTES;

    for (size_t i = 0; good && i < PARTS; i++) {
        BIGNUM *n = NULL;

        good = EVP_PKEY_get_bn_param(key, parts[i].name, &n) == 1;
        numbers[i].length = good ? (CK_ULONG)BN_bn2bin(n, numbers[i].bytes) : 0;
        BN_clear_free(n);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good || complain("the key file is not an RSA key of 2048 bits");
}

static bool create_object(const raw_token *raw, CK_OBJECT_CLASS class, number *numbers)
{
    CK_BBOOL yes = CK_TRUE, hidden = class == CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_BYTE id[] = {1};
    CK_ATTRIBUTE t[8 + PARTS] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &hidden, sizeof hidden},
        {CKA_LABEL, (void *)(uintptr_t)label, sizeof label - 1},
        {CKA_ID, id, sizeof id},
        {hidden ? CKA_DECRYPT : CKA_ENCRYPT, &yes, sizeof yes},
        {hidden ? CKA_SIGN : CKA_VERIFY, &yes, sizeof yes},
    };
    CK_ULONG count = 8;
    CK_OBJECT_HANDLE object;

    for (size_t i = 0; i < (hidden ? (size_t)PARTS : 2U); i++)
        t[count++] = (CK_ATTRIBUTE){parts[i].type, numbers[i].bytes, numbers[i].length};
    return raw->f->C_CreateObject(raw->session, t, count, &object) == CKR_OK ||
           complain("C_CreateObject failed");
}

static bool create_rsa(const raw_token *raw, const char *file)
{
    number numbers[PARTS];

    return read_key(file, numbers) && create_object(raw, CKO_PUBLIC_KEY, numbers) &&
           create_object(raw, CKO_PRIVATE_KEY, numbers);
}

/* --- the EKM provider --- */

static bool find_thumb(provider *p, SqlCpByte thumb[16])
{
    SqlCpWchar wanted[sizeof label], name[256];
    SqlCpKeyInfo info = {.name = {sizeof name, name}, .thumb = {16, thumb}};
    SqlCpStr text = {(SqlCpUlong)((sizeof label - 1) * sizeof *wanted), wanted};

    for (size_t i = 0; i < sizeof label - 1; i++)
        wanted[i] = (SqlCpWchar)(unsigned char)label[i];
    return p->SqlCryptGetKeyInfoByName(&p->session, &text, &info) == scp_err_Success ||
           complain("the provider does not find the RSA key");
}

static bool encrypt(provider *p, SqlCpByte thumb[16], SqlCpByte *plain, size_t length,
                    SqlCpData *out)
{
    SqlCpKeyThumbprint key = {16, thumb};
    SqlCpData in = {(SqlCpUlong)length, plain};

    return p->SqlCryptEncrypt(&p->session, &key, 1, NULL, 0, &in, out) == scp_err_Success ||
           complain("SqlCryptEncrypt failed");
}

static bool encrypt_aes(job *j)
{
    SqlCpByte thumb[16], plain[AES_DATA], buffer[AES_DATA + 64];

    memset(plain, 7, sizeof plain);
    if (!provider_create(&j->provider, "instructions-aes", "AES_256", 0, thumb))
        return false;
    for (unsigned i = 0; counting(j, i); i++) {
        SqlCpData out = {sizeof buffer, buffer};

        if (!encrypt(&j->provider, thumb, plain, sizeof plain, &out))
            return false;
    }
    return true;
}

static bool decrypt_rsa(job *j)
{
    provider *p = &j->provider;
    SqlCpByte thumb[16], plain[RSA_DATA], cipher[RSA_BYTES], buffer[RSA_BYTES];
    SqlCpData in = {sizeof cipher, cipher};
    SqlCpKeyThumbprint key = {sizeof thumb, thumb};

    memset(plain, 7, sizeof plain);
    if (!create_rsa(&j->raw, j->key_file) || !find_thumb(p, thumb) ||
        !encrypt(p, thumb, plain, sizeof plain, &in))
        return false;
    for (unsigned i = 0; counting(j, i); i++) {
        SqlCpData out = {sizeof buffer, buffer};

        if (p->SqlCryptDecrypt(&p->session, &key, 1, NULL, 0, &in, &out) != scp_err_Success ||
            out.cb != sizeof plain || memcmp(buffer, plain, sizeof plain) != 0)
            return complain("SqlCryptDecrypt failed");
    }
    return true;
}

/* The provider logs in first, and the direct session shares its login. */
static bool run_provider(job *j, bool (*operation)(job *))
{
    bool good = token_conf_make("foreign_login = trust") && provider_load(&j->provider, j->library);

    if (good && provider_open(&j->provider)) {
        good = raw_open(&j->raw) && operation(j);
        raw_close(&j->raw, false);
        provider_close(&j->provider);
    } else {
        good = false;
    }
    token_conf_remove();
    return good;
}

/* --- the key store of Always Encrypted --- */

typedef struct keystore {
    __typeof__(p11ekm_cmk_open) *open;
    __typeof__(p11ekm_cmk_close) *close;
    __typeof__(p11ekm_cmk_encrypt) *encrypt;
    __typeof__(p11ekm_cmk_decrypt) *decrypt;
    p11ekm_cmk *maker,
        *store; /* one store creates the values, so that the other one does not know them */
} keystore;

static bool load_keystore(keystore *k, const char *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return complain(dlerror());
    *(void **)&k->open = dlsym(handle, "p11ekm_cmk_open");
    *(void **)&k->close = dlsym(handle, "p11ekm_cmk_close");
    *(void **)&k->encrypt = dlsym(handle, "p11ekm_cmk_encrypt");
    *(void **)&k->decrypt = dlsym(handle, "p11ekm_cmk_decrypt");
    return (k->open && k->close && k->encrypt && k->decrypt) ||
           complain("the library does not export p11ekm_cmk");
}

static bool open_store(const keystore *k, p11ekm_cmk **store)
{
    const char *pin = getenv("PIN");
    char message[512];
    int code = k->open(NULL, "test", pin, pin ? strlen(pin) : 0, store, message, sizeof message);

    return code == P11EKM_CMK_OK || complain(message);
}

typedef struct value {
    uint8_t ecek[ECEK_MAX];
    size_t size;
} value;

static bool make_value(const keystore *k, const uint8_t cek[P11EKM_CMK_CEK_SIZE], value *v)
{
    char message[512];

    v->size = sizeof v->ecek;
    return k->encrypt(k->maker, path, algorithm, cek, P11EKM_CMK_CEK_SIZE, v->ecek, &v->size,
                      message, sizeof message) == P11EKM_CMK_OK ||
           complain(message);
}

static bool open_value(const keystore *k, const uint8_t cek[P11EKM_CMK_CEK_SIZE], const value *v)
{
    uint8_t found[P11EKM_CMK_CEK_SIZE];
    size_t size = sizeof found;
    char message[512];

    if (k->decrypt(k->store, path, algorithm, v->ecek, v->size, found, &size, message,
                   sizeof message) != P11EKM_CMK_OK)
        return complain(message);
    return (size == sizeof found && memcmp(found, cek, sizeof found) == 0) ||
           complain("p11ekm_cmk_decrypt gives a wrong key");
}

/* Decrypts each value once (`values` = count + 1), or the same value every time (`values` = 1). */
static bool decrypt_values(const job *j, const keystore *k, unsigned values)
{
    uint8_t cek[P11EKM_CMK_CEK_SIZE];
    value *made = calloc(values, sizeof *made);
    bool good = made != NULL;

    memset(cek, 7, sizeof cek);
    for (unsigned i = 0; good && i < values; i++)
        good = make_value(k, cek, &made[i]);
    for (unsigned i = 0; good && counting(j, i); i++)
        good = open_value(k, cek, &made[i % values]);
    free(made);
    return good;
}

static bool run_keystore(job *j, bool cached)
{
    keystore k = {0};
    bool good = token_conf_make(cached ? "foreign_login = trust\ncek_cache_entries = 64"
                                       : "foreign_login = trust") &&
                load_keystore(&k, j->library);

    if (good) {
        good = open_store(&k, &k.maker) && open_store(&k, &k.store) && raw_open(&j->raw) &&
               create_rsa(&j->raw, j->key_file) && decrypt_values(j, &k, cached ? 1 : j->count + 1);
        raw_close(&j->raw, false);
        k.close(k.store);
        k.close(k.maker);
    }
    token_conf_remove();
    return good;
}

static bool run(job *j)
{
    if (strcmp(j->operation, "aes-encrypt") == 0)
        return run_provider(j, encrypt_aes);
    if (strcmp(j->operation, "rsa-decrypt") == 0)
        return run_provider(j, decrypt_rsa);
    if (strcmp(j->operation, "cek-cached") == 0)
        return run_keystore(j, true);
    if (strcmp(j->operation, "cek-first") == 0)
        return run_keystore(j, false);
    return complain("unknown operation");
}

int main(int argc, char **argv)
{
    job j = {0};

    if (argc == 5) {
        j = (job){.library = argv[1], .operation = argv[2], .key_file = argv[4]};
        j.count = (unsigned)strtoul(argv[3], NULL, 10);
    }
    if (j.count < 1 || j.count > COUNT_MAX) {
        fprintf(stderr, "usage: instructions LIBRARY OPERATION COUNT KEY.pem\n");
        return 2;
    }
    return run(&j) ? EXIT_SUCCESS : EXIT_FAILURE;
}
