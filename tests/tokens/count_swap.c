/* SPDX-License-Identifier: Apache-2.0
 *
 * Replaces the token in a slot by another one, which is hidden until then; P11COUNT_OTHER is its
 * label. The sessions are lost, as when one card is pulled and another inserted.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "count_private.h"

enum { SLOTS = 64 };

static struct {
    pthread_mutex_t lock;
    bool other, known;
    CK_SLOT_ID first, second;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *other_label(void)
{
    return getenv("P11COUNT_OTHER");
}

static bool bears(const CK_TOKEN_INFO *info, const char *label)
{
    char padded[sizeof info->label];
    size_t length = strlen(label);

    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, length < sizeof padded ? length : sizeof padded);
    return memcmp(padded, info->label, sizeof padded) == 0;
}

/* Lists the slots of the module and remembers the two that are exchanged. */
static CK_RV probe_locked(CK_SLOT_ID slots[SLOTS], CK_ULONG *count)
{
    bool first = false, second = false;
    *count = SLOTS;
    CK_RV rv = count_real()->C_GetSlotList(CK_TRUE, slots, count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < *count; i++) {
        CK_TOKEN_INFO info;

        if (count_real()->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            !(info.flags & CKF_TOKEN_INITIALIZED))
            continue;
        if (bears(&info, other_label())) {
            state.second = slots[i];
            second = true;
        } else if (!first) {
            state.first = slots[i];
            first = true;
        }
    }
    state.known = rv == CKR_OK && first && second;
    return rv;
}

void count_swap_set(bool other)
{
    CK_SLOT_ID slots[SLOTS];
    CK_ULONG count;

    if (!other_label())
        return;
    (void)pthread_mutex_lock(&state.lock);
    if (state.other != other && probe_locked(slots, &count) == CKR_OK && state.known) {
        state.other = other;
        (void)count_real()->C_CloseAllSessions(other ? state.first : state.second);
    }
    (void)pthread_mutex_unlock(&state.lock);
}

CK_SLOT_ID count_swap_in(CK_SLOT_ID slot)
{
    (void)pthread_mutex_lock(&state.lock);
    if (state.other && state.known && slot == state.first)
        slot = state.second;
    (void)pthread_mutex_unlock(&state.lock);
    return slot;
}

bool count_swap_list(const count_call *call, CK_RV *rv)
{
    CK_SLOT_ID slots[SLOTS];
    CK_ULONG count = 0, shown = 0, room;

    if (!call->slot_count || !other_label())
        return false;
    room = *call->slot_count;
    (void)pthread_mutex_lock(&state.lock);
    *rv = probe_locked(slots, &count);
    for (CK_ULONG i = 0; *rv == CKR_OK && i < count; i++) {
        if (state.known && slots[i] == state.second)
            continue;
        if (call->slots && shown < room)
            call->slots[shown] = slots[i] + call->shift;
        shown++;
    }
    (void)pthread_mutex_unlock(&state.lock);
    if (*rv == CKR_OK && call->slots && shown > room)
        *rv = CKR_BUFFER_TOO_SMALL;
    *call->slot_count = shown;
    return true;
}
