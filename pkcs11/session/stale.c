/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of ours that are of no use but may still be open. A module that another component
 * initialised is not finalised by us, so it keeps the sessions we had before an outage; they hold
 * the login, and fill the token's table. Their handles are kept until the token answers, and closed
 * if it says that they are still ours: a token that dropped one dropped all, and gives their
 * numbers to others.
 */
#include "pkcs11/session/key_private.h"

void tok_stale_add_locked(tok_token *token, CK_SESSION_HANDLE handle)
{
    enum { ROOM = 16, STALE_MAX = 4096 };

    if (token->stale_count % ROOM == 0) {
        const size_t room = token->stale_count + ROOM;
        CK_SESSION_HANDLE *more =
            room <= STALE_MAX ? core_realloc(token->stale, room * sizeof *more) : NULL;
        if (more == NULL)
            return; /* it stays open, no more */
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

static CK_SESSION_HANDLE *take(tok_token *token, size_t *count)
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
    core_free(take(token, &count));
}

void tok_session_end(tok_token *token, CK_SESSION_HANDLE handle)
{
    tok_check_inside();
    const CK_RV rv = token->ctx->library.f->C_CloseSession(handle);

    if (core_status_class(tok_rv_status(rv, TOK_CALL_OTHER)) == CORE_CLASS_DEVICE &&
        rv != CKR_CRYPTOKI_NOT_INITIALIZED)
        tok_stale_add(token, handle);
}

/* Whether the token knows all of them, in its slot. *later: it does not answer. */
static bool all_known(tok_token *token, const CK_SESSION_HANDLE *handles, size_t count, bool *later)
{
    for (size_t i = 0; i < count; i++) {
        CK_SESSION_INFO info;
        const CK_RV rv = token->ctx->library.f->C_GetSessionInfo(handles[i], &info);
        *later = core_status_class(tok_rv_status(rv, TOK_CALL_OTHER)) == CORE_CLASS_DEVICE &&
                 rv != CKR_CRYPTOKI_NOT_INITIALIZED;
        if (rv != CKR_OK || info.slotID != atomic_load(&token->slot))
            return false;
    }
    return true;
}

void tok_stale_close(tok_token *token)
{
    tok_check_inside();
    bool later = false;
    size_t count = 0;
    CK_SESSION_HANDLE *handles = take(token, &count);
    const bool ours = all_known(token, handles, count, &later);

    for (size_t i = 0; i < count && (ours || later); i++) {
        if (ours)
            tok_session_end(token, handles[i]);
        else
            tok_stale_add(token, handles[i]);
    }
    core_free(handles);
}
