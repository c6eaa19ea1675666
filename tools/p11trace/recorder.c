/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds the lines of p11trace and appends them to the file. See recorder.h.
 */
#include <stdatomic.h>
#include <string.h>
#include "core/lock.h"
#include "core/log.h"
#include "core/platform.h"
#include "tools/p11trace/recorder.h"
#include "tools/p11trace/thread.h"

/* A process records at most 64 MiB, about 150,000 calls, so as not to fill the disk of the
 * server. */
enum { LINE_LIMIT = 4096, FILE_LIMIT = 64 * 1024 * 1024, MOST_PARAMS = 8, SESSION_MASK = 0xffff };

static struct {
    core_lock lock; /* guards the fields below, except the atomic counters */
    FILE *file;
    bool refused; /* opening failed, or the file is full: no further attempt */
    size_t written;
    _Atomic uint64_t calls;
    _Atomic unsigned inside; /* calls between trace_start and trace_stop */
} recorder = {.lock = CORE_LOCK_INIT};

static void default_path(core_str *path)
{
    const char *config = core_default_config_path();
    size_t folder = strlen(config);

    while (folder > 0 && config[folder - 1] != '/' && config[folder - 1] != '\\')
        folder--;
    core_str_addn(path, config, folder);
    core_str_addf(path, "log/p11trace-%u.jsonl", core_process_id());
}

static void open_locked(void)
{
    core_str path = {.limit = LINE_LIMIT};
    core_err err;
    const char *given = core_env("P11TRACE_FILE");

    if (recorder.file || recorder.refused)
        return;
    if (given)
        core_str_add(&path, given);
    else
        default_path(&path);
    recorder.file = core_file_append(core_str_get(&path), &err);
    if (!recorder.file) {
        recorder.refused = true;
        core_log(CORE_LOG_WARNING, "p11trace records nothing: %s: %s", core_str_get(&path),
                 err.text);
    }
    core_str_free(&path);
}

static void write_line(const core_str *line)
{
    static const char full[] = "{\"full\":true}\n";

    core_lock_acquire(&recorder.lock);
    open_locked();
    if (recorder.file && recorder.written + line->length <= FILE_LIMIT) {
        (void)fwrite(line->text, 1, line->length, recorder.file);
        recorder.written += line->length;
    } else if (recorder.file) {
        (void)fwrite(full, 1, sizeof full - 1, recorder.file);
        (void)fclose(recorder.file);
        recorder.file = NULL;
        recorder.refused = true;
    }
    core_lock_release(&recorder.lock);
}

void trace_reopen(void)
{
    core_lock_acquire(&recorder.lock);
    recorder.refused = recorder.written >= FILE_LIMIT;
    core_lock_release(&recorder.lock);
}

void trace_close(void)
{
    core_lock_acquire(&recorder.lock);
    if (recorder.file)
        (void)fclose(recorder.file);
    recorder.file = NULL;
    core_lock_release(&recorder.lock);
}

void trace_begin(trace_call *call, const char *function)
{
    trace_thread thread;

    *call = (trace_call){.line.limit = LINE_LIMIT};
    trace_thread_describe(&thread);
    core_str_addf(&call->line, "{\"n\":%llu,\"call\":\"%s\",\"pid\":%u,\"thread\":%llu",
                  (unsigned long long)atomic_fetch_add(&recorder.calls, 1) + 1, function,
                  core_process_id(), (unsigned long long)thread.id);
    core_str_addf(&call->line, ",\"impersonation\":\"%s\",\"account\":\"%s\"", thread.impersonation,
                  thread.account);
    trace_flag(call, "fiber", thread.fiber);
    trace_number(call, "stack_size", thread.stack_size);
    trace_number(call, "stack_left", thread.stack_left);
}

void trace_start(trace_call *call)
{
    trace_number(call, "inside", atomic_fetch_add(&recorder.inside, 1));
    call->started = core_now_us();
    trace_number(call, "at_us", call->started);
}

void trace_stop(trace_call *call, SqlCpError result)
{
    uint64_t ended = core_now_us();

    atomic_fetch_sub(&recorder.inside, 1);
    call->result = result;
    trace_number(call, "us", ended - call->started);
    trace_number(call, "result", result);
}

SqlCpError trace_end(trace_call *call)
{
    core_str_add(&call->line, "}\n");
    if (!call->line.failed)
        write_line(&call->line);
    core_str_free(&call->line);
    return call->result;
}

void trace_number(trace_call *call, const char *key, uint64_t value)
{
    core_str_addf(&call->line, ",\"%s\":%llu", key, (unsigned long long)value);
}

void trace_flag(trace_call *call, const char *key, bool value)
{
    core_str_addf(&call->line, ",\"%s\":%s", key, value ? "true" : "false");
}

/* The low 16 bits of a handle are the index of its entry, the others are random (ekm/handle.c).
 * A line must not contain a whole handle, because it gives access to the session. */
void trace_session(trace_call *call, const char *key, const SqlCpSession *session)
{
    if (session)
        trace_number(call, key, (uint64_t)(uintptr_t)*session & SESSION_MASK);
    else
        core_str_addf(&call->line, ",\"%s\":null", key);
}

static void add_buffer(trace_call *call, const char *key, bool given, SqlCpUlong cb, bool null)
{
    if (given)
        core_str_addf(&call->line, ",\"%s\":{\"cb\":%u,\"null\":%s}", key, (unsigned)cb,
                      null ? "true" : "false");
    else
        core_str_addf(&call->line, ",\"%s\":null", key);
}

void trace_data(trace_call *call, const char *key, const SqlCpData *data)
{
    add_buffer(call, key, data != NULL, data ? data->cb : 0, !data || !data->pb);
}

void trace_text(trace_call *call, const char *key, const SqlCpStr *text)
{
    add_buffer(call, key, text != NULL, text ? text->cb : 0, !text || !text->ws);
}

void trace_params(trace_call *call, const SqlCpEncryptionParam *params, SqlCpUlong count)
{
    core_str_addf(&call->line, ",\"params\":{\"count\":%u,\"list\":[", (unsigned)count);
    for (SqlCpUlong i = 0; params && i < count && i < MOST_PARAMS; i++)
        core_str_addf(&call->line, "%s{\"type\":%u,\"cb\":%u,\"null\":%s}", i > 0 ? "," : "",
                      (unsigned)params[i].type, (unsigned)params[i].cb,
                      params[i].pb ? "false" : "true");
    core_str_add(&call->line, "]}");
}
