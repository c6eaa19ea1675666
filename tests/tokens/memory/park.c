/* SPDX-License-Identifier: Apache-2.0
 *
 * Rendezvous at which a test stops calls, and the other functions with which tests control the
 * memory token.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "private.h"

enum { PLACES = 8 };

typedef struct place {
    bool taken, reached, gone;
    bool after;
    char function[40];
    CK_RV rv;
} place;

/* A lock of its own, which is not held by a stopped call. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rendezvous */
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static place places[PLACES];
static _Atomic unsigned armed; /* number in use; all other calls check only this */

static place *place_for(const char *function, bool after)
{
    for (size_t i = 0; i < PLACES; i++)
        if (places[i].taken && !places[i].reached && places[i].after == after &&
            strcmp(places[i].function, function) == 0)
            return &places[i];
    return NULL;
}

static void leave_place(place *p)
{
    memset(p, 0, sizeof *p);
    (void)atomic_fetch_sub(&armed, 1);
}

CK_RV mem_park(const char *function, bool after, CK_RV rv)
{
    if (atomic_load(&armed) == 0)
        return rv;
    (void)pthread_mutex_lock(&lock);
    place *p = place_for(function, after);
    if (p != NULL) {
        p->reached = true;
        (void)pthread_cond_broadcast(&moved);
        while (!p->gone)
            (void)pthread_cond_wait(&moved, &lock);
        if (p->rv != CKR_OK)
            rv = p->rv;
        leave_place(p);
    }
    (void)pthread_mutex_unlock(&lock);
    return rv;
}

int p11memory_park(const char *function, int after)
{
    int found = -1;

    if (!mem_is_function(function))
        return -1;
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < PLACES && found < 0; i++) {
        if (places[i].taken)
            continue;
        places[i].taken = true;
        places[i].after = after != 0;
        memcpy(places[i].function, function, strlen(function) + 1);
        (void)atomic_fetch_add(&armed, 1);
        found = i;
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

int p11memory_await(int number, unsigned ms)
{
    struct timespec until;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&lock);
    while (!places[number].reached && rc != ETIMEDOUT)
        rc = pthread_cond_clockwait(&moved, &lock, CLOCK_MONOTONIC, &until);
    const int reached = places[number].reached;
    (void)pthread_mutex_unlock(&lock);
    return reached;
}

void p11memory_go(int number, CK_RV rv)
{
    (void)pthread_mutex_lock(&lock);
    places[number].rv = rv;
    places[number].gone = true;
    if (!places[number].reached)
        leave_place(&places[number]);
    (void)pthread_cond_broadcast(&moved);
    (void)pthread_mutex_unlock(&lock);
}

void p11memory_lose_sessions(void)
{
    mem_lock();
    mem_sessions_close();
    mem_unlock();
}

void p11memory_unplug(int away)
{
    mem_lock();
    mem_sessions_close();
    mem.away = away != 0;
    mem_unlock();
}

void p11memory_limit(unsigned sessions)
{
    mem_lock();
    mem.limit = sessions;
    mem_unlock();
}

void p11memory_get(p11memory_state *out)
{
    mem_lock();
    *out = (p11memory_state){.sessions = mem.sessions_open,
                             .logged_in = mem.logged_in,
                             .logins = mem.logins,
                             .initialisations = mem.initialisations};
    for (const mem_object *o = mem.objects; o != NULL; o = o->next)
        out->session_objects += o->owner != 0;
    mem_unlock();
}
