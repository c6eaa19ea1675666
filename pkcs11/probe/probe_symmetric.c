/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe's tests of symmetric keys: generation, import, CBC, wrapping and unwrapping. If the
 * value of a key is known, OpenSSL checks the results. If the token reveals no value, a round trip
 * checks them, and the detail says so.
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>
#include "pkcs11/probe/probe_private.h"

static CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static char label[] = "p11ekm-probe";

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static probe_key *key_of(probe *p, CK_KEY_TYPE type)
{
    return type == CKK_AES ? &p->aes : type == CKK_DES3 ? &p->des3 : &p->generic;
}

/* Generates a key inside the token: with the flags that the provider uses, or (`open`) with a value
 * that can be read. `kept`: a token key. */
static CK_RV generate_key(probe *p, const probe_row *row, CK_BBOOL kept, bool open,
                          CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    CK_ULONG length = row->bits / 8;
    CK_BBOOL *readable = open ? &yes : &no, *hidden = open ? &no : &yes;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &kept, sizeof kept},
        {CKA_LABEL, label, sizeof label - 1},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, hidden, sizeof yes},
        {CKA_EXTRACTABLE, readable, sizeof yes},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_DECRYPT, &yes, sizeof yes},
        {CKA_VALUE_LEN, &length, sizeof length}, /* last: 3DES has a fixed length */
    };
    CK_ULONG count = COUNT(template) - (row->type == CKK_DES3 ? 1 : 0);

    return p->f->C_GenerateKey(p->session->handle, &mechanism, template, count, key);
}

static bool read_value(probe *p, CK_OBJECT_HANDLE key, uint8_t value[32], size_t *length)
{
    CK_ATTRIBUTE attribute = {CKA_VALUE, value, 32};

    if (p->f->C_GetAttributeValue(p->work, key, &attribute, 1) != CKR_OK ||
        attribute.ulValueLen == 0 || attribute.ulValueLen > 32)
        return false;
    *length = attribute.ulValueLen;
    return true;
}

void probe_generate(probe *p, const probe_row *row)
{
    probe_key *mine = key_of(p, row->type);
    CK_OBJECT_HANDLE key = 0, open = 0;
    bool kept = false;
    CK_RV rv = generate_key(p, row, CK_FALSE, false, &key);

    if (rv != CKR_OK) {
        kept = generate_key(p, row, CK_TRUE, false, &key) == CKR_OK;
        rv = kept ? CKR_OK : rv;
    }
    if (rv != CKR_OK) {
        probe_refused(p, rv);
        return;
    }
    probe_made(p, key);
    probe_yes(p, kept ? "token keys only" : "");

    /* The tests that follow use the longest key, with a readable value if the token allows one. */
    mine->handle = key;
    if (generate_key(p, row, CK_FALSE, true, &open) == CKR_OK) {
        probe_made(p, open);
        mine->handle = open;
        mine->known = read_value(p, open, mine->value, &mine->length);
    }
}

/* Sets the lowest bit of each byte to odd parity (FIPS 46-3), which some tokens check. */
static void set_parity(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t ones = bytes[i] & 0xFE;
        ones ^= ones >> 4;
        ones ^= ones >> 2;
        ones ^= ones >> 1;
        bytes[i] = (uint8_t)((bytes[i] & 0xFE) | (~ones & 1));
    }
}

void probe_import(probe *p, const probe_row *row)
{
    probe_key *mine = key_of(p, row->type);
    CK_KEY_TYPE type = row->type;
    CK_OBJECT_HANDLE key = 0;
    uint8_t value[32];
    CK_ULONG length = row->bits / 8;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},         {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes}, {CKA_VALUE, value, length},
        {CKA_ENCRYPT, &yes, sizeof yes}, /* these two: left out for a generic secret */
        {CKA_DECRYPT, &yes, sizeof yes},
    };
    CK_RV rv;

    if (core_random(value, length) != ST_OK) {
        probe_no(p, "no random bytes");
        return;
    }
    if (type == CKK_DES3)
        set_parity(value, length);
    rv = p->f->C_CreateObject(p->session->handle, template,
                              COUNT(template) - (type == CKK_GENERIC_SECRET ? 2 : 0), &key);
    if (rv != CKR_OK) {
        probe_refused(p, rv);
        return;
    }
    probe_made(p, key);
    probe_yes(p, "");
    *mine = (probe_key){.handle = key, .known = true, .length = length};
    memcpy(mine->value, value, length);
}

