/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations layer: RSA encryption and decryption, and the proof that the public numbers of a key
 * are right.
 */
#ifndef PKCS11_OPS_OPS_PRIVATE_H
#define PKCS11_OPS_OPS_PRIVATE_H

#include "pkcs11/keys/keys_private.h"

/* Whether a decryption that ended so is made once more, in another session, without a reset. A
 * device that fails once may answer as it does for bad data, and a database whose key is not
 * decrypted at its start stays closed. It is done for all failures alike, so that the number of
 * calls does not tell them apart; never with PKCS#1 v1.5, where success and failure take the same
 * calls. */
bool tok_second_try(core_status st);
/* With the padding of the policy; with each padding the policy allows, in order. */
CORE_MUST_USE core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len,
                                                 uint8_t *out, size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, core_err *err);
/* tok_key_check_usage without a look at the token. */
CORE_MUST_USE core_status tok_key_allows(tok_key *key, unsigned can, core_err *err);
/* The block of a symmetric key's CBC in bytes: 16, of 3DES 8. */
size_t tok_block_size(const tok_key *key);
/* The one failure of a decryption. */
core_status tok_decrypt_failed(core_err *err);

typedef enum tok_rsa_strategy {
    TOK_RSA_AUTO,     /* as is known of the key, and found on the way */
    TOK_RSA_BY_TOKEN, /* all by the token */
    TOK_RSA_OVER_RAW  /* over CKM_RSA_X_509 */
} tok_rsa_strategy;

/* What one decryption came to, beside its status. */
typedef struct tok_rsa_outcome {
    tok_token *served;          /* that tried; NULL: none was reached */
    unsigned member_index;      /* of it in the group */
    uint64_t handle_generation; /* its generation then */
    bool accepted;              /* C_DecryptInit took the padding itself */
    bool raw;                   /* it took raw RSA in its stead */
    CK_RV refused; /* neither: what it refused with; CKR_OK: it was not asked, or failed */
} tok_rsa_outcome;

/* One RSA operation of rsa_decrypt.c or rsa_encrypt.c. */
typedef struct tok_rsa_job {
    tok_key *key;
    core_padding padding;
    tok_rsa_strategy way;
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t *out_len;     /* room, then written or needed */
    tok_rsa_outcome how; /* of a decryption */
    bool software;       /* rsa_raw: the token does not encrypt with this padding */
    bool unproven;       /* the proof was of another generation of the token */
} tok_rsa_job;

/* Decrypts, on the member of the group at `place`, TOK_ANY: on whichever serves. */
enum { TOK_ANY = -1 };
CORE_MUST_USE core_status tok_rsa_decrypt_by(tok_key *key, core_padding padding,
                                             tok_rsa_strategy way, int member_index,
                                             const uint8_t *in, size_t in_len, uint8_t *out,
                                             size_t *out_len, tok_rsa_outcome *how, core_err *err);
CORE_MUST_USE core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding,
                                                   const uint8_t *in, size_t in_len, uint8_t *out,
                                                   size_t *out_len, core_err *err);

/* How often an encryption is tried whose proof is void when it begins: the token came back, or
 * another member serves. */
enum { TOK_PROOF_TRIES = 3 };

/* Proves, once for each key, member that is there, and generation of its token, that the key's
 * modulus and exponent belong to its private key and that this key takes the padding: a known
 * answer, encrypted here with these numbers, comes back. A key that may not decrypt proves it by
 * telling both numbers itself. ST_MECHANISM: the key or the token refuses the padding;
 * ST_KEY_USAGE, ST_DEVICE, ...: nothing is proven, and nothing may be encrypted. */
CORE_MUST_USE core_status tok_rsa_ready(tok_key *key, core_padding padding, core_err *err);
/* The same for wrapping with OAEP SHA-1, which is the token's own or none: raw RSA does not count.
 */
CORE_MUST_USE core_status tok_rsa_ready_to_wrap(tok_key *key, core_err *err);
/* Whether that holds for the token and generation of the session. No token call. */
bool tok_rsa_is_ready(const tok_session *session, const tok_key *key, core_padding padding);
bool tok_rsa_is_ready_to_wrap(const tok_session *session, const tok_key *key);
/* The failure of an encryption whose proof was void each time. */
core_status tok_rsa_unproven(const tok_key *key, core_err *err);
/* Whether the key's OAEP goes over raw RSA, by these facts. */
bool tok_goes_raw(const tok_key *key, core_padding padding, unsigned facts);
/* Whether it does so on any member that is there. */
bool tok_oaep_raw(const tok_key *key, core_padding padding);
/* The failure where a padding is refused. `function` and its `rv` said so. */
core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err);
core_status tok_rsa_init_failed(const tok_rsa_job *job, const char *function, CK_RV rv,
                                core_err *err);
/* What is known of the key on all members that are there, or'ed; on the one token. */
unsigned tok_facts_of_all(const tok_key *key);

#endif
