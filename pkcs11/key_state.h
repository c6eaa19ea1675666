/* SPDX-License-Identifier: Apache-2.0
 *
 * What administrators change of a key while other processes use it: its uses, its dates, and
 * whether it is retired.
 */
#ifndef PKCS11_KEY_STATE_H
#define PKCS11_KEY_STATE_H

#include "pkcs11/key.h"

/* What may change while a key is known, as the token last told it (key_recheck_seconds). Other
 * processes retire, disable and date keys. */
typedef struct tok_key_state {
    unsigned can;
    bool retired;
    uint32_t start_date, end_date;
    unsigned ever; /* all uses that it was ever seen with, on any member of a group */
} tok_key_state;
tok_key_state tok_key_now(const tok_key *key);
/* Reads that again if it is due, with one token call. ST_HANDLE_LOST: the key is gone. */
CORE_MUST_USE core_status tok_key_renew(tok_key *key, core_err *err);

/* Whether the token's policy (`algorithms`) lets the key be used at all. ST_POLICY. No token call.
 */
CORE_MUST_USE core_status tok_key_allowed(const tok_key *key, core_err *err);
/* Whether the key may be used so (`can`, or'ed), by its uses, retirement and dates and the token's
 * policy, read again where that is due. A retired or expired key may still decrypt and unwrap (see
 * expiry). ST_KEY_USAGE, ST_KEY_EXPIRED; those of tok_key_renew. */
CORE_MUST_USE core_status tok_key_check_usage(tok_key *key, unsigned can, core_err *err);
/* Whether today is within the key's dates, whatever the policy. */
bool tok_key_valid_today(const tok_key *key);

#endif
