/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations layer: RSA encryption and decryption, and the proof that the public numbers of a key
 * belong to its private key. Lengths are in bytes; out_len is as in pkcs11/key_use.h. Any thread
 * may call these functions.
 */
#ifndef PKCS11_OPS_OPS_PRIVATE_H
#define PKCS11_OPS_OPS_PRIVATE_H

#include "pkcs11/keys/keys_private.h"

/* True if a decryption that ended with this status is tried once more, in another session, without
 * a re-initialization. A device that fails once may return the code for bad data, and a database
 * whose key is not decrypted at startup stays closed. All failures are treated alike, so that the
 * number of calls does not distinguish them. Never for PKCS #1 v1.5, where success and failure must
 * make the same calls. */
bool tok_decrypt_needs_retry(core_status st);
/* Encrypt with the padding of the policy; decrypt with each padding that the policy allows, in its
 * order. */
CORE_MUST_USE core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len,
                                                 uint8_t *out, size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, core_err *err);
/* tok_key_check_usage without a token call and without the check of `algorithms`. */
CORE_MUST_USE core_status tok_key_allows(tok_key *key, unsigned can, core_err *err);
/* The block size of a symmetric key in bytes: 16 for AES, 8 for 3DES. */
size_t tok_block_size(const tok_key *key);
/* Fails with ST_DECRYPT_FAILED and the same text for every cause. */
core_status tok_decrypt_failed(core_err *err);

typedef enum tok_rsa_strategy {
    TOK_RSA_AUTO,     /* as the facts known of the key say; may learn that OAEP is refused */
    TOK_RSA_BY_TOKEN, /* the token removes the padding */
    TOK_RSA_OVER_RAW  /* CKM_RSA_X_509; software removes the padding */
} tok_rsa_strategy;

/* The result of one decryption besides its status. */
typedef struct tok_rsa_outcome {
    tok_token *served;          /* the token that tried; NULL: none was reached */
    unsigned member_index;      /* of that token in the group */
    uint64_t handle_generation; /* of that token at the time */
    bool accepted;              /* C_DecryptInit accepted the padding */
    bool raw;                   /* C_DecryptInit accepted raw RSA instead */
    CK_RV refused; /* the code of its refusal; CKR_OK: accepted, not called, or another failure */
} tok_rsa_outcome;

/* One RSA operation of rsa_decrypt.c or rsa_encrypt.c. */
typedef struct tok_rsa_job {
    tok_key *key;
    core_padding padding;
    tok_rsa_strategy strategy;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len;     /* capacity, then the length written or needed */
    tok_rsa_outcome how; /* of a decryption */
    bool software;       /* rsa_raw: the token refuses the padding, so software encrypts */
    bool unproven;       /* the proof belongs to another handle generation of the token */
} tok_rsa_job;

/* Decrypts on one member of a group; TOK_ANY: on the member that serves, or on a token that is not
 * a group. *how receives the outcome. */
enum { TOK_ANY = -1 };
CORE_MUST_USE core_status tok_rsa_decrypt_by(tok_key *key, core_padding padding,
                                             tok_rsa_strategy strategy, int member_index,
                                             const uint8_t *in, size_t in_len, uint8_t *out,
                                             size_t *out_len, tok_rsa_outcome *how, core_err *err);
/* Encrypts with OpenSSL and the key's public numbers. No token call. */
CORE_MUST_USE core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding,
                                                   const uint8_t *in, size_t in_len, uint8_t *out,
                                                   size_t *out_len, core_err *err);

/* How often an encryption is tried. Its proof is void if the token was re-initialized or logged in
 * again after it, or if another member serves. */
enum { TOK_PROOF_TRIES = 3 };

/* Proves that the key's modulus and exponent belong to its private key and that the key accepts the
 * padding: software encrypts a random value with these numbers, and the private key decrypts it.
 * Done once for each key, available member and handle generation. A key without CKA_DECRYPT counts
 * as proven if its private object tells both numbers. ST_MECHANISM: the key or the token refuses
 * the padding. ST_KEY_UNPROVEN, ST_DEVICE, ...: nothing is proven, so nothing may be encrypted. */
CORE_MUST_USE core_status tok_rsa_ready(tok_key *key, core_padding padding, core_err *err);
/* The same for wrapping with OAEP SHA-1. The token must do it itself: raw RSA does not count. */
CORE_MUST_USE core_status tok_rsa_ready_to_wrap(tok_key *key, core_err *err);
/* True if that is proven for the token and the generation of the session. No token call. */
bool tok_rsa_is_ready(const tok_session *session, const tok_key *key, core_padding padding);
bool tok_rsa_is_ready_to_wrap(const tok_session *session, const tok_key *key);
/* Fails with ST_DEVICE: the proof was void at each of TOK_PROOF_TRIES tries. */
core_status tok_rsa_unproven(const tok_key *key, core_err *err);
/* True if these facts say that the key's OAEP uses raw RSA. */
bool tok_goes_raw(const tok_key *key, core_padding padding, unsigned facts);
/* True if it does so on any available member. */
bool tok_oaep_raw(const tok_key *key, core_padding padding);
/* Fails with ST_MECHANISM: the key refuses the padding, with the code `rv` of `function` (NULL: it
 * was refused before). */
core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err);
/* Fails with the code of an Init call: a refused OAEP as above, else as tok_rv_fail. */
core_status tok_rsa_init_failed(const tok_rsa_job *job, const char *function, CK_RV rv,
                                core_err *err);
/* The facts known of the key on its token, or on all available members of its group, or'ed. */
unsigned tok_facts_of_all(const tok_key *key);

#endif
