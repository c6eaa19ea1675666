/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform: time, files and their permissions, SIGPIPE, and locks across a fork.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "core/lock.h"
#include "core/platform.h"
#include "test_core.h"

#define CHECK(path, kind) core_file_check(path, kind, NULL)

static void clocks(void)
{
    char text[28];
    int year = 0, month = 0, day = 0, hour = 0, minute = 0;
    unsigned us = 0;
    const uint64_t before = core_now_us();
    core_sleep_ms(5);
    CU_ASSERT_TRUE(core_now_us() - before >= 5000);
    core_utc_text(text);
    CU_ASSERT_EQUAL(strlen(text), 27);
    CU_ASSERT_EQUAL(
        sscanf(text, "%d-%d-%dT%d:%d:%*d.%6uZ", &year, &month, &day, &hour, &minute, &us), 6);
    CU_ASSERT_EQUAL(text[26], 'Z');
    const time_t now = time(NULL);
    struct tm t;
    CU_ASSERT_PTR_NOT_NULL_FATAL(gmtime_r(&now, &t));
    CU_ASSERT_EQUAL(core_utc_date(),
                    (uint32_t)((t.tm_year + 1900) * 10000 + (t.tm_mon + 1) * 100 + t.tm_mday));
    CU_ASSERT_EQUAL(year, t.tm_year + 1900);
}

static void process_and_environment(void)
{
    CU_ASSERT_EQUAL(core_process_id(), (uint32_t)getpid());
    CU_ASSERT_FALSE(core_process_privileged());
    CU_ASSERT_PTR_NULL(core_env("P11EKM_NO_SUCH_VARIABLE"));
    CU_ASSERT_EQUAL(setenv("P11EKM_TEST_VARIABLE", "x", 1), 0);
    CU_ASSERT_PTR_NOT_NULL(core_env("P11EKM_TEST_VARIABLE"));
    CU_ASSERT_TRUE(core_path_absolute("/x"));
    CU_ASSERT_FALSE(core_path_absolute("x/y"));
    CU_ASSERT_FALSE(core_path_absolute(""));
    CU_ASSERT_TRUE(core_path_absolute(core_default_config_path()));
}

/* An effective user that is not the real one counts as raised privileges. */
static void environment_of_the_privileged(void)
{
    int status = 0;
    if (geteuid() != 0)
        TEST_SKIP("needs root to change its effective user");
    CU_ASSERT_EQUAL(setenv("P11EKM_TEST_VARIABLE", "x", 1), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (seteuid(65534) != 0)
            _exit(2);
        _exit(core_process_privileged() && core_env("P11EKM_TEST_VARIABLE") == NULL ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void modes_of_files(void)
{
    static const struct {
        unsigned mode;
        core_status config, secret;
    } rows[] = {{0600, ST_OK, ST_OK},
                {0400, ST_OK, ST_OK},
                {0640, ST_OK, ST_UNSAFE_FILE},
                {0604, ST_OK, ST_UNSAFE_FILE},
                {0644, ST_OK, ST_UNSAFE_FILE},
                {0620, ST_UNSAFE_FILE, ST_UNSAFE_FILE},
                {0602, ST_UNSAFE_FILE, ST_UNSAFE_FILE},
                {0666, ST_UNSAFE_FILE, ST_UNSAFE_FILE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = testing_file("modes", "x", 1, rows[i].mode);
        CU_ASSERT_EQUAL(CHECK(path, CORE_FILE_CONFIG), rows[i].config);
        CU_ASSERT_EQUAL(CHECK(path, CORE_FILE_SECRET), rows[i].secret);
        CU_ASSERT_EQUAL(remove(path), 0);
    }
}

static void errors_name_the_remedy(void)
{
    core_err err = {.status = ST_OK};
    char want[1024];
    const char *path = testing_file("open", "x", 1, 0666);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_UNSAFE_FILE);
    (void)snprintf(want, sizeof want,
                   "%s: group or world may write it (mode 0666); chmod go-w '%s'", path, path);
    CU_ASSERT_STRING_EQUAL(err.text, want);
    path = testing_path("missing");
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_CONFIG_MISSING);
    (void)snprintf(want, sizeof want, "%s: no such file; check the path", path);
    CU_ASSERT_STRING_EQUAL(err.text, want);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_SECRET, &err), ST_PIN_SOURCE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "or make it: readable by the account of the service"));
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_MODULE, &err), ST_MODULE_LOAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'module' in the configuration"));
}

