/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot layer: the availability of the module and of each token, and the back-off of recoveries.
 */
#ifndef PKCS11_SLOT_HEALTH_PRIVATE_H
#define PKCS11_SLOT_HEALTH_PRIVATE_H

#include "pkcs11/module/module_private.h"

/* The back-off that follows one of `pause_ms` milliseconds; 0: the first. */
unsigned tok_backoff_next(unsigned pause_ms);
/* The next three are called with the gate's lock held; `token` NULL: the module. Resting: the
 * back-off has not elapsed. Lost and back: records a failed or successful recovery, and logs the
 * change of state. */
bool tok_health_resting(tok_context *ctx, tok_token *token);
void tok_health_lost(tok_context *ctx, tok_token *token, core_status st, const core_err *err);
void tok_health_back(tok_context *ctx, tok_token *token);
/* True if the interval has elapsed after which the module may be re-initialized to recover one
 * token while others are in use. tok_reset_done records such a reset and its duration, and starts
 * the next interval. */
bool tok_reset_due(tok_context *ctx, const tok_health *health);
void tok_reset_done(tok_context *ctx, tok_health *health, uint64_t took_us);
/* Records that the token is available, because a user has logged in or recovery has found it. Takes
 * the gate's lock. */
void tok_mark_available(tok_token *token);

/* True if the status is a device failure, so that another member of a group may serve. */
static inline bool tok_status_is_unavailable(core_status st)
{
    return core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
}

#endif
