/* SPDX-License-Identifier: Apache-2.0
 *
 * Stale sessions: discarded by us, but possibly still open in the module. We do not finalize a
 * module that another component initialized, so it keeps the sessions that we had before an outage;
 * they hold the login and use up the token's session limit. Their handles are kept until the token
 * answers. They are closed only if the token knows all of them in its slot: a token that lost one
 * session lost all, and may have reassigned their handles to another component.
 */
#include "pkcs11/session/key_private.h"

void tok_stale_add_locked(tok_token *token, CK_SESSION_HANDLE handle)
{
    enum { STEP = 16, STALE_MAX = 4096 };

    if (token->stale_count % STEP == 0) {
        const size_t capacity = token->stale_count + STEP;
        CK_SESSION_HANDLE *more =
            capacity <= STALE_MAX ? core_realloc(token->stale, capacity * sizeof *more) : NULL;
        if (more == NULL)
            return; /* the session stays open, which has no other consequence */
        token->stale = more;
    }
    token->stale[token->stale_count++] = handle;
}

void tok_stale_add(tok_token *token, CK_SESSION_HANDLE handle)
{
    core_mutex_lock(&token->lock);
    tok_stale_add_locked(token, handle);
    core_mutex_unlock(&token->lock);
}

/* Takes the whole list. The caller frees it with core_free. */
static CK_SESSION_HANDLE *take_all(tok_token *token, size_t *count)
{
    core_mutex_lock(&token->lock);
    CK_SESSION_HANDLE *handles = token->stale;
    *count = token->stale_count;
    token->stale = NULL;
    token->stale_count = 0;
    core_mutex_unlock(&token->lock);
    return handles;
}

void tok_stale_forget(tok_token *token)
{
    size_t count = 0;
    core_free(take_all(token, &count));
}

void tok_session_end(tok_token *token, CK_SESSION_HANDLE handle)
{
    tok_check_inside();
    const CK_RV rv = token->ctx->library.f->C_CloseSession(handle);

    if (core_status_class(tok_rv_status(rv, TOK_CALL_OTHER)) == CORE_CLASS_DEVICE &&
        rv != CKR_CRYPTOKI_NOT_INITIALIZED)
        tok_stale_add(token, handle);
}

/* True if the token knows all sessions in its slot. *unavailable: the device does not answer, so
 * the handles are kept for a later attempt. */
static bool all_known(tok_token *token, const CK_SESSION_HANDLE *handles, size_t count,
                      bool *unavailable)
{
    for (size_t i = 0; i < count; i++) {
        CK_SESSION_INFO info;
        const CK_RV rv = token->ctx->library.f->C_GetSessionInfo(handles[i], &info);
        *unavailable = core_status_class(tok_rv_status(rv, TOK_CALL_OTHER)) == CORE_CLASS_DEVICE &&
                       rv != CKR_CRYPTOKI_NOT_INITIALIZED;
        if (rv != CKR_OK || info.slotID != atomic_load(&token->slot))
            return false;
    }
    return true;
}

void tok_stale_close(tok_token *token)
{
    tok_check_inside();
    bool unavailable = false;
    size_t count = 0;
    CK_SESSION_HANDLE *handles = take_all(token, &count);
    const bool ours = all_known(token, handles, count, &unavailable);

    for (size_t i = 0; i < count && (ours || unavailable); i++) {
        if (ours)
            tok_session_end(token, handles[i]);
        else
            tok_stale_add(token, handles[i]);
    }
    core_free(handles);
}
