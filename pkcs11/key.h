/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys on a token, and operations with them inside the token. A tok_key describes one key. Its
 * thumbprint, algorithm and public part never change; pkcs11/key_state.h reads what can change. Its
 * object handle is searched for again after the token was away. The token caches keys; each caller
 * holds a reference of its own and may use it from any thread. All functions that call the token
 * need a login (tok_token_login).
 *
 * The thumbprint has 16 bytes. Its rule is version 1 and never changes. RSA: the first 16 bytes of
 * SHA-256 of the DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). AES and 3DES: encrypt the 16 bytes
 * "p11ekm-sym-th-v1" with CBC, a zero IV and no padding under the key; the thumbprint is the first
 * 16 bytes of SHA-256 of the plaintext followed by the ciphertext.
 */
#ifndef PKCS11_KEY_H
#define PKCS11_KEY_H

#include "pkcs11/key_use.h"
#include "pkcs11/key_wrap.h"
#include "pkcs11/token.h"

/* TOK_NAME_MAX: the longest name of a key, in bytes of UTF-8; 256 UTF-16 code units take no more.
 * TOK_LABEL_MAX: the longest CKA_LABEL in bytes; it leaves space for the mark of a retired key. */
enum { TOK_THUMB_LEN = 16, TOK_NAME_UNITS = 256, TOK_NAME_MAX = 768, TOK_LABEL_MAX = 832 };
enum { TOK_EXPONENT_MAX = 512 }; /* bytes; OpenSSL encrypts with no longer exponent */

/* The uses of a key, a bit set. */
enum {
    TOK_CAN_ENCRYPT = 1,
    TOK_CAN_DECRYPT = 2,
    TOK_CAN_SIGN = 4,
    TOK_CAN_WRAP = 8,
    TOK_CAN_UNWRAP = 16
};

typedef struct tok_key_info {
    char name[TOK_LABEL_MAX + 1]; /* CKA_LABEL without trailing NULs; may be invalid UTF-8 */
    uint8_t thumb[TOK_THUMB_LEN];
    bool has_thumb, identified; /* can be false only for keys of lists (see key_list.h) */
    core_algorithm algorithm;   /* CORE_ALG_COUNT: no algorithm of SQL Server, not shown to it */
    bool rsa;
    unsigned bits;
    bool bits_unknown; /* the token does not tell an AES key's length; `bits` is 128, the least */
    unsigned can;
    unsigned told;         /* subset of `can` that the token told; it refuses the others itself */
    bool unprotected;      /* CKA_PRIVATE is not TRUE: the key can be created without the PIN */
    bool dates_unreadable; /* the token refuses to tell the dates; both are 0 */
    bool extractable, sensitive, never_extractable;
    bool persistent; /* a token object; false: a session key that lives as long as the tok_key */
    bool retired;    /* dropped by SQL Server but still on the token; only lists find it */
    uint32_t start_date, end_date; /* yyyymmdd; 0: none */
    uint8_t id[256];               /* CKA_ID; id_len is 0 if CKA_ID is longer than this */
    size_t id_len;
    uint8_t modulus[1024]; /* RSA: big endian, no leading zeros, as the exponent */
    size_t modulus_len;
    uint8_t exponent[TOK_EXPONENT_MAX];
    size_t exponent_len;
} tok_key_info;

/* The description as of the search that found the key. The key owns it. No token call. */
const tok_key_info *tok_key_info_of(const tok_key *key);
/* The token or group of the key, without a reference of its own. */
tok_token *tok_key_token(const tok_key *key);
/* Adds a reference and returns `key`. */
tok_key *tok_key_ref(tok_key *key);
/* Drops a reference; NULL is allowed. The last reference of a session key closes its session, which
 * destroys the key. */
void tok_key_release(tok_key *key);

/* These three find one key that is not retired. *out is a new reference, or NULL on failure.
 * ST_NOT_FOUND; ST_POOL_TIMEOUT: another thread's search takes longer than session_wait_ms. The
 * first looks in the cache, then searches the token; it may answer ST_NOT_FOUND for 5 s after it
 * read all keys. The others search each time; ST_KEY_AMBIGUOUS: several keys match. Names are
 * compared byte by byte, without trailing NULs of the label. If no key has the name and the name is
 * 32 hexadecimal digits, it is taken as a thumbprint. */
CORE_MUST_USE core_status tok_key_by_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN],
                                           tok_key **out, core_err *err);
CORE_MUST_USE core_status tok_key_by_name(tok_token *token, const char *name, tok_key **out,
                                          core_err *err);
/* For the key paths of Always Encrypted: RSA private keys by CKA_LABEL and CKA_ID (`id_len` bytes).
 * NULL: any. */
CORE_MUST_USE core_status tok_key_by_label_id(tok_token *token, const char *label,
                                              const uint8_t *id, size_t id_len, tok_key **out,
                                              core_err *err);
/* Reads all RSA private, AES and 3DES keys from the token, retired keys included, unsorted. *out is
 * an array of *count references; release it with tok_key_list_free. Keys that cannot be used are
 * left out (key_list.h shows them). Each symmetric key that SQL Server may use encrypts one block
 * for its thumbprint; the others are not identified. */
CORE_MUST_USE core_status tok_key_list(tok_token *token, tok_key ***out, size_t *count,
                                       core_err *err);
void tok_key_list_free(tok_key **keys, size_t count);

typedef struct tok_key_spec {
    const char *name; /* UTF-8, 1 to TOK_NAME_UNITS UTF-16 code units */
    core_algorithm algorithm;
    unsigned can;    /* 0: encrypt and decrypt */
    bool persistent; /* false: a session key that lives as long as the tok_key */
    bool extractable;
} tok_key_spec;
/* Creates a key or key pair inside the token (C_GenerateKey, C_GenerateKeyPair), on a group on its
 * first member. CKA_PRIVATE and CKA_SENSITIVE are TRUE, CKA_EXTRACTABLE is as `extractable` says,
 * CKA_ID becomes the thumbprint if the token lets it be set. *out is a new reference. ST_POLICY;
 * ST_INVALID_ARGUMENT: the name; ST_KEY_EXISTS (retired keys do not count); ST_MECHANISM;
 * ST_POOL_TIMEOUT: another creation takes longer than 60 s. A failure destroys what was created. */
CORE_MUST_USE core_status tok_key_create(tok_token *token, const tok_key_spec *spec, tok_key **out,
                                         core_err *err);

/* Retire renames the key to "p11ekm-retired:<UTC>:<name>"; restore gives a retired key its name
 * back (ST_KEY_EXISTS: another key has the name); destroy calls C_DestroyObject. On a group they
 * need every member (ST_DEVICE). The caller checks the policy (`drop`). ST_KEY_AMBIGUOUS: several
 * objects have this name and thumbprint. The caller keeps its reference. */
CORE_MUST_USE core_status tok_key_retire(tok_key *key, core_err *err);
CORE_MUST_USE core_status tok_key_restore(tok_key *key, core_err *err);
CORE_MUST_USE core_status tok_key_destroy(tok_key *key, core_err *err);

#endif
