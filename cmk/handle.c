/* SPDX-License-Identifier: Apache-2.0
 *
 * The handles of the C API (see handle.h). A program has few stores, so they are kept in a list.
 */
#include "cmk/handle.h"

#include "core/lock.h"
#include "core/memory.h"

/* Handles begin at FIRST, below which no page is mapped, and are multiples of 16, the alignment of
 * malloc: runtimes that inspect pointers (Go, Java) accept them. */
enum { FIRST = 0x10000, STEP = 16 };

typedef struct open_handle {
    uintptr_t number;
    cmk_store *store;
    struct open_handle *next;
} open_handle;

/* `lock` guards the members below. */
struct handle_list {
    core_lock lock;
    uintptr_t last; /* the last number assigned; numbers are not reused */
    open_handle *open;
};
static struct handle_list handles; /* for the next line to name its lock */
static struct handle_list handles CORE_GUARDED_BY(handles.lock) = {.lock = CORE_LOCK_INIT,
                                                                   .last = FIRST};

p11ekm_cmk *cmk_handle_new(cmk_store *store)
{
    open_handle *handle = core_calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;
    core_lock_acquire(&handles.lock);
    handles.last += STEP;
    *handle = (open_handle){handles.last, store, handles.open};
    handles.open = handle;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): it is never dereferenced */
    p11ekm_cmk *number = (p11ekm_cmk *)handles.last;
    core_lock_release(&handles.lock);
    return number;
}

static open_handle **find_locked(const p11ekm_cmk *handle) CORE_REQUIRES(handles.lock)
{
    open_handle **at = &handles.open;
    while (*at != NULL && (*at)->number != (uintptr_t)handle)
        at = &(*at)->next;
    return at;
}

cmk_store *cmk_handle_use(const p11ekm_cmk *handle)
{
    core_lock_acquire(&handles.lock);
    open_handle *found = *find_locked(handle);
    cmk_store *store = found == NULL ? NULL : cmk_store_ref(found->store);
    core_lock_release(&handles.lock);
    return store;
}

cmk_store *cmk_handle_close(const p11ekm_cmk *handle)
{
    core_lock_acquire(&handles.lock);
    open_handle **at = find_locked(handle), *found = *at;
    if (found != NULL)
        *at = found->next;
    core_lock_release(&handles.lock);
    cmk_store *store = found == NULL ? NULL : found->store;
    core_free(found);
    return store;
}