/* Encrypts with CBC in OpenSSL, with PKCS #7 padding if `pad`. */
static bool encrypt_reference(const probe_row *row, const uint8_t *key, const uint8_t *iv, bool pad,
                              const uint8_t *in, size_t in_len, uint8_t *out, size_t *out_len)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(core_crypto_ctx(), row->cipher, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;
    bool done = cipher && ctx && EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, pad) == 1 &&
                EVP_EncryptUpdate(ctx, out, &n, in, (int)in_len) == 1 &&
                EVP_EncryptFinal_ex(ctx, out + n, &last) == 1;

    *out_len = (size_t)n + (size_t)last;
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return done;
}

/* One CBC test. */
typedef struct cipher_try {
    const probe_key *key;
    uint8_t iv[16];
    size_t iv_len;
    bool pad;
    uint8_t in[PROBE_BYTES_MAX], ciphertext[PROBE_BYTES_MAX], expected[PROBE_BYTES_MAX],
        opened[PROBE_BYTES_MAX];
    size_t expected_len;
} cipher_try;

static CK_RV encrypt(probe *p, const probe_row *row, cipher_try *t, size_t length, CK_ULONG *out)
{
    CK_MECHANISM mechanism = {row->mechanism, t->iv, (CK_ULONG)t->iv_len};
    CK_RV rv = p->f->C_EncryptInit(p->work, &mechanism, t->key->handle);

    *out = sizeof t->ciphertext;
    return rv != CKR_OK ? rv
                        : p->f->C_Encrypt(p->work, t->in, (CK_ULONG)length, t->ciphertext, out);
}

static CK_RV decrypt(probe *p, const probe_row *row, cipher_try *t, CK_ULONG length, CK_ULONG *out)
{
    CK_MECHANISM mechanism = {row->mechanism, t->iv, (CK_ULONG)t->iv_len};
    CK_RV rv = p->f->C_DecryptInit(p->work, &mechanism, t->key->handle);

    *out = sizeof t->opened;
    return rv != CKR_OK ? rv : p->f->C_Decrypt(p->work, t->ciphertext, length, t->opened, out);
}

/* Encrypts and decrypts `length` bytes. NULL: correct; else the complaint. *rv: the last code. */
static const char *try_length(probe *p, const probe_row *row, cipher_try *t, size_t length,
                              CK_RV *rv)
{
    CK_ULONG cipher_len = 0, opened = 0;

    *rv = encrypt(p, row, t, length, &cipher_len);
    if (*rv != CKR_OK)
        return "refused";
    if (t->key->known &&
        (!encrypt_reference(row, t->key->value, t->iv, t->pad, t->in, length, t->expected,
                            &t->expected_len) ||
         cipher_len != t->expected_len || memcmp(t->ciphertext, t->expected, cipher_len) != 0))
        return "OpenSSL's ciphertext differs";
    *rv = decrypt(p, row, t, cipher_len, &opened);
    if (*rv != CKR_OK)
        return "refused";
    return opened == length && memcmp(t->opened, t->in, length) == 0 ? NULL
                                                                     : "the plaintext differs";
}

/* Tests three lengths: some tokens fail after a number of blocks or have small buffers. */
void probe_cipher(probe *p, const probe_row *row)
{
    static const size_t lengths[] = {64, 80, 8192};
    cipher_try *t = core_calloc(1, sizeof *t);
    const char *complaint = NULL;
    CK_RV rv = CKR_OK;

    if (t == NULL || key_of(p, row->type)->handle == 0) {
        probe_no(p, t == NULL ? "out of memory" : "no key to try with");
        core_free(t);
        return;
    }
    t->key = key_of(p, row->type);
    t->iv_len = row->type == CKK_AES ? 16 : 8;
    t->pad = row->mechanism == CKM_AES_CBC_PAD || row->mechanism == CKM_DES3_CBC_PAD;
    memset(t->iv, 0x5A, sizeof t->iv);
    for (size_t i = 0; i < sizeof t->in; i++)
        t->in[i] = (uint8_t)(i * 13);
    probe_yes(p, t->key->known ? "" : "round trip only");
    for (size_t i = 0; i < COUNT(lengths) && complaint == NULL; i++)
        complaint = try_length(p, row, t, lengths[i] - (t->pad ? 3 : 0), &rv);
    if (complaint != NULL && rv != CKR_OK)
        probe_refused(p, rv);
    else if (complaint != NULL)
        probe_wrong(p, complaint);
    core_wipe(t, sizeof *t);
    core_free(t);
}