static void owners_of_files(void)
{
    if (geteuid() != 0)
        TEST_SKIP("needs root to give a file away");
    const char *path = testing_file("owned", "x", 1, 0600);
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL(CHECK(path, CORE_FILE_CONFIG), ST_OK);
    CU_ASSERT_EQUAL(chown(path, 65534, 0), 0);
    CU_ASSERT_EQUAL(core_file_check(path, CORE_FILE_CONFIG, &err), ST_UNSAFE_FILE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "owned by user 65534"));
    CU_ASSERT_EQUAL(CHECK(path, CORE_FILE_SECRET), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(CHECK(path, CORE_FILE_MODULE), ST_UNSAFE_FILE);
}

static void special_files_refused(void)
{
    const char *fifo = testing_path("fifo"), *dir = testing_path("dir");
    CU_ASSERT_EQUAL(mkfifo(fifo, 0600), 0);
    CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
    CU_ASSERT_EQUAL(CHECK(fifo, CORE_FILE_CONFIG), ST_IO); /* at once: the FIFO has no writer */
    CU_ASSERT_EQUAL(CHECK(dir, CORE_FILE_CONFIG), ST_IO);
    CU_ASSERT_EQUAL(CHECK("/dev/null", CORE_FILE_CONFIG), ST_IO);
    CU_ASSERT_PTR_NULL(core_file_append(fifo, NULL));
    CU_ASSERT_PTR_NULL(core_file_append("/dev/null", NULL));
}

static void links(void)
{
    const char *file = testing_file("real", "x", 1, 0600), *link = testing_path("link");
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL(symlink(file, link), 0);
    CU_ASSERT_EQUAL(CHECK(link, CORE_FILE_CONFIG), ST_OK);
    CU_ASSERT_EQUAL(core_file_check(link, CORE_FILE_SECRET, &err), ST_UNSAFE_FILE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "symbolic link"));
    CU_ASSERT_PTR_NULL(core_file_append(link, &err));
    CU_ASSERT_EQUAL(err.status, ST_UNSAFE_FILE);
    char *real = core_path_real(link), *same = core_path_real(file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(real);
    CU_ASSERT_PTR_NOT_NULL_FATAL(same);
    CU_ASSERT_STRING_EQUAL(real, same);
    core_free(real);
    core_free(same);
    CU_ASSERT_PTR_NULL(core_path_real(testing_path("missing")));
}

/* A file reached through a chain of links: each directory on the path counts, not only the first
 * and the last. */
static void directories_above_a_file(void)
{
    const char *safe = testing_path("safe"), *open = testing_path("loose");
    const char *module = testing_path("safe/m.so"), *middle = testing_path("loose/link");
    const char *first = testing_path("first");
    CU_ASSERT_EQUAL(mkdir(safe, 0755), 0);
    CU_ASSERT_EQUAL(mkdir(open, 0755), 0);
    (void)testing_file("safe/m.so", "x", 1, 0755);
    CU_ASSERT_EQUAL(symlink(module, middle), 0);
    CU_ASSERT_EQUAL(symlink("loose/../loose/./link", first), 0);
    CU_ASSERT_EQUAL(CHECK(module, CORE_FILE_MODULE), ST_OK);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_MODULE), ST_OK);
    CU_ASSERT_EQUAL(chmod(open, 0777), 0);
    CU_ASSERT_EQUAL(CHECK(module, CORE_FILE_MODULE), ST_OK);
    CU_ASSERT_EQUAL(CHECK(middle, CORE_FILE_MODULE), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_MODULE), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_CONFIG), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(chmod(open, 01777), 0);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_CONFIG), ST_OK);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_MODULE), ST_OK);
    CU_ASSERT_EQUAL(chmod(safe, 0775), 0);
    CU_ASSERT_EQUAL(CHECK(first, CORE_FILE_MODULE), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(CHECK("relative.so", CORE_FILE_MODULE), ST_MODULE_LOAD);
}

