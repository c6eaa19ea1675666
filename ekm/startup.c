/* SPDX-License-Identifier: Apache-2.0
 *
 * The identities for which the wait at start-up is over (see login.c). The list lasts as long as
 * the provider is initialised.
 */
#include <string.h>
#include "core/memory.h"
#include "ekm/ekm_private.h"

typedef struct settled {
    struct settled *next;
    char identity[];
} settled;

struct startup_list {
    core_lock lock; /* guards `first` */
    settled *first;
};
static struct startup_list start; /* for the next line to name its lock */
static struct startup_list start CORE_GUARDED_BY(start.lock) = {.lock = CORE_LOCK_INIT};

bool ekm_startup_is_done(const char *identity)
{
    core_lock_acquire(&start.lock);
    const settled *s = start.first;
    while (s && strcmp(s->identity, identity) != 0)
        s = s->next;
    core_lock_release(&start.lock);
    return s != NULL;
}

void ekm_startup_set_done(const char *identity)
{
    if (ekm_startup_is_done(identity))
        return;
    size_t size = strlen(identity) + 1;
    settled *s = core_calloc(1, sizeof *s + size);
    if (!s)
        return;
    memcpy(s->identity, identity, size);
    core_lock_acquire(&start.lock);
    s->next = start.first;
    start.first = s;
    core_lock_release(&start.lock);
}

void ekm_startup_reset(void)
{
    core_lock_acquire(&start.lock);
    settled *s = start.first;
    start.first = NULL;
    core_lock_release(&start.lock);
    while (s) {
        settled *next = s->next;
        core_free(s);
        s = next;
    }
}
