/* SPDX-License-Identifier: Apache-2.0
 *
 * The quirks of the memory token from the inside. Under its lock, but for the delay.
 */
#ifndef TESTS_MEMORY_LOGIN_QUIRK_PRIVATE_H
#define TESTS_MEMORY_LOGIN_QUIRK_PRIVATE_H

#include "private.h"
#include "tests/tokens/memory/login_quirk.h"

extern p11memory_quirks mem_quirks;
/* Without the lock. */
void mem_quirk_delay(void);
/* Records a PIN; not CKR_OK: the answer of C_Login. */
CK_RV mem_quirk_login(const CK_BYTE *pin, CK_ULONG n);
/* Takes P11MEMORY_FLAGS from the environment: flags of the token that are set, for other programs
 * than tests. */
void mem_quirk_start(void);
void mem_quirk_info(CK_TOKEN_INFO *info);
/* Whether there is no room for one more session of this kind. */
bool mem_quirk_full(CK_FLAGS flags);

#endif
