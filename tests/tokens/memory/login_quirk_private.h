/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the memory token's quirks. Called under its lock, except the delay.
 */
#ifndef TESTS_MEMORY_LOGIN_QUIRK_PRIVATE_H
#define TESTS_MEMORY_LOGIN_QUIRK_PRIVATE_H

#include "private.h"
#include "tests/tokens/memory/login_quirk.h"

extern p11memory_quirks mem_quirks;
/* Called without the lock. */
void mem_quirk_delay(void);
/* Records a PIN; returns the result of C_Login if it is not CKR_OK. */
CK_RV mem_quirk_login(const CK_BYTE *pin, CK_ULONG n);
/* Takes P11MEMORY_FLAGS from the environment: flags of the token that are set, for programs that
 * are not tests. */
void mem_quirk_start(void);
void mem_quirk_info(CK_TOKEN_INFO *info);
/* True if one more session of this kind exceeds a limit. */
bool mem_quirk_full(CK_FLAGS flags);

#endif
