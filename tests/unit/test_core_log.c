/* SPDX-License-Identifier: Apache-2.0
 *
 * The log and the audit trail, read back: lines that cannot be forged, rotation, loss and recovery,
 * many threads, a fork.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "core/log.h"
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"
#include "test_core.h"

static char log_path[512], audit_path[512];

/* A configuration with new files of this name in the temporary directory. */
static core_config *configure(const char *name, const char *more)
{
    core_str text = {.limit = 8192};
    core_config *config = NULL;
    core_err err = {.status = ST_OK};
    (void)snprintf(log_path, sizeof log_path, "%s.log", testing_path(name));
    (void)snprintf(audit_path, sizeof audit_path, "%s.json", testing_path(name));
    core_str_addf(&text, "module = /x\nlog = %s\naudit = %s\n%s", log_path, audit_path, more);
    CU_ASSERT_EQUAL(core_config_parse(core_str_get(&text), text.length, "t", &config, &err), ST_OK);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    core_str_free(&text);
    return config;
}

static core_config *open_log(const char *name, const char *more)
{
    core_config *config = configure(name, more);
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    return config;
}

static void close_log(core_config *config)
{
    core_log_close(config);
    core_config_free(config);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *p = strstr(text, what); p != NULL; p = strstr(p + 1, what))
        n++;
    return n;
}

/* How many times a file contains `what`. */
static unsigned in_file(const char *path, const char *what)
{
    size_t length = 0;
    char *text = testing_read(path, &length);
    const unsigned n = text == NULL ? 0 : count(text, what);
    free(text);
    return n;
}

