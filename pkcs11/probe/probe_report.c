/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores the result of the test that runs, and notes the objects that it created.
 */
#include <stdio.h>
#include "pkcs11/probe/probe_private.h"

static void set_result(probe *p, tok_probe_state state, const char *detail)
{
    p->item->state = state;
    (void)snprintf(p->item->detail, sizeof p->item->detail, "%s", detail);
}

void probe_yes(probe *p, const char *detail)
{
    set_result(p, TOK_PROBE_YES, detail);
}

void probe_wrong(probe *p, const char *detail)
{
    set_result(p, TOK_PROBE_WRONG, detail);
}

void probe_no(probe *p, const char *detail)
{
    set_result(p, TOK_PROBE_NO, detail);
}

void probe_refused(probe *p, CK_RV rv)
{
    char code[24];

    (void)snprintf(code, sizeof code, "0x%lx", (unsigned long)rv);
    set_result(p, TOK_PROBE_NO, *tok_rv_name(rv) ? tok_rv_name(rv) : code);
}

void probe_made(probe *p, CK_OBJECT_HANDLE object)
{
    if (object != 0 && p->made_count < PROBE_MADE_MAX)
        p->made[p->made_count++] = object;
}
