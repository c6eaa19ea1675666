/* SPDX-License-Identifier: Apache-2.0
 *
 * Field faults of the audit trail: two configurations in one process, a lock that another process
 * holds, and records that precede the use of a key.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/log.h"
#include "core/platform.h"
#include "core/text.h"
#include "tests/unit/testing.h"

/* A configuration with files NAME.log and NAME.json in the temporary directory. */
static core_config *configure(const char *name, const char *more)
{
    core_str text = {.limit = 8192};
    core_config *config = NULL;
    core_str_addf(&text, "module = /x\nlog = %s/%s.log\naudit = %s/%s.json\n%s", testing_dir(),
                  name, testing_dir(), name, more);
    CU_ASSERT_EQUAL_FATAL(core_config_parse(core_str_get(&text), text.length, name, &config, NULL),
                          ST_OK);
    core_str_free(&text);
    return config;
}

static unsigned in_file(const char *path, const char *what)
{
    size_t length = 0;
    unsigned n = 0;
    char *text = testing_read(path, &length);
    for (const char *p = text; p != NULL && (p = strstr(p, what)) != NULL; p++)
        n++;
    free(text);
    return n;
}

static core_audit_record record_of(const core_config *config, const char *key)
{
    return (core_audit_record){
        .config = config, .kind = CORE_AUDIT_KEY, .operation = "CreateKey", .key = key};
}

/* Takes a lock through another open file description, as another process would. -1: not
 * available. */
static int lock_by_another(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static void second_configuration_has_its_own_trail(void)
{
    core_config *one = configure("one", "audit_data = yes\n"), *two = configure("two", "");
    core_config *none = configure("none", "");
    memcpy(none->audit, "none", sizeof "none");
    CU_ASSERT_EQUAL_FATAL(core_log_open(none, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_log_open(one, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_log_open(two, NULL), ST_OK);
    core_audit_record first = record_of(one, "k1"), second = record_of(two, "k2");
    core_audit_record third = record_of(none, "k3");
    CU_ASSERT_EQUAL(core_audit_write(&first), ST_OK);
    CU_ASSERT_EQUAL(core_audit_write(&second), ST_OK);
    CU_ASSERT_EQUAL(core_audit_write(&third), ST_OK);
    CU_ASSERT_TRUE(core_audit_wanted(one, CORE_AUDIT_DATA));
    CU_ASSERT_FALSE(core_audit_wanted(two, CORE_AUDIT_DATA));
    CU_ASSERT_FALSE(core_audit_wanted(none, CORE_AUDIT_KEY));
    core_log_close(one);
    CU_ASSERT_EQUAL(core_audit_write(&second), ST_OK); /* its trail stays open */
    CU_ASSERT_EQUAL(core_audit_write(&first), ST_AUDIT);
    core_log_close(two);
    core_log_close(none);
    CU_ASSERT_EQUAL(in_file(testing_path("one.json"), "\"k1\""), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("one.json"), "\n"), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("two.json"), "\"k2\""), 2);
    CU_ASSERT_EQUAL(in_file(testing_path("two.json"), "\n"), 2);
    CU_ASSERT_EQUAL(in_file(testing_path("none.log"), "one: its log ("), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("none.log"), "two: its log ("), 1);
    core_config_free(one);
    core_config_free(two);
    core_config_free(none);
}

