/* SPDX-License-Identifier: Apache-2.0
 *
 * The log. A line is composed on the stack and written in one write, so that lines of several
 * threads and processes do not mix.
 */
#include "core/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "core/lock.h"
#include "core/log_private.h"
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"
#include "core/text_private.h"

enum { TEXT_SIZE = 1024, LINE_SIZE = TEXT_SIZE + 96 };

typedef enum log_target { LOG_TO_SYSTEM, LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_NONE } log_target;

/* `lock` guards all members except the atomic ones. */
struct log {
    core_lock lock;
    unsigned users;
    log_target target;
    FILE *file;
    char *path;
    bool lost;            /* the file could not be opened again; reported once */
    atomic_int level;     /* read before the lock is taken */
    atomic_bool no_files; /* create no file; see core_log_make_no_files */
};
static struct log state; /* for the next line to name its lock */
static struct log state CORE_GUARDED_BY(state.lock) = {.lock = CORE_LOCK_INIT,
                                                       .level = CORE_LOG_WARNING};

static const struct {
    const char *name;
    int severity;
} levels[] = {[CORE_LOG_ERROR] = {"error", 0},
              [CORE_LOG_WARNING] = {"warning", 1},
              [CORE_LOG_INFO] = {"info", 2},
              [CORE_LOG_DEBUG] = {"debug", 2}};

static unsigned level_index(core_level level)
{
    return (unsigned)level <= CORE_LOG_DEBUG ? (unsigned)level : CORE_LOG_ERROR;
}

bool core_log_enabled(core_level level)
{
    return (int)level_index(level) <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

static void compose(char line[LINE_SIZE], core_level level, const char *text)
{
    char now[28];
    core_utc_text(now);
    (void)snprintf(line, LINE_SIZE, "%s %s p11ekm[%lu]: %s\n", now, levels[level].name,
                   (unsigned long)core_process_id(), text);
}

/* The file, opened again if it was rotated. NULL: use the system's log. */
static FILE *file_locked(void) CORE_REQUIRES(state.lock)
{
    if (state.file != NULL && !core_file_moved(state.file, state.path))
        return state.file;
    if (state.file != NULL)
        (void)fclose(state.file);
    core_err why = {.status = ST_OK};
    state.file = NULL;
    if (!core_log_makes_files() && !core_file_there(state.path))
        return NULL;
    state.file = core_file_append(state.path, &why);
    if (state.file == NULL && !state.lost) {
        char line[TEXT_SIZE];
        (void)snprintf(line, sizeof line, "log lines go to the system log instead: %s", why.text);
        core_text_sanitize(line, "");
        core_system_log(levels[CORE_LOG_WARNING].severity, line);
    }
    state.lost = state.file == NULL;
    return state.file;
}

static void write_locked(core_level level, const char *text) CORE_REQUIRES(state.lock)
{
    char line[LINE_SIZE];
    FILE *file = NULL;
    if (state.target == LOG_TO_NONE && state.users != 0)
        return;
    if (state.users != 0 && state.target == LOG_TO_STDERR)
        file = stderr;
    if (state.users != 0 && state.target == LOG_TO_FILE)
        file = file_locked();
    if (file == NULL) {
        core_system_log(levels[level].severity, text);
        return;
    }
    compose(line, level, text);
    (void)fwrite(line, strlen(line), 1, file);
}

static void write_line(core_level level, const char *text)
{
    core_lock_acquire(&state.lock);
    write_locked(level, text);
    core_lock_release(&state.lock);
}

void core_log(core_level level, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    const core_level known = (core_level)level_index(level);
    if (!core_log_enabled(known))
        return;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    if (n >= (int)sizeof text)
        text[core_utf8_cut(text, sizeof text - 1)] = '\0';
    core_text_sanitize(text, "");
    write_line(known, text);
}

void core_log_status(core_level level, const char *where, core_status st, const core_err *err)
{
    core_log(level, "%s: %s: %s", where, core_status_name(st), core_err_text(err, st));
}

static void stop_locked(void) CORE_REQUIRES(state.lock)
{
    if (state.file != NULL)
        (void)fclose(state.file);
    core_free(state.path);
    state.file = NULL;
    state.path = NULL;
    state.target = LOG_TO_SYSTEM;
    state.lost = false;
    atomic_store(&state.level, (int)CORE_LOG_WARNING);
}

static log_target target_of(const core_config *config)
{
    static const char *const words[] = {
        [LOG_TO_SYSTEM] = "syslog", [LOG_TO_STDERR] = "stderr", [LOG_TO_NONE] = "none"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i] != NULL && strcmp(config->log, words[i]) == 0)
            return (log_target)i;
    }
    return LOG_TO_FILE;
}

/* True if a later configuration names another log than the open one. */
static bool differs_locked(const core_config *config) CORE_REQUIRES(state.lock)
{
    const log_target target = target_of(config);
    return target != state.target ||
           (target == LOG_TO_FILE && strcmp(config->log, state.path) != 0);
}

static core_status start_locked(const core_config *config) CORE_REQUIRES(state.lock)
{
    state.target = target_of(config);
    if (state.target == LOG_TO_FILE) {
        state.path = core_strdup(config->log);
        if (state.path == NULL)
            return ST_NO_MEMORY;
        (void)file_locked();
    }
    atomic_store(&state.level, (int)level_index(config->log_level));
    return ST_OK;
}

/* Logs a line when the number has doubled since the last one: 500 sessions log ten lines, not 500.
 */
void core_log_unlocked(void)
{
    static atomic_uint reported;
    const unsigned count = core_secret_unlocked();
    unsigned seen = atomic_load_explicit(&reported, memory_order_relaxed);
    if (count < 2 * seen || count == 0 || !atomic_compare_exchange_strong(&reported, &seen, count))
        return;
    core_log(
        CORE_LOG_WARNING,
        "memory: the system refused to lock %u buffers of secrets, %zu bytes, so far; they may "
        "reach its page file; %s",
        count, core_secret_unlocked_bytes(), core_pages_advice());
}

core_status log_start(const core_config *config, core_err *err)
{
    core_status st = ST_OK;
    bool other = false;
    core_lock_acquire(&state.lock);
    if (state.users == 0)
        st = start_locked(config);
    else
        other = differs_locked(config);
    if (st == ST_OK)
        state.users++;
    else {
        stop_locked();
        (void)core_fail(err, st, "the log: out of memory");
    }
    core_lock_release(&state.lock);
    if (st != ST_OK)
        return st;
    if (other)
        core_log(CORE_LOG_WARNING, "%s: its log (%s) is not used while this one is open",
                 config->path, config->log);
    return ST_OK;
}

void log_stop(void)
{
    core_lock_acquire(&state.lock);
    if (state.users != 0 && --state.users == 0)
        stop_locked();
    core_lock_release(&state.lock);
}

void core_log_make_no_files(void)
{
    atomic_store(&state.no_files, true);
}

bool core_log_makes_files(void)
{
    return !atomic_load_explicit(&state.no_files, memory_order_relaxed);
}