static void form_and_level(void)
{
    core_config *config = open_log("form", "log_level = warning\n");
    size_t length = 0;
    char tag[64];
    core_log(CORE_LOG_INFO, "not this");
    core_log(CORE_LOG_WARNING, "this %d", 7);
    core_err err = {.status = ST_OK};
    (void)core_fail(&err, ST_IO, "disk");
    core_log_status(CORE_LOG_ERROR, "Decrypt", ST_IO, &err);
    core_log_status(CORE_LOG_ERROR, "Decrypt", ST_NO_MEMORY, NULL);
    CU_ASSERT_TRUE(core_log_enabled(CORE_LOG_WARNING));
    CU_ASSERT_FALSE(core_log_enabled(CORE_LOG_INFO));
    close_log(config);
    char *text = testing_read(log_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    (void)snprintf(tag, sizeof tag, "Z warning p11ekm[%ld]: this 7\n", (long)getpid());
    CU_ASSERT_EQUAL(strstr(text, tag), text + 26);
    CU_ASSERT_EQUAL(count(text, "error"), 2);
    CU_ASSERT_EQUAL(count(text, ": Decrypt: IO: disk\n"), 1);
    CU_ASSERT_EQUAL(count(text, "NO_MEMORY: out of memory; free memory on this machine\n"), 1);
    CU_ASSERT_EQUAL(count(text, "\n"), 3);
    free(text);
}

static void lines_cannot_be_forged(void)
{
    core_config *config = open_log("forge", "");
    size_t length = 0;
    char long_name[3000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    core_log(CORE_LOG_ERROR, "key \"%s\"", "a\nb\r\x1b[2J\x7f\xc2\x9b\xe2\x80\xa8\xff\xc3\xa4");
    core_log(CORE_LOG_ERROR, "%s", long_name);
    close_log(config);
    char *text = testing_read(log_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(count(text, "\n"), 2);
    CU_ASSERT_EQUAL(count(text, ": key \"a?b??[2J???????\xc3\xa4\"\n"), 1);
    CU_ASSERT_TRUE(core_utf8_valid(text, length));
    CU_ASSERT_EQUAL(text[length - 1], '\n');
    free(text);
}

static void follows_rotation(void)
{
    core_config *config = open_log("rotate", "");
    char old[600];
    (void)snprintf(old, sizeof old, "%s.1", log_path);
    core_log(CORE_LOG_ERROR, "before");
    CU_ASSERT_EQUAL(rename(log_path, old), 0);
    core_log(CORE_LOG_ERROR, "after");
    CU_ASSERT_EQUAL(in_file(old, "before"), 1);
    CU_ASSERT_EQUAL(in_file(old, "after"), 0);
    CU_ASSERT_EQUAL(in_file(log_path, "after"), 1);
    close_log(config);
}

static void counts_its_users(void)
{
    core_config *config = open_log("users", "log_level = debug\n");
    CU_ASSERT_EQUAL(core_log_open(config, NULL), ST_OK);
    core_log_close(config);
    core_log(CORE_LOG_DEBUG, "still");
    close_log(config);
    CU_ASSERT_EQUAL(in_file(log_path, "still"), 1);
    CU_ASSERT_FALSE(core_log_enabled(CORE_LOG_INFO));
    config = configure("users", "");
    core_log_close(config); /* one close too many is harmless */
    core_config_free(config);
}

static void log_that_cannot_be_opened(void)
{
    static const char text[] = "module = /x\nlog = /nonexistent/x.log\n";
    core_config *config = NULL;
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL_FATAL(core_config_parse(text, sizeof text - 1, "t", &config, &err), ST_OK);
    CU_ASSERT_EQUAL(core_log_open(config, &err), ST_OK);
    core_log(CORE_LOG_DEBUG, "nowhere");
    close_log(config);
}

static const uint8_t thumb[16] = {0xde, 0xad, 15};

static core_audit_record record_of(const core_config *config, core_audit_kind kind,
                                   const char *operation)
{
    return (core_audit_record){.config = config,
                               .kind = kind,
                               .operation = operation,
                               .identity = "hsm \"x\"\n",
                               .token = NULL,
                               .key = "k\xc3\xa4y\xff",
                               .thumb = thumb,
                               .result = ST_KEY_EXISTS,
                               .microseconds = 123456789012ULL};
}

static void audit_is_json(void)
{
    core_config *config = open_log("json", "");
    size_t length = 0;
    core_audit_record record = record_of(config, CORE_AUDIT_KEY, "CreateKey");
    record.member = "hsm-b";
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    record = (core_audit_record){.config = config, .kind = CORE_AUDIT_DATA, .operation = "Decrypt"};
    CU_ASSERT_FALSE(core_audit_wanted(config, CORE_AUDIT_DATA));
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    close_log(config);
    char *text = testing_read(audit_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(count(text, "\n"), 1);
    json_t *json = json_loads(text, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_EQUAL(json_object_size(json), 11);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "operation")), "CreateKey");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "identity")), "hsm \"x\"\n");
    CU_ASSERT_TRUE(json_is_null(json_object_get(json, "token")));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "member")), "hsm-b");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "key")),
                           "k\xc3\xa4y\xef\xbf\xbd");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "thumbprint")),
                           "dead0f00000000000000000000000000");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "result")), "KEY_EXISTS");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "code")), 2067);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "us")), 123456789012LL);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "pid")), getpid());
    CU_ASSERT_EQUAL(strlen(json_string_value(json_object_get(json, "time"))), 27);
    json_decref(json);
    free(text);
}

/* The directory disappears and returns: records are refused in between, each change is logged once,
 * and the trail marks it. */
