/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe's RSA tests. OpenSSL checks decryption and signatures with the public key. The token's
 * own decryption, which an earlier test has checked, checks its encryption.
 */
#include <openssl/rsa.h>
#include <string.h>
#include "pkcs11/probe/probe_private.h"

static CK_BBOOL yes = CK_TRUE;
static char label[] = "p11ekm-probe";
static const uint8_t message[] = "the probe's known plaintext: 32+";
enum { MESSAGE_LEN = 32, MODULUS_MAX = 1024 };

static CK_RV generate_pair(probe *p, CK_ULONG bits, CK_BBOOL kept, CK_OBJECT_HANDLE *public_key,
                           CK_OBJECT_HANDLE *private_key)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &kept, sizeof kept},
                             {CKA_LABEL, label, sizeof label - 1},
                             {CKA_MODULUS_BITS, &bits, sizeof bits},
                             {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
                             {CKA_ENCRYPT, &yes, sizeof yes},
                             {CKA_VERIFY, &yes, sizeof yes},
                             {CKA_WRAP, &yes, sizeof yes}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &kept, sizeof kept}, {CKA_LABEL, label, sizeof label - 1},
                              {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SENSITIVE, &yes, sizeof yes},
                              {CKA_DECRYPT, &yes, sizeof yes}, {CKA_SIGN, &yes, sizeof yes},
                              {CKA_UNWRAP, &yes, sizeof yes}};

    return p->f->C_GenerateKeyPair(p->session->handle, &mechanism, public,
                                   sizeof public / sizeof public[0], private,
                                   sizeof private / sizeof private[0], public_key, private_key);
}

static CK_RV read_modulus(probe *p, CK_OBJECT_HANDLE key, uint8_t *modulus, size_t *length)
{
    CK_ATTRIBUTE attribute = {CKA_MODULUS, modulus, MODULUS_MAX};
    CK_RV rv = p->f->C_GetAttributeValue(p->work, key, &attribute, 1);

    *length = rv == CKR_OK && attribute.ulValueLen <= MODULUS_MAX ? attribute.ulValueLen : 0;
    while (*length > 0 && modulus[0] == 0)
        memmove(modulus, modulus + 1, --*length);
    return rv;
}

void probe_rsa_generate(probe *p, const probe_row *row)
{
    static const uint8_t exponent[] = {1, 0, 1};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    uint8_t modulus[MODULUS_MAX];
    size_t length = 0;
    bool kept = false;
    CK_RV rv = generate_pair(p, row->bits, CK_FALSE, &public_key, &private_key);

    if (rv != CKR_OK) {
        CK_RV second = generate_pair(p, row->bits, CK_TRUE, &public_key, &private_key);
        kept = second == CKR_OK;
        rv = kept ? CKR_OK : rv;
    }
    if (rv != CKR_OK) {
        probe_refused(p, rv);
        return;
    }
    probe_made(p, public_key);
    probe_made(p, private_key);
    rv = read_modulus(p, public_key, modulus, &length);
    if (rv != CKR_OK || length * 8 != row->bits || (modulus[0] & 0x80) == 0) {
        probe_wrong(p, "the modulus has the wrong length");
        return;
    }
    probe_yes(p, kept ? "token keys only" : "");
    if (p->private_key == 0) {
        p->public_key = public_key;
        p->private_key = private_key;
        p->rsa_kept = kept;
        memcpy(p->modulus, modulus, length);
        p->modulus_len = length;
        p->rsa = core_rsa_public(modulus, length, exponent, sizeof exponent);
    }
}

/* False, with the result set, if no key pair could be generated. */
static bool require_key(probe *p)
{
    if (p->private_key == 0 || p->rsa == NULL) {
        probe_no(p, "no RSA key to try with");
        return false;
    }
    return true;
}

CK_MECHANISM probe_rsa_mechanism(const probe_row *row, CK_RSA_PKCS_OAEP_PARAMS *params)
{
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};

    if (row->mechanism == CKM_RSA_PKCS_OAEP) {
        bool sha1 = strcmp(row->hash, "SHA1") == 0;
        memset(params, 0, sizeof *params);
        params->hashAlg = sha1 ? CKM_SHA_1 : CKM_SHA256;
        params->mgf = sha1 ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256;
        params->source = CKZ_DATA_SPECIFIED;
        mechanism.pParameter = params;
        mechanism.ulParameterLen = sizeof *params;
    }
    return mechanism;
}

CK_RV probe_rsa_open(probe *p, const probe_row *row, const uint8_t *in, size_t in_len, uint8_t *out,
                     CK_ULONG *out_len)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = probe_rsa_mechanism(row, &params);
    CK_RV rv = p->f->C_DecryptInit(p->work, &mechanism, p->private_key);

    if (rv == CKR_OK)
        rv = p->f->C_Decrypt(p->work, (CK_BYTE_PTR)(uintptr_t)in, (CK_ULONG)in_len, out, out_len);
    return rv;
}

/* Encrypts the known plaintext with OpenSSL. False, with the result set: it could not. */
static bool encrypt_message(probe *p, const probe_row *row, uint8_t *out, size_t *out_len)
{
    int padding = row->hash != NULL ? RSA_PKCS1_OAEP_PADDING : RSA_PKCS1_PADDING;

    if (!require_key(p))
        return false;
    *out_len = MODULUS_MAX;
    if (core_rsa_encrypt(p->rsa, padding, row->hash, message, MESSAGE_LEN, out, out_len) == ST_OK)
        return true;
    probe_no(p, "OpenSSL failed to encrypt");
    return false;
}