/* In a sticky directory anybody may create a link: its owner is checked like a file's. */
static void links_of_others(void)
{
    if (geteuid() != 0)
        TEST_SKIP("needs root to give a link away");
    const char *file = testing_file("lib.so", "x", 1, 0755), *link = testing_path("theirs");
    CU_ASSERT_EQUAL(symlink(file, link), 0);
    CU_ASSERT_EQUAL(CHECK(link, CORE_FILE_MODULE), ST_OK);
    CU_ASSERT_EQUAL(lchown(link, 65534, 65534), 0);
    CU_ASSERT_EQUAL(CHECK(link, CORE_FILE_MODULE), ST_UNSAFE_FILE);
}

static void relative_path_checked_from_current_directory(void)
{
    char before[4096];
    const char *dir = testing_path("here");
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(before, sizeof before));
    CU_ASSERT_EQUAL(mkdir(dir, 0755), 0);
    (void)testing_file("here/pin", "1234", 4, 0600);
    CU_ASSERT_EQUAL_FATAL(chdir(dir), 0);
    CU_ASSERT_EQUAL(CHECK("pin", CORE_FILE_SECRET), ST_OK);
    CU_ASSERT_EQUAL(chmod(dir, 0777), 0);
    CU_ASSERT_EQUAL(CHECK("pin", CORE_FILE_SECRET), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(CHECK("./pin", CORE_FILE_CONFIG), ST_UNSAFE_FILE);
    CU_ASSERT_EQUAL(chdir(before), 0);
}

static void directories_made_in_safe_place_only(void)
{
    const char *dir = testing_path("made"), *open = testing_path("unsafe");
    const char *in_open = testing_path("unsafe/made");
    core_err err = {.status = ST_OK};
    struct stat s;
    const mode_t mask = umask(077);
    CU_ASSERT_EQUAL(core_directory_create(dir, &err), ST_OK);
    (void)umask(mask);
    CU_ASSERT_EQUAL_FATAL(stat(dir, &s), 0);
    CU_ASSERT_EQUAL(s.st_mode & 07777, 0755);
    CU_ASSERT_EQUAL(core_directory_create(dir, &err), ST_IO); /* it exists */
    CU_ASSERT_EQUAL(core_directory_create(testing_path("no/parent"), &err), ST_IO);
    CU_ASSERT_STRING_EQUAL(core_err_next(&err, ST_IO), "make that first");
    CU_ASSERT_EQUAL(mkdir(open, 0700), 0);
    CU_ASSERT_EQUAL(chmod(open, 0777), 0);
    CU_ASSERT_EQUAL(core_directory_create(in_open, &err), ST_UNSAFE_FILE);
    CU_ASSERT_NOT_EQUAL(stat(in_open, &s), 0);
    char *above = core_path_directory(in_open);
    CU_ASSERT_PTR_NOT_NULL_FATAL(above);
    CU_ASSERT_STRING_EQUAL(above, open);
    core_free(above);
    CU_ASSERT_PTR_NULL(core_path_directory("/x"));
    CU_ASSERT_PTR_NULL(core_path_directory("x"));
    core_directory_remove(dir);
    CU_ASSERT_NOT_EQUAL(stat(dir, &s), 0);
}

static void reads_whole_files(void)
{
    core_secret bytes;
    const char *path = testing_file("read", "0123456789", 10, 0600);
    CU_ASSERT_EQUAL(core_file_read(path, CORE_FILE_SECRET, 10, &bytes, NULL), ST_OK);
    CU_ASSERT_EQUAL(bytes.length, 10);
    CU_ASSERT_STRING_EQUAL((const char *)bytes.data, "0123456789");
    core_secret_close(&bytes);
    CU_ASSERT_EQUAL(core_file_read(path, CORE_FILE_SECRET, 9, &bytes, NULL), ST_FORMAT);
    CU_ASSERT_PTR_NULL(bytes.data);
    path = testing_file("read", "", 0, 0600);
    CU_ASSERT_EQUAL(core_file_read(path, CORE_FILE_SECRET, 9, &bytes, NULL), ST_OK);
    CU_ASSERT_EQUAL(bytes.length, 0);
    core_secret_close(&bytes);
    CU_ASSERT_EQUAL(core_file_read(testing_path("gone"), CORE_FILE_SECRET, 9, &bytes, NULL),
                    ST_PIN_SOURCE);
}

