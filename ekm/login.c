/* SPDX-License-Identifier: Apache-2.0
 *
 * SqlCryptOpenSession: IDENTITY of the credential selects the token, SECRET is its PIN. The PIN is
 * kept in locked memory during the call and wiped at its end.
 *
 * When a machine boots, SQL Server often starts before the client service of the HSM, and a TDE
 * database that cannot be opened then stays RECOVERY_PENDING. The first sessions of an identity
 * therefore try startup_tries times, startup_interval_seconds apart, until one login succeeds or
 * one wait has ended without success. After that, an unavailable token is reported at once.
 */
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"
#include "ekm/ekm_private.h"

/* True if the failure may disappear when the token becomes available. A name that neither the
 * configuration nor any present token has is more likely a typing error, and no session should wait
 * minutes for it. */
static bool may_recover(const ekm_call *call, core_status st)
{
    if (st != ST_TOKEN_NOT_FOUND)
        return core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
    if (core_config_token(call->config, call->identity))
        return true;
    tok_token_info *seen = NULL;
    size_t count = 0;
    bool none = tok_token_list(call->context, &seen, &count, NULL) != ST_OK || count == 0;
    core_free(seen);
    return none;
}

/* Sleeps in short steps, so that SqlCryptFreeProvider need not wait. False: it has been called. */
static bool sleep_seconds(unsigned seconds)
{
    enum { STEPS = 10, STEP_MS = 1000 / STEPS };
    for (uint64_t n = 0; n < (uint64_t)seconds * STEPS; n++) {
        if (ekm_provider_closing())
            return false;
        core_sleep_ms(STEP_MS);
    }
    return !ekm_provider_closing();
}

static core_status try_login(ekm_call *call, const core_secret *pin, tok_token **out)
{
    *out = NULL;
    call->err.text[0] = '\0';
    core_status st = tok_token_find(call->context, call->identity, out, &call->err);
    if (st != ST_OK)
        return st;
    st = tok_token_login(*out, (const char *)pin->data, pin->length, &call->err);
    if (st != ST_OK) {
        tok_token_release(*out);
        *out = NULL;
    }
    return st;
}

static core_status login_or_wait(ekm_call *call, const core_secret *pin, tok_token **out)
{
    const core_config *config = call->config;
    core_status st = try_login(call, pin, out);
    bool waits = st != ST_OK && !ekm_startup_is_done(call->identity) && may_recover(call, st);
    if (waits)
        core_log(CORE_LOG_WARNING,
                 "token \"%s\" is not available yet: %s; trying %u times, every %u s",
                 call->identity, core_err_text(&call->err, st), config->startup_tries,
                 config->startup_interval_seconds);
    for (unsigned n = 1; waits && n < config->startup_tries; n++) {
        if (!sleep_seconds(config->startup_interval_seconds))
            return st;
        st = try_login(call, pin, out);
        waits = st != ST_OK && may_recover(call, st);
    }
    if (st == ST_OK || waits)
        ekm_startup_set_done(call->identity);
    return st;
}

/* The size in bytes of the UTF-8 form, with its NUL, of `cb` bytes of UTF-16: an upper bound. */
static size_t utf8_size_max(size_t cb)
{
    return cb / 2 * 3 + 1;
}

static core_status take_identity(ekm_call *call, const SqlCpStr *name)
{
    core_status st = ekm_check_text(name, EKM_MAX_IDENTITY, "IDENTITY", &call->err);
    if (st != ST_OK)
        return st;
    if (name->cb == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT,
                         "IDENTITY is empty; name a token by alias, PKCS#11 URI or label");
    call->identity = core_calloc(1, utf8_size_max(name->cb));
    if (!call->identity)
        return core_fail(&call->err, ST_NO_MEMORY, "no memory for the IDENTITY");
    st = core_utf16_to_utf8(name->ws, name->cb, call->identity, utf8_size_max(name->cb));
    return st == ST_OK ? ST_OK : core_fail(&call->err, st, "IDENTITY is not valid UTF-16");
}

/* A SECRET that is not valid UTF-16 cannot be the PIN: report an authentication failure. */
static core_status take_secret(ekm_call *call, const SqlCpStr *password, core_secret *pin)
{
    core_status st = ekm_check_text(password, EKM_MAX_SECRET, "SECRET", &call->err);
    if (st != ST_OK || password->cb == 0)
        return st;
    st = core_secret_open(pin, utf8_size_max(password->cb));
    if (st != ST_OK)
        return core_fail(&call->err, st, "no locked memory for the SECRET");
    st = core_utf16_to_utf8(password->ws, password->cb, (char *)pin->data, pin->capacity);
    if (st != ST_OK)
        return core_fail(&call->err, ST_AUTH_FAILED, "SECRET is not valid UTF-16");
    pin->length = strlen((const char *)pin->data);
    return ST_OK;
}

/* Creates the session after a login. Takes over the login and the reference, also on failure. */
static core_status begin_session(ekm_call *call, tok_token *token, SqlCpSession *out)
{
    ekm_session *session;
    core_status st = ekm_session_new(token, call->identity, &session);
    if (st != ST_OK) {
        tok_token_logout(token);
        tok_token_release(token);
        return core_fail(&call->err, st, "no memory for the session");
    }
    st = ekm_audit(call, ST_OK);
    if (st == ST_OK)
        st = ekm_handle_add(session, &call->err);
    if (st == ST_OK)
        *out = (SqlCpSession)(uintptr_t)session->handle; // NOLINT(performance-no-int-to-ptr)
    else
        ekm_session_free(session);
    return st;
}

core_status ekm_login(ekm_call *call, const SqlCpCredential *credential, SqlCpSession *out)
{
    if (!out)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "session is NULL");
    *out = NULL;
    if (!credential)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "credential is NULL");
    core_secret pin = {0};
    tok_token *token = NULL;
    core_status st = take_identity(call, &credential->name);
    if (st == ST_OK)
        st = take_secret(call, &credential->password, &pin);
    if (st == ST_OK)
        st = login_or_wait(call, &pin, &token);
    core_secret_close(&pin);
    if (st == ST_OK)
        st = begin_session(call, token, out);
    return st;
}
