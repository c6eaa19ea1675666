/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives the handle of a closed session to the next session, as some tokens do: a caller that still
 * uses the old handle then works in another session. The module's own handles are not changed.
 */
#include <pthread.h>
#include "count_private.h"

enum { MOST = 4096, NEVER_A_HANDLE = 0x40000000 };

static struct {
    pthread_mutex_t lock;
    bool reuse;
    struct {
        CK_SESSION_HANDLE outside, inside;
    } open[MOST];
    size_t count;
    CK_SESSION_HANDLE closed[MOST]; /* a stack */
    size_t closed_count;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

void count_handles_reuse(bool on)
{
    (void)pthread_mutex_lock(&state.lock);
    state.reuse = on;
    (void)pthread_mutex_unlock(&state.lock);
}

static size_t find_locked(CK_SESSION_HANDLE outside)
{
    size_t i = 0;

    while (i < state.count && state.open[i].outside != outside)
        i++;
    return i;
}

void count_handles_in(const count_call *call)
{
    if (!call->in_session)
        return;
    (void)pthread_mutex_lock(&state.lock);
    size_t i = find_locked(call->session);
    /* The module may have reassigned the number of a closed session. */
    *call->session_in = i < state.count ? state.open[i].inside : CK_INVALID_HANDLE;
    (void)pthread_mutex_unlock(&state.lock);
}

static void opened_locked(CK_SESSION_HANDLE *handle)
{
    CK_SESSION_HANDLE inside = *handle;

    /* A module that restarts its numbering may have given out one of these itself. */
    while (state.closed_count > 0 &&
           find_locked(state.closed[state.closed_count - 1]) < state.count)
        state.closed_count--;
    if (state.reuse && state.closed_count > 0)
        *handle = state.closed[--state.closed_count];
    else if (find_locked(*handle) < state.count)
        *handle += NEVER_A_HANDLE; /* already in use outside */
    if (state.count < MOST) {
        state.open[state.count].outside = *handle;
        state.open[state.count++].inside = inside;
    }
}

static void closed_locked(CK_SESSION_HANDLE outside)
{
    size_t i = find_locked(outside);

    if (i == state.count)
        return;
    state.open[i] = state.open[--state.count];
    if (state.closed_count < MOST)
        state.closed[state.closed_count++] = outside;
}

void count_handles_out(const count_call *call, CK_RV rv)
{
    (void)pthread_mutex_lock(&state.lock);
    if (call->in_session && (rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
                             (call->verb == V_CLOSE && rv == CKR_OK)))
        closed_locked(call->session);
    while (rv == CKR_OK && state.count > 0 &&
           (call->verb == V_FINALIZE || call->verb == V_CLOSE_ALL))
        closed_locked(state.open[0].outside);
    if (rv == CKR_OK && call->opened)
        opened_locked(call->opened);
    (void)pthread_mutex_unlock(&state.lock);
}