static void creates_once(void)
{
    const char *path = testing_path("new");
    struct stat s;
    size_t length = 0;
    CU_ASSERT_EQUAL(core_file_create(path, "abc", 3, NULL), ST_OK);
    CU_ASSERT_EQUAL(stat(path, &s), 0);
    CU_ASSERT_EQUAL(s.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(core_file_create(path, "xyz", 3, NULL), ST_IO);
    char *text = testing_read(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "abc");
    free(text);
    CU_ASSERT_EQUAL(core_file_create(testing_path("no/where"), "x", 1, NULL), ST_IO);
}

static bool holds(const char *path, const char *wanted)
{
    size_t length = 0;
    char *text = testing_read(path, &length);
    const bool same = text != NULL && strcmp(text, wanted) == 0;
    free(text);
    return same;
}

/* An existing file of that name stays unchanged, and no other file is left in the directory. */
static void create_over_existing_name_changes_nothing(void)
{
    const char *directory = testing_path("taken"), *target = testing_path("taken/target");
    const char *link = testing_path("taken/link"), *loose = testing_path("taken/loose");
    core_err err = {.status = ST_OK};
    CU_ASSERT_EQUAL(mkdir(directory, 0700), 0);
    (void)testing_file("taken/target", "precious", 8, 0600);
    CU_ASSERT_EQUAL(symlink(target, link), 0);
    CU_ASSERT_EQUAL(symlink(testing_path("taken/nowhere"), loose), 0);
    const char *const paths[] = {target, link, loose, directory};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        bool there = false;
        CU_ASSERT_EQUAL(core_file_look(paths[i], &there, &err), ST_OK);
        CU_ASSERT_TRUE(there);
        CU_ASSERT_EQUAL(core_file_absent(paths[i], &err), ST_IO);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "exists already"));
        CU_ASSERT_EQUAL(core_file_create(paths[i], "xyz", 3, &err), ST_IO);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "exists already"));
    }
    CU_ASSERT_TRUE(holds(target, "precious"));
    CU_ASSERT_EQUAL(access(testing_path("taken/nowhere"), F_OK), -1);
    CU_ASSERT_EQUAL(unlink(link), 0);
    CU_ASSERT_EQUAL(unlink(loose), 0);
    CU_ASSERT_EQUAL(unlink(target), 0);
    CU_ASSERT_EQUAL(rmdir(directory), 0); /* empty */
}

static void replace_puts_whole_file_under_name(void)
{
    const char *target = testing_file("kept", "kept", 4, 0600), *link = testing_path("replaced");
    struct stat s;
    CU_ASSERT_EQUAL(symlink(target, link), 0);
    CU_ASSERT_EQUAL(core_file_replace(link, "new", 3, NULL), ST_OK);
    CU_ASSERT_EQUAL(lstat(link, &s), 0);
    CU_ASSERT_TRUE(S_ISREG(s.st_mode) && (s.st_mode & 07777) == 0600);
    CU_ASSERT_TRUE(holds(link, "new") && holds(target, "kept"));
}

static void appends_and_notices_rotation(void)
{
    const char *path = testing_path("append"), *old = testing_path("append.1");
    struct stat s;
    FILE *file = core_file_append(path, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite("one\n", 4, 1, file), 1);
    CU_ASSERT_EQUAL(stat(path, &s), 0); /* unbuffered: already written */
    CU_ASSERT_EQUAL(s.st_size, 4);
    CU_ASSERT_EQUAL(s.st_mode & 07777, 0600);
    CU_ASSERT_FALSE(core_file_moved(file, path));
    CU_ASSERT_FALSE(core_file_torn(path));
    CU_ASSERT_EQUAL(fwrite("two", 3, 1, file), 1);
    CU_ASSERT_TRUE(core_file_torn(path));
    CU_ASSERT_EQUAL(rename(path, old), 0);
    CU_ASSERT_TRUE(core_file_moved(file, path));
    (void)testing_file("append", "", 0, 0600);
    CU_ASSERT_TRUE(core_file_moved(file, path));
    CU_ASSERT_EQUAL(fclose(file), 0);
    CU_ASSERT_EQUAL(chmod(path, 0666), 0);
    CU_ASSERT_PTR_NULL(core_file_append(path, NULL));
}

static void write_to_nobody(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    (void)close(ends[0]);
    CU_ASSERT_EQUAL(write(ends[1], "x", 1), -1);
    CU_ASSERT_EQUAL(errno, EPIPE);
    (void)close(ends[1]);
}

static bool sigpipe_blocked(void)
{
    sigset_t now;
    return pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGPIPE) == 1;
}

