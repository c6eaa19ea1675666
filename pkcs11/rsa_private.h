/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: the table of RSA paddings.
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

const tok_padding *tok_padding_row(core_padding padding);
/* The mechanism of a row; `params` is where its parameters are put, and must outlive it. */
CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params);
/* The padding that new ciphertexts of this token get, as far as is known now. No token call. */
core_padding tok_wrap_padding(const tok_token *token);

#endif
