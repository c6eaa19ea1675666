/* SPDX-License-Identifier: Apache-2.0
 *
 * The effects of a plan's rule other than failing a call: on the session before the call, and on
 * the module's results.
 */
#include <stdint.h>
#include <string.h>
#include "count_private.h"

void count_effect_before(const effects *e, const count_call *call)
{
    if (e->close && call->in_session)
        (void)count_real()->C_CloseSession(*call->session_in);
    if (e->logout && call->in_session)
        (void)count_real()->C_Logout(*call->session_in);
}

/* Ends the operation in the module, with data that make it succeed or fail. */
static void end_operation(const count_call *call)
{
    CK_BYTE out[4096];
    CK_ULONG length = sizeof out;
    const CK_FUNCTION_LIST *f = count_real();
    CK_RV(*const once[])
    (CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *) = {
        [OP_ENCRYPT] = f->C_Encrypt, [OP_DECRYPT] = f->C_Decrypt, [OP_SIGN] = f->C_Sign};

    if (call->op < sizeof once / sizeof once[0] && once[call->op])
        (void)once[call->op](*call->session_in, out, 0, out, &length);
}

void count_effect_after(const effects *e, const count_call *call)
{
    if (e->twice && call->made_count && *call->made_count == 1) {
        call->made[1] = call->made[0];
        *call->made_count = 2;
    }
    if (e->length && call->length)
        *call->length = e->length;
    if (e->less && call->length && call->out)
        *call->length -= *call->length < e->less ? *call->length : e->less;
    if (e->consume && call->sized && !call->out && call->verb == V_ONCE)
        end_operation(call);
    if (e->max_sessions && call->token_info)
        call->token_info->ulMaxSessionCount = e->max_sessions;
}

bool count_effect_hides(const effects *e, const count_call *call)
{
    bool hidden = false;

    for (CK_ULONG i = 0; e->hide && i < call->asked_count; i++) {
        if (call->asked[i].type != e->hide)
            continue;
        if (call->asked[i].pValue)
            memset(call->asked[i].pValue, 0, call->asked[i].ulValueLen);
        call->asked[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        hidden = true;
    }
    return hidden;
}

void count_slots_in(const count_call *call, unsigned long shift)
{
    /* This is the wrapper's own parameter, which is passed to the module next. */
    if (call->slot)
        *(CK_SLOT_ID *)(uintptr_t)call->slot = count_swap_in(*call->slot - shift);
}

void count_slots_out(const count_call *call, unsigned long shift)
{
    for (CK_ULONG i = 0; call->slots && i < *call->slot_count; i++)
        call->slots[i] += shift;
}