static bool sigpipe_pending(void)
{
    sigset_t now;
    return sigpending(&now) == 0 && sigismember(&now, SIGPIPE) == 1;
}

/* Without the handling of SIGPIPE this process would be killed. */
static void sigpipe_suppressed(void)
{
    core_sigpipe state;
    CU_ASSERT_FALSE(sigpipe_blocked());
    for (int i = 0; i < 3; i++) {
        core_sigpipe_block(&state);
        write_to_nobody();
        CU_ASSERT_TRUE(sigpipe_pending());
        core_sigpipe_restore(&state);
        CU_ASSERT_FALSE(sigpipe_blocked());
        CU_ASSERT_FALSE(sigpipe_pending());
    }
    core_sigpipe_restore(&state); /* not active: no effect */
}

static void sigpipe_disposition(void)
{
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_FALSE(core_sigpipe_default());
    (void)signal(SIGPIPE, SIG_DFL);
    CU_ASSERT_TRUE(core_sigpipe_default());
    (void)signal(SIGPIPE, old);
}

/* A SIGPIPE that was pending for the host stays pending, and the host's mask is unchanged. */
static void sigpipe_of_host_stays(void)
{
    static const struct timespec now = {0, 0};
    core_sigpipe state;
    sigset_t pipe_only;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    CU_ASSERT_EQUAL(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL), 0);
    CU_ASSERT_EQUAL(pthread_kill(pthread_self(), SIGPIPE), 0);
    core_sigpipe_block(&state);
    write_to_nobody();
    core_sigpipe_restore(&state);
    CU_ASSERT_TRUE(sigpipe_blocked());
    CU_ASSERT_TRUE(sigpipe_pending());
    CU_ASSERT_EQUAL(sigtimedwait(&pipe_only, NULL, &now), SIGPIPE);
    CU_ASSERT_EQUAL(pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL), 0);
}

static core_lock shared_lock = CORE_LOCK_INIT;

static void *hold_lock(void *gate)
{
    core_lock_acquire(&shared_lock);
    (void)pthread_barrier_wait(gate); /* held */
    (void)pthread_barrier_wait(gate); /* forked */
    core_lock_release(&shared_lock);
    return NULL;
}

static void lock_survives_a_fork(void)
{
    pthread_barrier_t gate;
    pthread_t holder;
    int status = 0;
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&gate, NULL, 2), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&holder, NULL, hold_lock, &gate), 0);
    (void)pthread_barrier_wait(&gate);
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(5); /* a lock from before the fork would block for ever */
        for (int i = 0; i < 3; i++) {
            core_lock_acquire(&shared_lock);
            core_lock_release(&shared_lock);
        }
        _exit(0);
    }
    (void)pthread_barrier_wait(&gate);
    CU_ASSERT_EQUAL(pthread_join(holder, NULL), 0);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)pthread_barrier_destroy(&gate);
}

static const test_case cases[] = {
    {"clocks", clocks},
    {"wall_clock_set_waits_are_as_long", wall_clock_set_waits_are_as_long},
    {"process_and_environment", process_and_environment},
    {"environment_of_the_privileged", environment_of_the_privileged},
    {"modes_of_files", modes_of_files},
    {"errors_name_the_remedy", errors_name_the_remedy},
    {"owners_of_files", owners_of_files},
    {"special_files_refused", special_files_refused},
    {"links", links},
    {"directories_above_a_file", directories_above_a_file},
    {"links_of_others", links_of_others},
    {"relative_path_checked_from_current_directory", relative_path_checked_from_current_directory},
    {"directories_made_in_safe_place_only", directories_made_in_safe_place_only},
    {"reads_whole_files", reads_whole_files},
    {"creates_once", creates_once},
    {"create_over_existing_name_changes_nothing", create_over_existing_name_changes_nothing},
    {"replace_puts_whole_file_under_name", replace_puts_whole_file_under_name},
    {"appends_and_notices_rotation", appends_and_notices_rotation},
    {"sigpipe_suppressed", sigpipe_suppressed},
    {"sigpipe_disposition", sigpipe_disposition},
    {"sigpipe_of_host_stays", sigpipe_of_host_stays},
    {"lock_survives_a_fork", lock_survives_a_fork},
    {NULL, NULL}};
const test_suite core_platform_suite = {.name = "platform", .cases = cases};
