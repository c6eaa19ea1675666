/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of open sessions. A handle is 48 random bits and a 16-bit index into the table, so a
 * stale or forged handle matches no session and is never used as an address. The table holds one
 * reference to each session, and each running call holds another. The last reference frees the
 * session, so a session may be closed while another thread uses it.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "ekm/ekm_private.h"

struct handle_table {
    core_lock lock; /* guards the members below */
    ekm_session **slots;
    size_t capacity;
    size_t next; /* where the search for a free slot begins */
};
static struct handle_table table; /* for the next line to name its lock */
static struct handle_table table CORE_GUARDED_BY(table.lock) = {.lock = CORE_LOCK_INIT};

enum { FIRST_CAPACITY = 64, INDEX_BITS = 16 };

static bool grow_locked(void) CORE_REQUIRES(table.lock)
{
    size_t capacity = table.capacity ? 2 * table.capacity : FIRST_CAPACITY;
    if (capacity > EKM_MAX_SESSIONS)
        return false;
    ekm_session **slots = core_realloc(table.slots, capacity * sizeof(ekm_session *));
    if (!slots)
        return false;
    memset(slots + table.capacity, 0, (capacity - table.capacity) * sizeof(ekm_session *));
    table.next = table.capacity;
    table.slots = slots;
    table.capacity = capacity;
    return true;
}

static bool find_free_slot_locked(size_t *slot_index) CORE_REQUIRES(table.lock)
{
    for (size_t n = 0; n < table.capacity; n++) {
        *slot_index = (table.next + n) % table.capacity;
        if (!table.slots[*slot_index])
            return true;
    }
    if (!grow_locked())
        return false;
    *slot_index = table.next;
    return true;
}

core_status ekm_handle_add(ekm_session *session, core_err *err)
{
    uint64_t tag = 0;
    while (tag >> INDEX_BITS == 0) {
        core_status st = core_random(&tag, sizeof tag);
        if (st != ST_OK)
            return core_fail(err, st, "no random bytes for a session handle");
    }
    size_t slot_index = 0;
    core_lock_acquire(&table.lock);
    bool added = find_free_slot_locked(&slot_index);
    const size_t capacity = table.capacity;
    if (added) {
        session->handle = (tag >> INDEX_BITS << INDEX_BITS) | slot_index;
        session->refs = 1;
        table.slots[slot_index] = session;
        table.next = slot_index + 1;
    }
    core_lock_release(&table.lock);
    if (!added)
        return core_fail(err, ST_NO_MEMORY, "%zu sessions are open, and no more can be", capacity);
    return ST_OK;
}

/* The slot of an open session; NULL: no open session has this handle. */
static ekm_session **slot_locked(const SqlCpSession *handle) CORE_REQUIRES(table.lock)
{
    uint64_t value = (uintptr_t)*handle;
    size_t slot_index = value & ((1U << INDEX_BITS) - 1);
    if (slot_index >= table.capacity || !table.slots[slot_index] ||
        table.slots[slot_index]->handle != value)
        return NULL;
    return &table.slots[slot_index];
}

ekm_session *ekm_handle_ref(const SqlCpSession *handle)
{
    core_lock_acquire(&table.lock);
    ekm_session **slot = slot_locked(handle);
    ekm_session *session = slot ? *slot : NULL;
    if (session)
        session->refs++;
    core_lock_release(&table.lock);
    return session;
}

ekm_session *ekm_handle_take(const SqlCpSession *handle)
{
    core_lock_acquire(&table.lock);
    ekm_session **slot = slot_locked(handle);
    ekm_session *session = slot ? *slot : NULL;
    if (slot)
        *slot = NULL;
    core_lock_release(&table.lock);
    return session;
}

/* Needs no lock: while a session is in the table, the table's reference keeps the count above 0,
 * and only a session in the table gets another one. */
void ekm_handle_unref(ekm_session *session)
{
    if (atomic_fetch_sub(&session->refs, 1) == 1)
        ekm_session_free(session);
}

/* Closes all sessions. Call it while no call is inside the provider. */
void ekm_handle_clear(void)
{
    core_lock_acquire(&table.lock);
    ekm_session **slots = table.slots;
    size_t capacity = table.capacity;
    table.slots = NULL;
    table.capacity = 0;
    table.next = 0;
    core_lock_release(&table.lock);
    for (size_t n = 0; n < capacity; n++) {
        if (slots[n])
            ekm_handle_unref(slots[n]);
    }
    core_free(slots);
}
