/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rule of the plan does besides failing a call: to the session before it, and to what the
 * module has answered.
 */
#include <stdint.h>
#include "count_private.h"

void count_effect_before(const effects *e, const count_call *call)
{
    if (e->close && call->in_session)
        (void)count_real()->C_CloseSession(call->session);
    if (e->logout && call->in_session)
        (void)count_real()->C_Logout(call->session);
}

void count_effect_after(const effects *e, const count_call *call)
{
    if (e->twice && call->made_count && *call->made_count == 1) {
        call->made[1] = call->made[0];
        *call->made_count = 2;
    }
    if (e->length && call->length)
        *call->length = e->length;
    if (e->max_sessions && call->token_info)
        call->token_info->ulMaxSessionCount = e->max_sessions;
}

void count_slots_in(const count_call *call, unsigned long shift)
{
    /* It points to the wrapper's own parameter, which goes to the module next. */
    if (call->slot)
        *(CK_SLOT_ID *)(uintptr_t)call->slot -= shift;
}

void count_slots_out(const count_call *call, unsigned long shift)
{
    for (CK_ULONG i = 0; call->slots && i < *call->slot_count; i++)
        call->slots[i] += shift;
}
