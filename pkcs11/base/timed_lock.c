/* SPDX-License-Identifier: Apache-2.0
 *
 * A lock whose acquire has a time limit. Its holder calls the module, and a module may hang, so no
 * thread may wait for the lock without a limit. It is not recursive, and any thread may release it.
 */
#include "pkcs11/base/base_private.h"

/* No analysis: no other thread uses the lock yet. */
CORE_NO_ANALYSIS
void tok_timed_lock_init(tok_timed_lock *timed)
{
    core_mutex_init(&timed->lock);
    core_cond_init(&timed->released);
    timed->busy = false;
}

void tok_timed_lock_destroy(tok_timed_lock *timed)
{
    core_cond_destroy(&timed->released);
    core_mutex_destroy(&timed->lock);
}

bool tok_timed_lock_acquire(tok_timed_lock *timed, unsigned wait_ms)
{
    const uint64_t until = core_deadline_us(wait_ms);
    bool in_time = true;

    core_mutex_lock(&timed->lock);
    while (timed->busy && in_time)
        in_time = core_cond_wait_until(&timed->released, &timed->lock, until);
    bool taken = !timed->busy;
    if (taken)
        timed->busy = true;
    core_mutex_unlock(&timed->lock);
    return taken;
}

/* No analysis: it does not see that `busy` means that the lock is held. */
CORE_NO_ANALYSIS
void tok_timed_lock_release(tok_timed_lock *timed)
{
    core_mutex_lock(&timed->lock);
    timed->busy = false;
    core_cond_signal(&timed->released);
    core_mutex_unlock(&timed->lock);
}
