/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: the table of RSA paddings, the ways to have them done, and the proof that a
 * key's public numbers are right.
 */
#ifndef PKCS11_RSA_PRIVATE_H
#define PKCS11_RSA_PRIVATE_H

#include "pkcs11/key_private.h"

typedef struct tok_padding {
    CK_MECHANISM_TYPE mechanism;
    CK_RSA_PKCS_OAEP_PARAMS oaep; /* of CKM_RSA_PKCS_OAEP */
    size_t overhead;              /* bytes of the modulus that are not for the plaintext */
    int openssl;                  /* the same in software */
    const char *hash;
} tok_padding;

/* --- rsa.c --- */
const tok_padding *tok_padding_row(core_padding padding);
bool tok_is_oaep(core_padding padding);
/* The mechanism of a row; `params` is where its parameters are put, and must outlive it. */
CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params);
/* The one failure of a decryption. */
core_status tok_decrypt_failed(core_err *err);
/* Whether the answer of an Init call is the key's or the token's refusal of the mechanism, not the
 * failure of a device, session, login or handle. *certain: it is one of the codes that say so in
 * the standard; another is believed only when it is given twice. */
bool tok_init_refuses(CK_RV rv, bool *certain);

typedef enum tok_way {
    TOK_WAY_BEST,  /* as is known of the key, and found on the way */
    TOK_WAY_TOKEN, /* all by the token */
    TOK_WAY_RAW    /* over CKM_RSA_X_509 */
} tok_way;
/* What one decryption came to, beside its status. */
typedef struct tok_rsa_outcome {
    tok_token *served; /* that tried; NULL: none was reached */
    unsigned place;    /* of it in the group */
    uint64_t age;      /* its generation then */
    bool accepted;     /* C_DecryptInit took the padding itself */
    bool raw;          /* it took raw RSA in its stead */
    CK_RV refused;     /* neither: what it refused with; CKR_OK: it was not asked, or failed */
} tok_rsa_outcome;
/* Decrypts, on the member of the group at `place`, TOK_ANY: on whichever serves. */
enum { TOK_ANY = -1 };
CORE_MUST_USE core_status tok_rsa_decrypt_way(tok_key *key, core_padding padding, tok_way way,
                                              int place, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, tok_rsa_outcome *how,
                                              core_err *err);
CORE_MUST_USE core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding,
                                                   const uint8_t *in, size_t in_len, uint8_t *out,
                                                   size_t *out_len, core_err *err);

/* --- rsa_proof.c --- */
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
/* Encrypts a random value with the public key and has the private object decrypt it, in this
 * session. *right: it came back. ST_MECHANISM: the object refuses the padding. */
CORE_MUST_USE core_status tok_answer_comes_back(tok_session *session, CK_OBJECT_HANDLE object,
                                                const tok_key *key, EVP_PKEY *public,
                                                core_padding padding, bool *right, core_err *err);

/* --- rsa_way.c --- */
/* Whether the key's OAEP goes over raw RSA, by these facts. */
bool tok_goes_raw(const tok_key *key, core_padding padding, unsigned facts);
/* Whether it does so on any member that is there. */
bool tok_oaep_raw(const tok_key *key, core_padding padding);
/* The failure where a padding is refused. `function` and its `rv` said so. */
core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err);

#endif