static void second_configuration_that_cannot_record_is_refused(void)
{
    core_config *one = configure("able", ""), *two = configure("no/where", "");
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL_FATAL(core_log_open(one, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_log_open(two, &err), ST_AUDIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no/where.json: no such file"));
    const core_audit_record record = record_of(one, "k");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(one);
    core_config_free(one);
    core_config_free(two);
}

static void configurations_with_one_file_share_its_trail(void)
{
    core_config *one = configure("shared", ""), *two = configure("shared", "audit_data = yes\n");
    CU_ASSERT_EQUAL_FATAL(core_log_open(one, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(core_log_open(two, NULL), ST_OK);
    core_log_close(one);
    const core_audit_record record = record_of(two, "k");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(two);
    CU_ASSERT_EQUAL(in_file(testing_path("shared.json"), "\"k\""), 1);
    core_config_free(one);
    core_config_free(two);
}

static void lock_on_the_trail_by_a_reader_changes_nothing(void)
{
    core_config *config = configure("read", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const int reader = open(testing_path("read.json"), O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(flock(reader, LOCK_EX | LOCK_NB), 0);
    const core_audit_record record = record_of(config, "k");
    const uint64_t before = core_now_us();
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_TRUE(core_now_us() - before < 1500000);
    (void)close(reader);
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("read.json"), "\"pid\":"), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("read.json"), "unlocked"), 0);
}

static void lock_held_by_another_waits_once_and_records(void)
{
    struct stat s;
    core_config *config = configure("held", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    core_audit_record record = record_of(config, "locked");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL_FATAL(stat(testing_path("held.json.lock"), &s), 0);
    CU_ASSERT_EQUAL(s.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(s.st_size, 0);

    const int other = lock_by_another(testing_path("held.json.lock"));
    CU_ASSERT_NOT_EQUAL_FATAL(other, -1);
    record.key = "without";
    const uint64_t first = core_now_us();
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    const uint64_t second = core_now_us();
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(core_audit_begin(&record, NULL), ST_OK);
    CU_ASSERT_TRUE(second - first >=
                   1900000); /* the writer waited for a holder that might finish soon */
    CU_ASSERT_TRUE(core_now_us() - second < 1000000);
    (void)close(other);
    record.key = "again";
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(config);
    core_config_free(config);

    const char *trail = testing_path("held.json"), *log = testing_path("held.log");
    CU_ASSERT_EQUAL(in_file(trail, "\n"), 5);
    CU_ASSERT_EQUAL(in_file(trail, ",\"unlocked\":true}\n"), 3);
    CU_ASSERT_EQUAL(in_file(trail, "\"without\""), 3);
    CU_ASSERT_EQUAL(in_file(log, "written without the lock"), 1);
    CU_ASSERT_EQUAL(in_file(log, "held.json.lock: another process holds it"), 1);
    CU_ASSERT_EQUAL(in_file(log, "under the lock again"), 1);
}

/* It is released between two records, so that no other writer waits. */
static void lock_is_free_between_records(void)
{
    core_config *config = configure("free", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const core_audit_record record = record_of(config, "k");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    const int other = lock_by_another(testing_path("free.json.lock"));
    CU_ASSERT_NOT_EQUAL(other, -1);
    (void)close(other);
    core_log_close(config);
    core_config_free(config);
}

/* A user who can open the lock file could hold the lock: a file that others may read is
 * not used. */
static void lock_file_that_others_may_open_is_not_used(void)
{
    core_config *config = configure("loose", "");
    (void)testing_file("loose.json.lock", "", 0, 0644);
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const int other = lock_by_another(testing_path("loose.json.lock"));
    const core_audit_record record = record_of(config, "k");
    const uint64_t before = core_now_us();
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_TRUE(core_now_us() - before < 1500000);
    (void)close(other);
    /* Repaired while the process runs: the new file is used. */
    CU_ASSERT_EQUAL(unlink(testing_path("loose.json.lock")), 0);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("loose.json"), "unlocked"), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("loose.json"), "\n"), 2);
    CU_ASSERT_EQUAL(in_file(testing_path("loose.log"), "others may read it"), 1);
}

/* The lock file was deleted: all processes must soon lock the same file again. */
static void lock_file_that_was_removed_is_made_again(void)
{
    struct stat s;
    core_config *config = configure("removed", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const core_audit_record record = record_of(config, "k");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(unlink(testing_path("removed.json.lock")), 0);
    core_sleep_ms(1050); /* the file is checked once a second */
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(stat(testing_path("removed.json.lock"), &s), 0);
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("removed.json"), "unlocked"), 0);
}

/* A partial line of another process, unknown to this one, must not merge with a record. */
static void partial_line_of_another_is_ended(void)
{
    core_config *config = configure("half", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const core_audit_record record = record_of(config, "k");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    const int fd = open(testing_path("half.json"), O_WRONLY | O_APPEND | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(fd, "{\"time", 6), 6);
    (void)close(fd);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("half.json"), "\n{\"time\n{\"time\":"), 1);
}

/* Locks the lock file that this process has open, as a thread does while it writes a record. */
static bool hold_own_lock(const char *path)
{
    char link[64], target[600];
    for (int fd = 3; fd < 256; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(link, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strcmp(target, path) == 0)
            return flock(fd, LOCK_EX | LOCK_NB) == 0;
    }
    return false;
}

/* A forked child shares the open lock file with its parent but must not share its lock: what the
 * child holds, the parent does not. */
static void forked_child_takes_its_own_lock(void)
{
    int status = 0, ready[2], go[2];
    char byte = 0;
    core_config *config = configure("fork", "");
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    core_audit_record record = record_of(config, "before");
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(go), 0);
    const pid_t child = fork();
    if (child == 0) {
        record.key = "child";
        const bool fine = core_audit_write(&record) == ST_OK;
        byte = fine && hold_own_lock(testing_path("fork.json.lock")) ? 'y' : 'n';
        _exit(write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1 ? 0 : 1);
    }
    CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(byte, 'y');
    record.key = "meanwhile";
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    CU_ASSERT_EQUAL(write(go[1], &byte, 1), 1);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 2; i++) {
        (void)close(ready[i]);
        (void)close(go[i]);
    }
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("fork.json"), "\n"), 3);
    CU_ASSERT_EQUAL(in_file(testing_path("fork.json"), "unlocked"),
                    1); /* the parent's second record */
}

