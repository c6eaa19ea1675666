/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of RSA paddings: for each core_padding its mechanism, OAEP parameters, overhead in
 * bytes, and the same padding in OpenSSL.
 */
#include <openssl/rsa.h>
#include "pkcs11/base/base_private.h"

#define OAEP(hash, mgf)                        \
    {                                          \
        hash, mgf, CKZ_DATA_SPECIFIED, NULL, 0 \
    }

static const tok_padding paddings[CORE_PAD_COUNT] = {
    [CORE_PAD_OAEP_SHA256] = {CKM_RSA_PKCS_OAEP, OAEP(CKM_SHA256, CKG_MGF1_SHA256), 66,
                              RSA_PKCS1_OAEP_PADDING, "SHA256"},
    [CORE_PAD_OAEP_SHA1] = {CKM_RSA_PKCS_OAEP, OAEP(CKM_SHA_1, CKG_MGF1_SHA1), 42,
                            RSA_PKCS1_OAEP_PADDING, "SHA1"},
    [CORE_PAD_PKCS1] = {CKM_RSA_PKCS, OAEP(0, 0), 11, RSA_PKCS1_PADDING, NULL},
};

const tok_padding *tok_padding_row(core_padding padding)
{
    return &paddings[padding];
}

CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params)
{
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    *params = row->oaep;
    if (row->mechanism == CKM_RSA_PKCS_OAEP) {
        mechanism.pParameter = params;
        mechanism.ulParameterLen = sizeof *params;
    }
    return mechanism;
}

bool tok_is_oaep(core_padding padding)
{
    return paddings[padding].mechanism == CKM_RSA_PKCS_OAEP;
}