static void audit_lost_and_back(void)
{
    core_err err = {.status = ST_OK};
    char dir[512], away[600];
    CU_ASSERT_EQUAL_FATAL(mkdir(testing_path("moving"), 0700), 0);
    (void)snprintf(dir, sizeof dir, "%s", testing_path("moving"));
    (void)snprintf(away, sizeof away, "%s.away", dir);
    core_config *config = configure("lost", "");
    core_free(config->audit);
    config->audit = core_strdup(testing_path("moving/a.json"));
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    core_audit_record record = record_of(config, CORE_AUDIT_SESSION, "OpenSession");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(core_audit_begin(&record, &err), ST_OK);
    CU_ASSERT_EQUAL(rename(dir, away), 0);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(core_audit_begin(&record, &err), ST_AUDIT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "moving/a.json: no such file"));
        CU_ASSERT_EQUAL(core_audit_write(&record), ST_AUDIT);
    }
    CU_ASSERT_EQUAL(rename(away, dir), 0);
    CU_ASSERT_EQUAL(core_audit_begin(&record, &err), ST_OK);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(in_file(testing_path("moving/a.json"), "OpenSession"), 4);
    CU_ASSERT_EQUAL(
        in_file(testing_path("moving/a.json"), "\"result\":\"BEGIN\",\"code\":null,\"us\""), 2);
    CU_ASSERT_EQUAL(in_file(testing_path("moving/a.json"), "AuditBack"), 1);
    close_log(config);
    CU_ASSERT_EQUAL(in_file(log_path, "audit lost (operations are refused)"), 1);
    CU_ASSERT_EQUAL(in_file(log_path, "audit back"), 1);
}

static void audit_by_policy(void)
{
    core_err err = {.status = ST_OK};
    core_config *config = configure("warn", "audit_failure = warn\naudit_data = yes\n");
    core_audit_record record = record_of(config, CORE_AUDIT_DATA, "Decrypt");
    core_free(config->audit);
    config->audit = core_strdup("/nonexistent/a.json");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, &err), ST_OK);
    CU_ASSERT_TRUE(core_audit_wanted(config, CORE_AUDIT_DATA));
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(core_audit_begin(&record, &err), ST_OK);
    close_log(config);
    CU_ASSERT_EQUAL(in_file(log_path, "audit lost (operations continue without records)"), 1);

    config = configure("refuse", "");
    core_free(config->audit);
    config->audit = core_strdup("/nonexistent/a.json");
    CU_ASSERT_EQUAL(core_log_open(config, &err), ST_AUDIT);
    CU_ASSERT_STRING_EQUAL(err.text, "audit: /nonexistent/a.json: no such file; check the path");
    record.config = config;
    CU_ASSERT_EQUAL(core_audit_begin(&record, &err),
                    ST_OK); /* a record of data, which is not enabled */
    record.kind = CORE_AUDIT_KEY;
    CU_ASSERT_EQUAL(core_audit_begin(&record, &err), ST_AUDIT); /* it is not open */
    record.config = NULL;
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_AUDIT);
    core_config_free(config);
}

/* A size limit stands for a full disk: a partial line is there, and later lines are complete. */
static void audit_on_a_full_disk(void)
{
    struct rlimit before, full;
    struct stat s;
    size_t length = 0;
    core_config *config = open_log("full", "");
    core_audit_record record = record_of(config, CORE_AUDIT_KEY, "CreateKey");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL_FATAL(stat(audit_path, &s), 0);
    full = before;
    full.rlim_cur = (rlim_t)s.st_size + 20;
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &full), 0);
    const core_status torn = core_audit_write(&record), none = core_audit_begin(&record, NULL);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, old);
    CU_ASSERT_EQUAL(torn, ST_AUDIT);
    CU_ASSERT_EQUAL(none, ST_AUDIT);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    close_log(config);
    char *text = testing_read(audit_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    unsigned whole = 0, broken = 0;
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        end = line + strcspn(line, "\n");
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        whole += json != NULL;
        broken += json == NULL;
        json_decref(json);
    }
    CU_ASSERT_EQUAL(whole, 3); /* the first, AuditBack, the last */
    CU_ASSERT_EQUAL(broken, 1);
    free(text);
}

