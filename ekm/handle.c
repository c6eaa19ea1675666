/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of open sessions. A handle is 48 random bits over a 16-bit place in the table: a stale,
 * foreign or invented handle finds nothing, and never an address. The table holds one reference to
 * each session and each call in it another; whoever gives back the last one ends the session, so it
 * may be closed while another thread works in it.
 */
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "ekm/ekm_private.h"

struct handle_table {
    core_lock lock; /* guards what follows and the `refs` of all sessions */
    ekm_session **slots;
    size_t room;
    size_t next; /* where the search for a free place begins */
};
static struct handle_table table; /* for the next line to name its lock */
static struct handle_table table CORE_GUARDED_BY(table.lock) = {.lock = CORE_LOCK_INIT};

enum { FIRST_ROOM = 64, PLACE_BITS = 16 };

static bool grow_locked(void) CORE_REQUIRES(table.lock)
{
    size_t room = table.room ? 2 * table.room : FIRST_ROOM;
    if (room > EKM_MAX_SESSIONS)
        return false;
    ekm_session **slots = core_realloc(table.slots, room * sizeof(ekm_session *));
    if (!slots)
        return false;
    memset(slots + table.room, 0, (room - table.room) * sizeof(ekm_session *));
    table.next = table.room;
    table.slots = slots;
    table.room = room;
    return true;
}

static bool place_locked(size_t *place) CORE_REQUIRES(table.lock)
{
    for (size_t n = 0; n < table.room; n++) {
        *place = (table.next + n) % table.room;
        if (!table.slots[*place])
            return true;
    }
    if (!grow_locked())
        return false;
    *place = table.next;
    return true;
}

core_status ekm_handle_add(ekm_session *session, core_err *err)
{
    uint64_t tag = 0;
    while (tag >> PLACE_BITS == 0) {
        core_status st = core_random(&tag, sizeof tag);
        if (st != ST_OK)
            return core_fail(err, st, "no random bytes for a session handle");
    }
    size_t place = 0;
    core_lock_acquire(&table.lock);
    bool placed = place_locked(&place);
    const size_t room = table.room;
    if (placed) {
        session->handle = (tag >> PLACE_BITS << PLACE_BITS) | place;
        session->refs = 1;
        table.slots[place] = session;
        table.next = place + 1;
    }
    core_lock_release(&table.lock);
    if (!placed)
        return core_fail(err, ST_NO_MEMORY, "no room for another session beside %zu", room);
    return ST_OK;
}

/* The place of an open session's handle. */
static ekm_session **slot_locked(const SqlCpSession *handle) CORE_REQUIRES(table.lock)
{
    uint64_t value = (uintptr_t)*handle;
    size_t place = value & ((1U << PLACE_BITS) - 1);
    if (place >= table.room || !table.slots[place] || table.slots[place]->handle != value)
        return NULL;
    return &table.slots[place];
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

void ekm_handle_unref(ekm_session *session)
{
    core_lock_acquire(&table.lock);
    bool last = --session->refs == 0;
    core_lock_release(&table.lock);
    if (last)
        ekm_session_free(session);
}

/* Called with no other call inside the provider. */
void ekm_handle_clear(void)
{
    core_lock_acquire(&table.lock);
    ekm_session **slots = table.slots;
    size_t room = table.room;
    table.slots = NULL;
    table.room = 0;
    table.next = 0;
    core_lock_release(&table.lock);
    for (size_t n = 0; n < room; n++) {
        if (slots[n])
            ekm_handle_unref(slots[n]);
    }
    core_free(slots);
}
