/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys on a token, and what is done with them inside it. A tok_key describes one key for ever
 * (thumbprint, algorithm, public part), keeps up with what changes (pkcs11/key_state.h) and finds
 * its object handle again when the token was away. Keys are cached by the token; a caller holds a
 * reference. A login must be in force (tok_token_login).
 *
 * Thumbprint, 16 bytes, version 1, never to change: of an RSA key the first 16 bytes of SHA-256
 * over the DER SubjectPublicKeyInfo; of an AES or 3DES key the first 16 bytes of SHA-256 over the
 * 16 bytes "p11ekm-sym-th-v1" and the 16 bytes that CBC with a zero IV makes, under the key, of
 * those same 16.
 */
#ifndef PKCS11_KEY_H
#define PKCS11_KEY_H

#include "pkcs11/key_wrap.h"
#include "pkcs11/token.h"

typedef struct tok_key tok_key;

/* The longest name a key may be given, in bytes of UTF-8: what 512 bytes of UTF-16 may take. A
 * label on the token has room for the mark of a retired key, too. */
enum { TOK_THUMB_LEN = 16, TOK_NAME_UNITS = 256, TOK_NAME_MAX = 768, TOK_LABEL_MAX = 832 };
enum { TOK_EXPONENT_MAX = 512 }; /* bytes; OpenSSL encrypts with no longer one */

/* What a key may be used for, or'ed. */
enum {
    TOK_CAN_ENCRYPT = 1,
    TOK_CAN_DECRYPT = 2,
    TOK_CAN_SIGN = 4,
    TOK_CAN_WRAP = 8,
    TOK_CAN_UNWRAP = 16
};

typedef struct tok_key_info {
    char name[TOK_LABEL_MAX + 1]; /* CKA_LABEL without NULs at its end, may be no UTF-8 */
    uint8_t thumb[TOK_THUMB_LEN];
    bool has_thumb, identified; /* always true but for keys of tok_key_survey (key_list.h) */
    core_algorithm algorithm;   /* CORE_ALG_COUNT: none that SQL Server knows; invisible to it */
    bool rsa;
    unsigned bits;
    bool bits_unknown; /* an AES key that does not tell its length: `bits` is the least, 128 */
    unsigned can;
    unsigned told;    /* of `can`: what the token told; the rest is left to it to refuse */
    bool unprotected; /* CKA_PRIVATE is not TRUE: anybody can have put it there without the PIN */
    bool dates_unreadable; /* the token refuses to tell them: none are known */
    bool extractable, sensitive, never_extractable;
    bool persistent; /* a token object; else it lives while the tok_key does */
    bool retired;    /* dropped by SQL Server, kept on the token; found by no search but list */
    uint32_t start_date, end_date; /* yyyymmdd, 0: none */
    uint8_t id[256];               /* CKA_ID; empty where it is longer */
    size_t id_len;
    uint8_t modulus[1024]; /* RSA, big endian, no leading zeros */
    size_t modulus_len;
    uint8_t exponent[TOK_EXPONENT_MAX];
    size_t exponent_len;
} tok_key_info;

const tok_key_info *tok_key_info_of(const tok_key *key);
tok_token *tok_key_token(const tok_key *key);
tok_key *tok_key_ref(tok_key *key);
void tok_key_release(tok_key *key); /* a volatile key is destroyed with its last reference */

/* Finds one key: from the cache, else by one search. ST_NOT_FOUND (remembered for up to 5 s),
 * ST_KEY_AMBIGUOUS. Retired keys are not found. Names are compared exactly, but for NULs at the end
 * of a label; 32 hex digits that no key has for a name are a thumbprint. */
CORE_MUST_USE core_status tok_key_by_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN],
                                           tok_key **out, core_err *err);
CORE_MUST_USE core_status tok_key_by_name(tok_token *token, const char *name, tok_key **out,
                                          core_err *err);
/* By CKA_LABEL and/or CKA_ID (NULL: any), RSA private keys only: the key paths of Always Encrypted.
 */
CORE_MUST_USE core_status tok_key_by_label_id(tok_token *token, const char *label,
                                              const uint8_t *id, size_t id_len, tok_key **out,
                                              core_err *err);
/* All RSA private, AES and 3DES keys, retired ones included, fresh from the token, in no order.
 * *out: an array of *count references, released with tok_key_list_free. Left out are keys that
 * cannot be used, see key_list.h. Each symmetric key in use encrypts one block for its thumbprint.
 */
