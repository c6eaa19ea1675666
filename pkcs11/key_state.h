/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a key: its uses, its dates, and whether it is retired. Administrators change it in
 * other processes while keys are in use, so it is read again every key_recheck_seconds. Any thread
 * may call these functions.
 */
#ifndef PKCS11_KEY_STATE_H
#define PKCS11_KEY_STATE_H

#include "pkcs11/key.h"

/* The state as the token last told it. */
typedef struct tok_key_state {
    unsigned can; /* TOK_CAN_ENCRYPT, ... */
    bool retired;
    uint32_t start_date, end_date; /* yyyymmdd; 0: none */
    unsigned ever;                 /* all uses ever seen, on any member of a group */
} tok_key_state;
/* Returns that state. No token call. */
tok_key_state tok_key_now(const tok_key *key);
/* Reads the state again if it is older than key_recheck_seconds, with one C_GetAttributeValue; on a
 * group from each member that is available. ST_HANDLE_LOST: the key is no longer on the token. */
CORE_MUST_USE core_status tok_key_renew(tok_key *key, core_err *err);

/* Checks whether the token's policy (`algorithms`) permits the key. ST_POLICY. No token call. */
CORE_MUST_USE core_status tok_key_allowed(const tok_key *key, core_err *err);
/* Checks whether the policy and the state, renewed if it is due, permit all uses in `can`. The
 * policy key `expiry` decides what dates prevent; a retired key may still decrypt and unwrap.
 * ST_POLICY, ST_KEY_USAGE, ST_KEY_EXPIRED, and as tok_key_renew. */
CORE_MUST_USE core_status tok_key_check_usage(tok_key *key, unsigned can, core_err *err);
/* True if today (UTC) is within the key's dates, whatever the policy says. No token call. */
bool tok_key_valid_today(const tok_key *key);

#endif
