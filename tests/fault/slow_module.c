/* SPDX-License-Identifier: Apache-2.0
 *
 * A module that loads slowly and then cannot be used.
 */
#include <p11-kit/pkcs11.h>
#include <time.h>

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    const struct timespec time = {.tv_sec = 2};

    (void)nanosleep(&time, NULL);
    *list = NULL;
    return CKR_GENERAL_ERROR;
}
