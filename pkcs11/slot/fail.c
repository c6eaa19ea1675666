/* SPDX-License-Identifier: Apache-2.0
 *
 * Error text for a failed Cryptoki call: it names the token, the function and the CK_RV code.
 */
#include "pkcs11/slot/slot_private.h"

core_status tok_rv_fail(core_err *err, const tok_token *token, const char *function, CK_RV rv,
                        tok_call kind)
{
    core_status st = tok_rv_status(rv, kind);

    if (core_status_class(st) == CORE_CLASS_DATA)
        return core_fail(err, st, "%s; %s", core_status_text(st), core_status_next(st));
    const char *text = st == ST_AUTH_FAILED ? "the token refused the PIN" : core_status_text(st);
    return core_fail(err, st, "token \"%s\": %s (%s: %s 0x%lx); %s", token->info.label, text,
                     function, tok_rv_name(rv), (unsigned long)rv, core_status_next(st));
}