static bool can_wrap(probe *p, const probe_row *row)
{
    if (p->private_key == 0 || p->rsa == NULL) {
        probe_no(p, "no RSA key to try with");
        return false;
    }
    if (key_of(p, row->type)->handle == 0 && row->run == probe_wrap) {
        probe_no(p, "no key to try with");
        return false;
    }
    return true;
}

/* Wraps a key and decrypts the result with the token, whose decryption was tested before. */
void probe_wrap(probe *p, const probe_row *row)
{
    const probe_key *key = key_of(p, row->type);
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = probe_rsa_mechanism(row, &params);
    uint8_t wrapped[1024], opened[1024];
    CK_ULONG length = sizeof wrapped, opened_len = sizeof opened;
    CK_RV rv;

    if (!can_wrap(p, row))
        return;
    rv = p->f->C_WrapKey(p->work, &mechanism, p->public_key, key->handle, wrapped, &length);
    if (rv == CKR_OK)
        rv = probe_rsa_open(p, row, wrapped, length, opened, &opened_len);
    if (rv != CKR_OK)
        probe_refused(p, rv);
    else if (key->known &&
             (opened_len != key->length || memcmp(opened, key->value, opened_len) != 0))
        probe_wrong(p, "the wrapped key differs");
    else
        probe_yes(p, key->known ? "" : "value not checked");
    core_wipe(opened, sizeof opened);
}

/* Unwraps a key. *least: the token accepts only class, type and CKA_TOKEN in the template. */
static CK_RV unwrap_key(probe *p, const probe_row *row, uint8_t *wrapped, size_t length,
                        CK_OBJECT_HANDLE *key, bool *least)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = probe_rsa_mechanism(row, &params);
    CK_KEY_TYPE type = row->type;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},         {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes}, {CKA_ENCRYPT, &yes, sizeof yes},
    };
    CK_ULONG all = COUNT(template) - (type == CKK_GENERIC_SECRET ? 1 : 0);
    CK_RV rv = p->f->C_UnwrapKey(p->session->handle, &mechanism, p->private_key, wrapped,
                                 (CK_ULONG)length, template, all, key);

    *least = false;
    if (rv != CKR_OK) {
        CK_RV second = p->f->C_UnwrapKey(p->session->handle, &mechanism, p->private_key, wrapped,
                                         (CK_ULONG)length, template, 3, key);
        *least = second == CKR_OK;
        rv = *least ? CKR_OK : rv;
    }
    return rv;
}

/* Checks that the key in the token is the key that OpenSSL wrapped, by its value or by a block that
 * it encrypts. NULL: it is; "": it cannot be checked; else the complaint. */
static const char *check_unwrapped(probe *p, const probe_row *row, CK_OBJECT_HANDLE key,
                                   const uint8_t value[32])
{
    CK_BYTE iv[16] = {0}, block[16] = {1}, ciphertext[32], expected[32];
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof iv};
    CK_ULONG cipher_len = sizeof ciphertext;
    uint8_t found[32];
    size_t length = 0;

    if (read_value(p, key, found, &length))
        return length == 32 && memcmp(found, value, 32) == 0 ? NULL : "the key differs";
    if (row->cipher == NULL || p->f->C_EncryptInit(p->work, &cbc, key) != CKR_OK ||
        p->f->C_Encrypt(p->work, block, sizeof block, ciphertext, &cipher_len) != CKR_OK ||
        !encrypt_reference(row, value, iv, false, block, sizeof block, expected, &length))
        return "";
    return memcmp(ciphertext, expected, sizeof block) == 0 ? NULL : "the key differs";
}

void probe_unwrap(probe *p, const probe_row *row)
{
    uint8_t value[32], wrapped[1024];
    size_t length = sizeof wrapped;
    CK_OBJECT_HANDLE key = 0;
    const char *complaint;
    bool least;
    CK_RV rv;

    if (!can_wrap(p, row))
        return;
    if (core_random(value, sizeof value) != ST_OK ||
        core_rsa_encrypt(p->rsa, RSA_PKCS1_OAEP_PADDING, row->hash, value, sizeof value, wrapped,
                         &length) != ST_OK) {
        probe_no(p, "OpenSSL failed to encrypt");
        return;
    }
    rv = unwrap_key(p, row, wrapped, length, &key, &least);
    if (rv != CKR_OK) {
        probe_refused(p, rv);
        return;
    }
    probe_made(p, key);
    complaint = check_unwrapped(p, row, key, value);
    if (complaint != NULL && *complaint != '\0')
        probe_wrong(p, complaint);
    else
        probe_yes(p, complaint != NULL ? "value not checked" : least ? "least template only" : "");
    core_wipe(value, sizeof value);
}
