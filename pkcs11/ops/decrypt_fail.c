/* SPDX-License-Identifier: Apache-2.0
 *
 * The one failure of a decryption, and whether it is tried a second time.
 */
#include "pkcs11/ops/ops_private.h"

bool tok_second_try(core_status st)
{
    return st == ST_DECRYPT_FAILED || st == ST_TOKEN_FULL;
}

core_status tok_decrypt_failed(core_err *err)
{
    return core_fail(err, ST_DECRYPT_FAILED, "%s; %s", core_status_text(ST_DECRYPT_FAILED),
                     core_status_next(ST_DECRYPT_FAILED));
}
