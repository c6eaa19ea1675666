/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: the table of RSA paddings, and the ways to have them done.
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

typedef enum tok_way {
    TOK_WAY_BEST,  /* as is known of the token, and learned on the way */
    TOK_WAY_TOKEN, /* all by the token */
    TOK_WAY_RAW    /* over CKM_RSA_X_509 */
} tok_way;
/* Decrypts, on the member of the group at `place`, TOK_ANY: on whichever serves. *served: the token
 * that tried, NULL where none was reached. */
enum { TOK_ANY = -1 };
CORE_MUST_USE core_status tok_rsa_decrypt_way(tok_key *key, core_padding padding, tok_way way,
                                              int place, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, tok_token **served,
                                              core_err *err);
CORE_MUST_USE core_status tok_rsa_encrypt_software(tok_key *key, core_padding padding,
                                                   const uint8_t *in, size_t in_len, uint8_t *out,
                                                   size_t *out_len, core_err *err);

/* --- rsa_way.c --- */
/* Notes what a token can, for itself and for a group that asked it. */
void tok_learned(tok_token *asker, tok_token *token, unsigned what, tok_can can);
/* Whether the key's OAEP goes over raw RSA on that token. */
bool tok_oaep_raw(const tok_key *key, const tok_token *token, core_padding padding);
/* Whether it might yet turn out that it has to. */
bool tok_oaep_doubt(const tok_key *key, const tok_token *token, core_padding padding);
/* Finds out, where it is not known, by decrypting a known answer with the key. */
CORE_MUST_USE core_status tok_oaep_learn(tok_key *key, core_padding padding, core_err *err);
/* The same, and ST_MECHANISM by name where there is no way. */
CORE_MUST_USE core_status tok_oaep_check(tok_key *key, core_padding padding, core_err *err);
/* That failure. `function` and its `rv` said so; NULL: it is known. */
core_status tok_oaep_refuse(const tok_key *key, core_padding padding, const char *function,
                            CK_RV rv, core_err *err);
/* The padding that new ciphertexts of this token get, as far as is known now. No token call. */
core_padding tok_wrap_padding(const tok_token *token);

#endif