static void check_plaintext(probe *p, CK_RV rv, const uint8_t *out, CK_ULONG length)
{
    if (rv != CKR_OK)
        probe_refused(p, rv);
    else if (length != MESSAGE_LEN || memcmp(out, message, MESSAGE_LEN) != 0)
        probe_wrong(p, "the plaintext differs");
    else
        probe_yes(p, "");
}

void probe_rsa_decrypt(probe *p, const probe_row *row)
{
    uint8_t ciphertext[MODULUS_MAX], out[MODULUS_MAX];
    CK_ULONG out_len = sizeof out;
    size_t length;
    CK_RV rv;

    if (!encrypt_message(p, row, ciphertext, &length))
        return;
    rv = probe_rsa_open(p, row, ciphertext, length, out, &out_len);
    check_plaintext(p, rv, out, out_len);
}

/* Removes OAEP in software after raw RSA, as rsa_raw does. */
void probe_rsa_raw(probe *p, const probe_row *row)
{
    uint8_t ciphertext[MODULUS_MAX], block[MODULUS_MAX], out[MODULUS_MAX];
    CK_ULONG block_len = (CK_ULONG)p->modulus_len;
    size_t length, out_len = sizeof out;
    CK_RV rv;

    if (!encrypt_message(p, row, ciphertext, &length))
        return;
    rv = probe_rsa_open(p, row, ciphertext, length, block, &block_len);
    if (rv == CKR_OK &&
        core_oaep_open(row->hash, block, p->modulus_len, block_len, out, &out_len) != ST_OK) {
        probe_wrong(p, "the block is invalid");
        return;
    }
    check_plaintext(p, rv, out, (CK_ULONG)out_len);
    if (p->item->state == TOK_PROBE_YES && block_len < p->modulus_len)
        probe_yes(p, "strips leading zeros");
}

void probe_rsa_encrypt(probe *p, const probe_row *row)
{
    CK_RSA_PKCS_OAEP_PARAMS params;
    CK_MECHANISM mechanism = probe_rsa_mechanism(row, &params);
    uint8_t ciphertext[MODULUS_MAX], out[MODULUS_MAX];
    CK_ULONG length = (CK_ULONG)p->modulus_len, out_len = sizeof out;
    CK_RV rv;

    if (!require_key(p))
        return;
    rv = p->f->C_EncryptInit(p->work, &mechanism, p->public_key);
    if (rv == CKR_OK) {
        rv = p->f->C_Encrypt(p->work, (CK_BYTE_PTR)(uintptr_t)message, MESSAGE_LEN, ciphertext,
                             &length);
    }
    if (rv != CKR_OK) {
        probe_refused(p, rv);
        return;
    }
    if (length != p->modulus_len) {
        probe_wrong(p, "the ciphertext has the wrong length");
        return;
    }
    rv = probe_rsa_open(p, row, ciphertext, length, out, &out_len);
    check_plaintext(p, rv, out, out_len);
}

/* Tests whether a session is usable after a ciphertext that does not decrypt. If it is not, the
 * token may keep the operation active and refuse to destroy the key, so token keys are not used for
 * it. */
void probe_rsa_after_error(probe *p, const probe_row *row)
{
    uint8_t ciphertext[MODULUS_MAX], out[MODULUS_MAX];
    CK_ULONG out_len = sizeof out;
    size_t length;
    CK_RV first, second;

    if (!require_key(p))
        return;
    if (p->rsa_kept) {
        probe_no(p, "not tried: token keys only");
        return;
    }
    if (!encrypt_message(p, row, ciphertext, &length))
        return;
    ciphertext[length / 2] ^= 1;
    first = probe_rsa_open(p, row, ciphertext, length, out, &out_len);
    if (first == CKR_OK) {
        probe_wrong(p, "it decrypts a changed ciphertext");
        return;
    }
    ciphertext[length / 2] ^= 1;
    out_len = sizeof out;
    second = probe_rsa_open(p, row, ciphertext, length, out, &out_len);
    check_plaintext(p, second, out, out_len);
    if (second == CKR_OK && p->item->state == TOK_PROBE_YES) {
        probe_refused(p, first); /* sets the name of the code */
        p->item->state = TOK_PROBE_YES;
    }
}

void probe_rsa_sign(probe *p, const probe_row *row)
{
    /* DER of DigestInfo { SHA-256, NULL } up to the digest (RFC 8017, 9.2) */
    static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    bool hashes = row->mechanism == CKM_SHA256_RSA_PKCS;
    uint8_t info[sizeof prefix + 32], signature[MODULUS_MAX];
    CK_ULONG length = sizeof signature;
    CK_RV rv;

    if (!require_key(p))
        return;
    memcpy(info, prefix, sizeof prefix);
    if (core_sha256(message, MESSAGE_LEN, NULL, 0, NULL, 0, info + sizeof prefix) != ST_OK) {
        probe_no(p, "OpenSSL failed to hash");
        return;
    }
    rv = p->f->C_SignInit(p->work, &mechanism, p->private_key);
    if (rv == CKR_OK) {
        rv = hashes ? p->f->C_Sign(p->work, (CK_BYTE_PTR)(uintptr_t)message, MESSAGE_LEN, signature,
                                   &length)
                    : p->f->C_Sign(p->work, info, sizeof info, signature, &length);
    }
    if (rv != CKR_OK)
        probe_refused(p, rv);
    else if (core_rsa_verify(p->rsa, info + sizeof prefix, signature, length) != ST_OK)
        probe_wrong(p, "OpenSSL does not verify the signature");
    else
        probe_yes(p, "");
}
