/* SPDX-License-Identifier: Apache-2.0
 *
 * The common part of every call of the key store: checks of algorithm and path, the key, one log
 * line on failure, one audit record.
 */
#include "cmk/store_private.h"

#include "core/platform.h"
#include "core/text.h"

core_status cmk_call_begin(cmk_call *call, cmk_store *store, const char *operation,
                           core_audit_kind kind, const char *path, core_err *err)
{
    *call = (cmk_call){.store = store, .operation = operation, .kind = kind, .path = path};
    call->err = err != NULL ? err : &call->local_err;
    *call->err = (core_err){0};
    if (core_audit_wanted(store->config, kind))
        call->since_us = core_now_us();
    if (path == NULL || path[0] == '\0') {
        call->path = NULL;
        return core_fail(call->err, ST_INVALID_ARGUMENT,
                         "key path: it is empty; check KEY_PATH of the column master key");
    }
    if (!cmk_path_trusted(store->config->trusted_paths, path))
        return core_fail(
            call->err, ST_UNTRUSTED_PATH,
            "key path \"%.200s\": it matches no pattern of trusted_paths; add it to the "
            "configuration if it is yours",
            path);
    return ST_OK;
}

core_status cmk_call_algorithm(cmk_call *call, const char *algorithm)
{
    static const char *const names[] = {CMK_ALGORITHM, "RSA-OAEP"};
    for (size_t i = 0; algorithm != NULL && i < sizeof names / sizeof names[0]; i++)
        if (core_ascii_equal_nocase(algorithm, names[i]))
            return ST_OK;
    return core_fail(
        call->err, ST_INVALID_ARGUMENT,
        "encryption algorithm \"%.64s\": this provider supports RSA_OAEP only; correct "
        "ALGORITHM of the column encryption key",
        algorithm == NULL ? "" : algorithm);
}

core_status cmk_call_key(cmk_call *call, bool *fresh)
{
    return cmk_bind(call->store, call->path, &call->key, fresh, call->err);
}

core_status cmk_call_key_fresh(cmk_call *call)
{
    return cmk_bind_fresh(call->store, call->path, &call->key, call->err);
}

static core_status audit(const cmk_call *call, core_status st)
{
    core_audit_record record = {.config = call->store->config,
                                .kind = call->kind,
                                .operation = call->operation,
                                .identity = call->store->token_name,
                                .member = call->err->served_by,
                                .key = call->path,
                                .result = st};
    if (!core_audit_wanted(call->store->config, call->kind))
        return ST_OK;
    if (call->key != NULL) {
        const tok_key_info *info = tok_key_info_of(call->key);
        record.token = tok_token_info_of(tok_key_token(call->key))->label;
        record.key = info->name;
        record.thumb = info->thumb;
    }
    record.microseconds = core_now_us() - call->since_us;
    return core_audit_write(&record);
}

core_status cmk_call_end(cmk_call *call, core_status st)
{
    core_status recorded = ST_OK;
    if (st != ST_BUFFER_TOO_SMALL) { /* a size query is neither logged nor audited */
        if (st != ST_OK)
            core_log_status(CORE_LOG_WARNING, call->operation, st, call->err);
        recorded = audit(call, st);
    }
    if (recorded != ST_OK && st == ST_OK) {
        st = core_fail(call->err, recorded, "%s; %s", core_status_text(recorded),
                       core_status_next(recorded));
        core_log_status(CORE_LOG_ERROR, call->operation, st, call->err);
    }
    if (call->key != NULL) {
        tok_key_release(call->key);
        if (st == ST_HANDLE_LOST || st == ST_NOT_FOUND)
            cmk_unbind(call->store, call->path);
    }
    call->key = NULL;
    return st;
}
