/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns: one at a time, with a limit to the waiting, because what is done in a turn calls the
 * module, and a module may hang.
 */
#include "pkcs11/base/base_private.h"

/* No other thread sees it yet. */
CORE_NO_ANALYSIS
void tok_timed_lock_init(tok_timed_lock *turn)
{
    core_mutex_init(&turn->lock);
    core_cond_init(&turn->given);
    turn->busy = false;
}

void tok_timed_lock_destroy(tok_timed_lock *turn)
{
    core_cond_destroy(&turn->given);
    core_mutex_destroy(&turn->lock);
}

bool tok_timed_lock_acquire(tok_timed_lock *turn, unsigned wait_ms)
{
    const uint64_t until = core_deadline_us(wait_ms);
    bool in_time = true;

    core_mutex_lock(&turn->lock);
    while (turn->busy && in_time)
        in_time = core_cond_wait_until(&turn->given, &turn->lock, until);
    bool taken = !turn->busy;
    if (taken)
        turn->busy = true;
    core_mutex_unlock(&turn->lock);
    return taken;
}

/* Being busy is being held, which the analysis does not see. */
CORE_NO_ANALYSIS
void tok_timed_lock_release(tok_timed_lock *turn)
{
    core_mutex_lock(&turn->lock);
    turn->busy = false;
    core_cond_signal(&turn->given);
    core_mutex_unlock(&turn->lock);
}
