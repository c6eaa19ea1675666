/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of data operations. A CK_RV that can mean either bad data or a broken device counts as bad
 * data as long as the device answers C_GetSessionInfo and C_GetTokenInfo.
 */
#include "pkcs11/session/key_private.h"

bool tok_device_answers(tok_session *session)
{
    tok_check_inside();
    CK_TOKEN_INFO token;
    CK_SESSION_INFO info;
    CK_RV rv = tok_token_info_get(session->token->ctx, session->token->slot, &token);

    if (rv == CKR_OK)
        rv = session->f->C_GetSessionInfo(session->handle, &info);
    return rv == CKR_OK || rv == CKR_FUNCTION_NOT_SUPPORTED;
}

bool tok_access_is_lost(tok_session *session, core_status st)
{
    return tok_status_is_access_lost(st) &&
           (core_status_class(st) != CORE_CLASS_DEVICE || !tok_device_answers(session));
}

/* Calls C_GetSessionInfo and C_GetTokenInfo. Returns the status of a failed device, session or
 * login, else ST_OK. */
static core_status check_device(const tok_session *session)
{
    CK_TOKEN_INFO token;
    CK_SESSION_INFO info;

    CK_RV rv = session->f->C_GetSessionInfo(session->handle, &info);
    if (rv == CKR_OK)
        rv = tok_token_info_get(session->token->ctx, session->token->slot, &token);
    const core_status st = tok_rv_status(rv, TOK_CALL_OTHER);
    return tok_status_is_access_lost(st) ? st : ST_OK;
}

core_status tok_rv_data_fail(core_err *err, const tok_session *session, const char *function,
                             CK_RV rv)
{
    const bool in_doubt = tok_rv_status(rv, TOK_CALL_DATA) == ST_DECRYPT_FAILED &&
                          tok_rv_status(rv, TOK_CALL_OTHER) == ST_DEVICE;
    const core_status st = in_doubt ? check_device(session) : ST_OK;

    if (st == ST_OK)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_DATA);
    return core_fail(err, st, "token \"%s\": %s (%s: %s 0x%lx); %s", session->token->info.label,
                     core_status_text(st), function, tok_rv_name(rv), (unsigned long)rv,
                     core_status_next(st));
}

core_status tok_rv_input_fail(core_err *err, const tok_session *session, const char *function,
                              CK_RV rv)
{
    if (tok_rv_name(rv)[0] != '\0' || check_device(session) != ST_OK)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_OTHER);
    return core_fail(err, ST_FAILURE,
                     "token \"%s\" refused the data (%s: 0x%lx, a code of its vendor); see the "
                     "vendor's manual on that code",
                     session->token->info.label, function, (unsigned long)rv);
}