/* A partial line of another process does not merge with the next record. */
static void audit_after_partial_line(void)
{
    size_t length = 0;
    core_config *config = configure("half", "");
    core_audit_record record = record_of(config, CORE_AUDIT_KEY, "CreateKey");
    FILE *file = fopen(audit_path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("{\"time\":\"20", file);
    fclose(file);
    CU_ASSERT_EQUAL(chmod(audit_path, 0600), 0);
    CU_ASSERT_TRUE(core_file_torn(audit_path));
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
        CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
        core_log_close(config);
        CU_ASSERT_FALSE(core_file_torn(audit_path));
    }
    core_config_free(config);
    char *text = testing_read(audit_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strncmp(text, "{\"time\":\"20\n{\"time\"", 19), 0);
    CU_ASSERT_PTR_NULL(strstr(text, "\n\n"));
    free(text);
    CU_ASSERT_FALSE(core_file_torn("/nonexistent/a.json"));
}

enum { THREADS = 8, LINES = 200 };

/* NULL if all were written. */
static void *write_many(void *config)
{
    core_audit_record record = record_of(config, CORE_AUDIT_KEY, "CreateKey");
    for (int i = 0; i < LINES; i++) {
        core_log(CORE_LOG_INFO, "line");
        if (core_audit_write(&record) != ST_OK)
            return &log_path;
    }
    return NULL;
}

static pid_t write_in_child(core_config *config)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(20);
        if (write_many(config) == NULL)
            (void)kill(getpid(), SIGKILL); /* the remaining threads would count as leaks */
        _exit(1);
    }
    return child;
}

/* Threads here and in a child that was forked while they wrote: every line is complete. (The
 * address sanitizer's allocator does not survive that: with it the child is forked before they
 * start.) */
static void many_writers(void)
{
    core_config *config = open_log("many", "");
    pthread_t threads[THREADS];
    size_t length = 0;
    int status = 0;
    pid_t child = TESTING_SANITIZED ? write_in_child(config) : 0;
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, write_many, config), 0);
    if (!TESTING_SANITIZED)
        child = write_in_child(config);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &failed), 0);
        CU_ASSERT_PTR_NULL(failed);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close_log(config);
    CU_ASSERT_EQUAL(in_file(log_path, "]: line\n"), (THREADS + 1) * LINES);
    CU_ASSERT_EQUAL(in_file(log_path, "\n"), (THREADS + 1) * LINES);
    char *text = testing_read(audit_path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    unsigned whole = 0;
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        end = line + strcspn(line, "\n");
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        whole += json != NULL;
        json_decref(json);
    }
    CU_ASSERT_EQUAL(whole, (THREADS + 1) * LINES);
    free(text);
}

static bool open_and_write(void *config)
{
    core_audit_record record = record_of(config, CORE_AUDIT_KEY, "CreateKey");
    if (core_log_open(config, NULL) != ST_OK)
        return false;
    const bool written = core_audit_write(&record) == ST_OK;
    core_log_close(config);
    return written;
}

static void without_memory(void)
{
    core_config *config = configure("memory", "");
    CU_ASSERT_TRUE(testing_fail_allocations(open_and_write, config, 20, 0) >= 3);
    core_config_free(config);
}

static const test_case cases[] = {{"form_and_level", form_and_level},
                                  {"lines_cannot_be_forged", lines_cannot_be_forged},
                                  {"follows_rotation", follows_rotation},
                                  {"counts_its_users", counts_its_users},
                                  {"log_that_cannot_be_opened", log_that_cannot_be_opened},
                                  {"audit_is_json", audit_is_json},
                                  {"audit_lost_and_back", audit_lost_and_back},
                                  {"audit_by_policy", audit_by_policy},
                                  {"audit_on_a_full_disk", audit_on_a_full_disk},
                                  {"audit_after_partial_line", audit_after_partial_line},
                                  {"many_writers", many_writers},
                                  {"without_memory", without_memory},
                                  {NULL, NULL}};
const test_suite core_log_suite = {.name = "log", .cases = cases};
