/* SPDX-License-Identifier: Apache-2.0
 *
 * Defines the single failure of all decryptions, and the rule for a second try.
 */
#include "pkcs11/ops/ops_private.h"

bool tok_decrypt_needs_retry(core_status st)
{
    return st == ST_DECRYPT_FAILED || st == ST_TOKEN_FULL;
}

core_status tok_decrypt_failed(core_err *err)
{
    return core_fail(err, ST_DECRYPT_FAILED, "%s; %s", core_status_text(ST_DECRYPT_FAILED),
                     core_status_next(ST_DECRYPT_FAILED));
}
