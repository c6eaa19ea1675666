/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns: one at a time, with a limit to the waiting, because what is done in a turn calls the
 * module, and a module may hang. Deadlines are wall-clock times, which every pthreads has; a clock
 * that is set back during a wait makes it longer by that much.
 */
#include <errno.h>
#include <time.h>
#include "pkcs11/tok_private.h"

struct timespec tok_deadline(unsigned wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_nsec -= 1000000000L;
        at.tv_sec++;
    }
    return at;
}

void tok_turn_init(tok_turn *turn)
{
    pthread_mutex_init(&turn->lock, NULL);
    pthread_cond_init(&turn->given, NULL);
    turn->busy = false;
}

void tok_turn_destroy(tok_turn *turn)
{
    pthread_cond_destroy(&turn->given);
    pthread_mutex_destroy(&turn->lock);
}

bool tok_turn_take(tok_turn *turn, unsigned wait_ms)
{
    struct timespec until = tok_deadline(wait_ms);
    int rc = 0;

    pthread_mutex_lock(&turn->lock);
    while (turn->busy && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&turn->given, &turn->lock, &until);
    bool taken = !turn->busy;
    if (taken)
        turn->busy = true;
    pthread_mutex_unlock(&turn->lock);
    return taken;
}

void tok_turn_give(tok_turn *turn)
{
    pthread_mutex_lock(&turn->lock);
    turn->busy = false;
    pthread_cond_signal(&turn->given);
    pthread_mutex_unlock(&turn->lock);
}
