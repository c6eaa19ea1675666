/* SPDX-License-Identifier: Apache-2.0
 *
 * The identities for which the wait for a token at startup has ended (see login.c). The list is
 * emptied when the provider is freed.
 */
#include <string.h>
#include "core/memory.h"
#include "ekm/ekm_private.h"

typedef struct startup_done {
    struct startup_done *next;
    char identity[];
} startup_done;

struct startup_list {
    core_lock lock; /* guards `first` */
    startup_done *first;
};
static struct startup_list start; /* for the next line to name its lock */
static struct startup_list start CORE_GUARDED_BY(start.lock) = {.lock = CORE_LOCK_INIT};

bool ekm_startup_is_done(const char *identity)
{
    core_lock_acquire(&start.lock);
    const startup_done *entry = start.first;
    while (entry && strcmp(entry->identity, identity) != 0)
        entry = entry->next;
    core_lock_release(&start.lock);
    return entry != NULL;
}

void ekm_startup_set_done(const char *identity)
{
    if (ekm_startup_is_done(identity))
        return;
    size_t size = strlen(identity) + 1;
    startup_done *entry = core_calloc(1, sizeof *entry + size);
    if (!entry)
        return;
    memcpy(entry->identity, identity, size);
    core_lock_acquire(&start.lock);
    entry->next = start.first;
    start.first = entry;
    core_lock_release(&start.lock);
}

void ekm_startup_reset(void)
{
    core_lock_acquire(&start.lock);
    startup_done *entry = start.first;
    start.first = NULL;
    core_lock_release(&start.lock);
    while (entry) {
        startup_done *next = entry->next;
        core_free(entry);
        entry = next;
    }
}