CORE_MUST_USE core_status tok_key_list(tok_token *token, tok_key ***out, size_t *count,
                                       core_err *err);
void tok_key_list_free(tok_key **keys, size_t count);

/* Makes a key (pair) on the token: private, sensitive, never extractable unless asked for, CKA_ID =
 * its thumbprint. ST_POLICY, ST_KEY_EXISTS (retired names do not count), ST_MECHANISM, ... A
 * failure leaves nothing behind. `persistent` false: a session key that lives while the tok_key
 * does. */
typedef struct tok_key_spec {
    const char *name;
    core_algorithm algorithm;
    unsigned can; /* 0: encrypt and decrypt */
    bool persistent;
    bool extractable;
} tok_key_spec;
CORE_MUST_USE core_status tok_key_create(tok_token *token, const tok_key_spec *spec, tok_key **out,
                                         core_err *err);

/* Retires the key (renames it "p11ekm-retired:<UTC>:<name>"), gives a retired one its name back
 * (fails with ST_KEY_EXISTS where that is taken), or destroys it for good. Policy is the caller's
 * business. */
CORE_MUST_USE core_status tok_key_retire(tok_key *key, core_err *err);
CORE_MUST_USE core_status tok_key_restore(tok_key *key, core_err *err);
CORE_MUST_USE core_status tok_key_destroy(tok_key *key, core_err *err);

/* Sizes, answered from the key and its token's policy without touching the token: the length of the
 * ciphertext of `length` bytes, an upper bound of the plaintext, the longest RSA plaintext.
 * Symmetric lengths are those of CBC with PKCS#7, without the IV. */
size_t tok_encrypt_size(const tok_key *key, size_t length);
size_t tok_decrypt_size(const tok_key *key, size_t length);
size_t tok_encrypt_max(const tok_key *key);
/* The padding that new ciphertexts of an RSA key get, as far as is known now, and whether its
 * decryption goes over raw RSA (rsa_raw). No token call. */
core_padding tok_rsa_padding(const tok_key *key, bool *raw);

/* Encrypts: RSA with the padding of the policy (iv NULL, 0); AES/3DES CBC with PKCS#7 under `iv` of
 * exactly one block. *out_len in: room (at least tok_encrypt_size); out: written. ST_DATA_LENGTH,
 * ST_KEY_USAGE, ST_KEY_EXPIRED, ... In and out may not overlap. */
CORE_MUST_USE core_status tok_encrypt(tok_key *key, const uint8_t *iv, size_t iv_len,
                                      const uint8_t *in, size_t in_len, uint8_t *out,
                                      size_t *out_len, core_err *err);
/* Decrypts; all failures of the data are ST_DECRYPT_FAILED without detail. *out_len in: room, may
 * be less than tok_decrypt_size as long as the result fits (else ST_BUFFER_TOO_SMALL, *out_len the
 * size needed). Exactly two Cryptoki calls when the first padding of the policy fits. */
CORE_MUST_USE core_status tok_decrypt(tok_key *key, const uint8_t *iv, size_t iv_len,
                                      const uint8_t *in, size_t in_len, uint8_t *out,
                                      size_t *out_len, core_err *err);
/* RSA with one padding whatever the policy (Always Encrypted fixes OAEP with SHA-1). Encryption is
 * done where the policy's public_ops says. */
CORE_MUST_USE core_status tok_rsa_encrypt(tok_key *key, core_padding padding, const uint8_t *in,
                                          size_t in_len, uint8_t *out, size_t *out_len,
                                          core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt(tok_key *key, core_padding padding, const uint8_t *in,
                                          size_t in_len, uint8_t *out, size_t *out_len,
                                          core_err *err);

/* RSASSA-PKCS1-v1_5 with SHA-256 over `length` bytes. *sig_len in: room, out: the modulus length.
 */
CORE_MUST_USE core_status tok_rsa_sign(tok_key *key, const uint8_t *data, size_t length,
                                       uint8_t *sig, size_t *sig_len, core_err *err);
/* Verifies such a signature over an SHA-256 digest in software, with the public part: no token
 * call. */
CORE_MUST_USE core_status tok_rsa_verify(tok_key *key, const uint8_t digest[32], const uint8_t *sig,
                                         size_t sig_len);

#endif
