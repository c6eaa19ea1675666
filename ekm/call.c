/* SPDX-License-Identifier: Apache-2.0
 *
 * Begins and ends every exported function. Only this file turns a core_status into the code that
 * SQL Server receives (the code column of CORE_STATUS_LIST), a log line and an audit record.
 */
#include "core/memory.h"
#include "core/platform.h"
#include "ekm/ekm_private.h"

static core_audit_kind audit_kind(ekm_record record)
{
    static const core_audit_kind kinds[] = {
        [EKM_UNRECORDED] = CORE_AUDIT_DATA,
        [EKM_RECORD_SESSION] = CORE_AUDIT_SESSION,
        [EKM_RECORD_KEY] = CORE_AUDIT_KEY,
        [EKM_RECORD_DATA] = CORE_AUDIT_DATA,
    };
    return kinds[record];
}

/* Sets each field separately. Of the large text buffers only the first byte is set, because every
 * call runs through here. */
void ekm_begin(ekm_call *call, const char *operation, ekm_record record)
{
    call->operation = operation;
    call->record = record;
    call->recorded = false;
    call->entered = false;
    call->started = 0;
    call->context = NULL;
    call->config = NULL;
    call->session = NULL;
    call->key = NULL;
    call->identity = NULL;
    call->thumb = NULL;
    call->name[0] = '\0';
    call->err.status = ST_OK;
    call->err.text[0] = '\0';
    call->err.passed_over = false;
    call->err.served_by = NULL;
}

core_status ekm_enter(ekm_call *call)
{
    core_status st = ekm_provider_enter(&call->context, &call->err);
    if (st != ST_OK)
        return st;
    call->entered = true;
    call->config = tok_context_config(call->context);
    if (call->record != EKM_UNRECORDED && core_audit_wanted(call->config, audit_kind(call->record)))
        call->started = core_now_us();
    return ST_OK;
}

core_status ekm_enter_session(ekm_call *call, const SqlCpSession *session)
{
    core_status st = ekm_enter(call);
    if (st != ST_OK)
        return st;
    if (!session)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "session is NULL");
    call->session = ekm_handle_ref(session);
    if (!call->session)
        return core_fail(&call->err, ST_AUTH_FAILED, "no open session has this handle");
    return ST_OK;
}

/* A call without an open session has no identity to record. It appears in the log only. */
static bool is_recorded(const ekm_call *call)
{
    return call->started && !call->recorded && (call->session || call->identity);
}

static core_audit_record record_of(const ekm_call *call, core_status st)
{
    const tok_key_info *key = call->key ? tok_key_info_of(call->key) : NULL;
    return (core_audit_record){
        .config = call->config,
        .kind = audit_kind(call->record),
        .operation = call->operation,
        .identity = call->session ? call->session->identity : call->identity,
        .token = call->session ? tok_token_info_of(call->session->token)->label : NULL,
        .member = call->err.served_by,
        .key = key             ? key->name
               : call->name[0] ? call->name
                               : NULL,
        .thumb = key ? key->thumb : call->thumb,
        .result = st,
        .microseconds = core_now_us() - call->started,
    };
}

core_status ekm_audit_begin(ekm_call *call)
{
    if (!is_recorded(call))
        return ST_OK;
    const core_audit_record record = record_of(call, ST_OK);
    return core_audit_begin(&record, &call->err);
}

core_status ekm_audit(ekm_call *call, core_status st)
{
    if (!is_recorded(call))
        return ST_OK;
    const core_audit_record record = record_of(call, st);
    call->recorded = true;
    return core_audit_write(&record);
}

/* Expected outcomes are logged at debug level only: size queries, the end of an enumeration, lookup
 * of an unused name, and calls while a token is unavailable (the token layer logs when it is lost
 * and when it returns). A key that exists but is ignored by policy is a warning. */
static core_level log_level(core_status st, const core_err *err)
{
    if (st == ST_NOT_FOUND && err->passed_over)
        return CORE_LOG_WARNING;
    if (st == ST_BUFFER_TOO_SMALL || st == ST_NOT_FOUND || st == ST_DEVICE_BACKOFF)
        return CORE_LOG_DEBUG;
    core_class cls = core_status_class(st);
    bool by_caller = cls == CORE_CLASS_USAGE || cls == CORE_CLASS_DATA || cls == CORE_CLASS_PIN;
    return by_caller ? CORE_LOG_WARNING : CORE_LOG_ERROR;
}

/* Limits repeated lines. While a token is unavailable, or a client sends invalid data, every call
 * fails with the same status: log the first failure, then at most one line every ten seconds with
 * the number of calls not logged since. */
static bool should_log_now(core_status st, unsigned *suppressed)
{
    enum { INTERVAL_US = 10000000 };
    static struct {
        core_lock lock; /* guards the members below */
        uint64_t next_us[ST_COUNT_];
        unsigned suppressed[ST_COUNT_];
    } limiter = {.lock = CORE_LOCK_INIT};
    core_class cls = core_status_class(st);

    *suppressed = 0;
    if ((cls != CORE_CLASS_DEVICE && cls != CORE_CLASS_DATA) || st >= ST_COUNT_)
        return true;
    core_lock_acquire(&limiter.lock);
    uint64_t now = core_now_us();
    bool due = now >= limiter.next_us[st];
    if (due) {
        *suppressed = limiter.suppressed[st];
        limiter.suppressed[st] = 0;
        limiter.next_us[st] = now + INTERVAL_US;
    } else {
        limiter.suppressed[st]++;
    }
    core_lock_release(&limiter.lock);
    return due;
}

static void log_result(const ekm_call *call, core_status st)
{
    unsigned suppressed = 0;
    core_level level = log_level(st, &call->err);

    if (st == ST_OK || !core_log_enabled(level) || !should_log_now(st, &suppressed))
        return;
    core_log_status(level, call->operation, st, &call->err);
    if (suppressed > 0)
        core_log(level, "%u more calls failed with %s since the previous line", suppressed,
                 core_status_name(st));
}

SqlCpError ekm_result(ekm_call *call, core_status st)
{
    if (st != ST_BUFFER_TOO_SMALL) {
        core_status recorded = ekm_audit(call, st);
        st = st == ST_OK ? recorded : st;
    }
    log_result(call, st);
    if (call->key)
        tok_key_release(call->key);
    if (call->session)
        ekm_handle_unref(call->session);
    core_free(call->identity);
    if (call->entered)
        ekm_provider_leave();
    return core_status_code(st);
}