static void check_writes_a_record_or_leaves_nothing(void)
{
    struct stat s;
    bool there = true;
    core_err err = {.status = ST_OK};
    core_config *config = configure("check", "audit_failure = warn\n");
    CU_ASSERT_EQUAL(core_audit_check(config, &there, &err), ST_OK);
    CU_ASSERT_FALSE(there);
    CU_ASSERT_NOT_EQUAL(stat(testing_path("check.json"), &s), 0);
    (void)testing_file("check.json", "", 0, 0600);
    CU_ASSERT_EQUAL(core_audit_check(config, &there, &err), ST_OK);
    CU_ASSERT_TRUE(there);
    CU_ASSERT_EQUAL(in_file(testing_path("check.json"), "\"operation\":\"Doctor\""), 1);
    CU_ASSERT_EQUAL(chmod(testing_path("check.json"), 0622), 0);
    CU_ASSERT_EQUAL(core_audit_check(config, &there, &err),
                    ST_AUDIT); /* whether or not audit failures only warn */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "chmod go-w"));
    core_config_free(config);
}

/* `unit` repeated to `length` bytes; release with free. */
static char *long_text(const char *unit, size_t length)
{
    const size_t n = strlen(unit);
    char *text = calloc(length + n + 1, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (size_t at = 0; at < length; at += n)
        memcpy(text + at, unit, n);
    return text;
}

/* The member of the only record must be a prefix of `text`, cut between two characters. */
static void assert_cut(json_t *record, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(record, name));
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    const size_t length = strlen(value);
    CU_ASSERT_TRUE_FATAL(length > 4090 && length <= 4096 + 3);
    CU_ASSERT_STRING_EQUAL(value + length - 3, "...");
    CU_ASSERT_EQUAL(strncmp(value, text, length - 3), 0);
}

/* A driver may pass any key path: the refusal is recorded all the same. */
static void text_without_end_is_cut_and_recorded(void)
{
    static const char *const units[] = {"x",           "\x01", "\"", "\xc3\xa4", "\xf0\x9f\x98\x80",
                                        "\xe2\x80\xa8"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        core_config *config = configure("long", "audit_failure = refuse\n");
        size_t length = 0;
        (void)unlink(testing_path("long.json"));
        char *text = long_text(units[i], 70000);
        CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
        core_audit_record record = record_of(config, text);
        record.identity = record.token = record.member = text;
        CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
        core_log_close(config);
        core_config_free(config);
        char *line = testing_read(testing_path("long.json"), &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(line);
        json_t *made = json_loads(line, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(made);
        assert_cut(made, "key", text);
        assert_cut(made, "identity", text);
        assert_cut(made, "token", text);
        assert_cut(made, "member", text);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(made, "result")), "OK");
        json_decref(made);
        free(line);
        free(text);
    }
    CU_ASSERT_EQUAL(in_file(testing_path("long.log"), "audit lost"), 0);
}

static void text_that_fits_is_recorded_whole(void)
{
    core_config *config = configure("whole", "");
    char *text = long_text("\xc3\xa4", 4096);
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    const core_audit_record record = record_of(config, text);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(config);
    core_config_free(config);
    CU_ASSERT_EQUAL(in_file(testing_path("whole.json"), text), 1);
    CU_ASSERT_EQUAL(in_file(testing_path("whole.json"), "..."), 0);
    free(text);
}

static const test_case cases[] = {
    {"second_configuration_has_its_own_trail", second_configuration_has_its_own_trail},
    {"second_configuration_that_cannot_record_is_refused",
     second_configuration_that_cannot_record_is_refused},
    {"configurations_with_one_file_share_its_trail", configurations_with_one_file_share_its_trail},
    {"lock_on_the_trail_by_a_reader_changes_nothing",
     lock_on_the_trail_by_a_reader_changes_nothing},
    {"lock_held_by_another_waits_once_and_records", lock_held_by_another_waits_once_and_records},
    {"lock_is_free_between_records", lock_is_free_between_records},
    {"lock_file_that_others_may_open_is_not_used", lock_file_that_others_may_open_is_not_used},
    {"lock_file_that_was_removed_is_made_again", lock_file_that_was_removed_is_made_again},
    {"partial_line_of_another_is_ended", partial_line_of_another_is_ended},
    {"forked_child_takes_its_own_lock", forked_child_takes_its_own_lock},
    {"check_writes_a_record_or_leaves_nothing", check_writes_a_record_or_leaves_nothing},
    {"text_without_end_is_cut_and_recorded", text_without_end_is_cut_and_recorded},
    {"text_that_fits_is_recorded_whole", text_that_fits_is_recorded_whole},
    {NULL, NULL}};

static const test_suite suite = {.name = "audit", .cases = cases};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
