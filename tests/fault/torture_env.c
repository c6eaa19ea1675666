/* SPDX-License-Identifier: Apache-2.0
 *
 * See torture_cli.h. Each run is forked from a process that has loaded nothing, because each use of
 * the command is a process of its own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/memory.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/torture_cli.h"

/* Limit for a hang on a loaded machine; a probe makes RSA keys for some seconds. */
enum { SECONDS = 240, ARGUMENTS = 32, KEY_FD = 9 };

int cli_main(int argc, char **argv); /* the command's main, renamed */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static fault_proxy proxy;
static char dir[256], output_dir[512], token_dir[512];
static unsigned long allocations, failing;

const char *env_dir(void)
{
    return dir;
}

static bool fail_one(size_t size)
{
    (void)size;
    return ++allocations != failing;
}

/* Splits at blanks; V/ and E/ become the directories. */
static int split(const char *line, char *words[ARGUMENTS])
{
    static char room[ARGUMENTS][512];
    static char name[] = "p11ekm";
    int count = 1;

    words[0] = name;
    while (*line != '\0' && count < ARGUMENTS - 1) {
        int length = (int)strcspn(line, " ");
        bool placed = length > 2 && (line[0] == 'V' || line[0] == 'E') && line[1] == '/';
        (void)snprintf(room[count], sizeof room[0], "%s%s%.*s", placed ? dir : "",
                       !placed          ? ""
                       : line[0] == 'V' ? "/var"
                                        : "/etc",
                       placed ? length - 1 : length, placed ? line + 1 : line);
        words[count] = room[count];
        count++;
        line += length;
        line += strspn(line, " ");
    }
    words[count] = NULL;
    return count;
}

static int open_fds(void)
{
    DIR *list = opendir("/proc/self/fd");
    int count = 0;

    while (list != NULL && readdir(list) != NULL)
        count++;
    if (list != NULL)
        (void)closedir(list);
    return count;
}

static void redirect(const char *name, int to)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(
        path, to == STDIN_FILENO || to == KEY_FD ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) {
        (void)dup2(fd, to);
        (void)close(fd);
    }
}

/* From a log of calls, the lines up to the first breach of a rule. */
static void note_breach(char *out, size_t size, const char *log)
{
    const char *breach = strstr(log, "VIOLATION");
    size_t before = breach == NULL ? 0 : (size_t)(breach - log);
    size_t skip = before > size / 2 ? before - size / 2 : 0;
    (void)snprintf(out, size, "%s", log + skip);
}

/* The call that the plan hit, from the fault proxy's log. */
static void note_hit(const fault *f, outcome *o)
{
    const char *line = proxy.log();

    if (f->kind == FAULT_FILE)
        (void)snprintf(o->hit, sizeof o->hit, "%s", file_faults_hit());
    else if (f->kind == FAULT_ALLOCATION)
        (void)snprintf(o->hit, sizeof o->hit, "%s", allocations >= failing ? "allocation" : "");
    for (unsigned long i = 1; f->kind == FAULT_CALL && line != NULL; i++) {
        if (i == f->nth)
            (void)snprintf(o->hit, sizeof o->hit, "%.*s", (int)strcspn(line, " \n"), line);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
}

static void arm(const fault *f, outcome *o)
{
    char plan[96];

    proxy.reset();
    if (f->kind == FAULT_CALL) {
        (void)snprintf(plan, sizeof plan, "call=* nth=%lu rv=%lu", f->nth, f->rv->value);
        (void)proxy.plan(plan);
    }
    failing = f->kind == FAULT_ALLOCATION ? f->nth : 0;
    core_set_alloc_hook(fail_one);
    if (f->kind == FAULT_FILE || f->kind == FAULT_NONE) {
        o->no_faults = !file_faults_start(dir);
        file_faults_plan(f->nth, f->file);
        file_faults_mark(STDOUT_FILENO);
    }
}

static void child(const char *line, const fault *f, outcome *o)
{
    char *words[ARGUMENTS];
    int count = split(line, words);

    (void)alarm(SECONDS);
    redirect("etc/empty", STDIN_FILENO);
    redirect("etc/cek", KEY_FD);
    redirect("stdout", STDOUT_FILENO);
    redirect("stderr", STDERR_FILENO);
    arm(f, o);
    int status = cli_main(count, words);
    core_set_alloc_hook(NULL);
    o->file_calls = file_faults_calls();
    o->calls = proxy.get(NULL);
    o->allocations = allocations;
    o->violations = proxy.violations();
    note_hit(f, o);
    file_faults_plan(0, NULL);
    if (o->violations != 0)
        note_breach(o->log, sizeof o->log, proxy.log());
    o->fds = open_fds();
    o->code = status;
    o->returned = true;
    if (f->kind != FAULT_NONE && f->kind != FAULT_FILE && __lsan_do_recoverable_leak_check != NULL)
        o->leaked = __lsan_do_recoverable_leak_check() != 0;
    _exit(status);
}

static void read_text(const char *name, char *out, size_t size)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    out[file != NULL ? fread(out, 1, size - 1, file) : 0] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

void env_run(const char *line, const fault *f, outcome *out)
{
    static outcome *shared;
    int status = 0;

    if (shared == NULL)
        shared =
            mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(shared, 0, sizeof *shared);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(line, f, shared);
    (void)waitpid(pid, &status, 0);
    shared->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    shared->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    /* What runs after the verb's end is the sanitizer's leak check, which may itself fail. */
    shared->unchecked = shared->returned && shared->status != shared->code;
    if (shared->unchecked)
        shared->status = shared->code;
    read_text("stdout", shared->out, sizeof shared->out);
    read_text("stderr", shared->err, sizeof shared->err);
    memcpy(out, shared, sizeof *out);
}

bool env_take(tree *output, tree *token)
{
    return tree_take(output, output_dir) && tree_take(token, token_dir);
}

bool env_restore(const tree *output, const tree *token)
{
    return tree_restore(output) && tree_restore(token);
}

bool env_token_same(const tree *a, const tree *b)
{
    static const char *const but[] = {"token.object", "token.lock", ".lock", "generation", NULL};
    return tree_same(a, b, but);
}

static bool write_file(const char *name, unsigned mode, const char *text, size_t length)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    bool good = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    return fd >= 0 && close(fd) == 0 && good;
}

/* The module as a file of the environment, so that a check of it is a file operation, too. */
static bool copy_module(void)
{
    static char path[512];
    char *bytes = malloc(8u << 20);
    FILE *from = fopen(getenv("MODULE"), "rb");
    size_t length = from != NULL && bytes != NULL ? fread(bytes, 1, 8u << 20, from) : 0;

    if (from != NULL)
        (void)fclose(from);
    bool good = length > 0 && write_file("etc/module.so", 0700, bytes, length);
    free(bytes);
    (void)snprintf(path, sizeof path, "%s/etc/module.so", dir);
    return good && setenv("MODULE", path, 1) == 0 && fault_proxy_load(&proxy);
}

static bool write_config(void)
{
    char text[4096], conf[512];
    const char *pin = getenv("PIN");
    int length =
        snprintf(text, sizeof text,
                 "module = %s/etc/module.so\nmodule_loader = direct\n"
                 "log = %s/var/log\nlog_level = debug\naudit = %s/var/audit\n"
                 "session_wait_ms = 2000\n[token main]\ntoken = %s\npin_file = %s/etc/pin\n",
                 dir, dir, dir, getenv("TOKEN"), dir);

    (void)snprintf(conf, sizeof conf, "%s/etc/p11ekm.conf", dir);
    return write_file("etc/p11ekm.conf", 0600, text, (size_t)length) &&
           write_file("etc/pin", 0600, pin, strlen(pin)) &&
           write_file("etc/cek", 0600, "0123456789abcdef0123456789abcdef", 32) &&
           write_file("etc/empty", 0600, "", 0) && setenv("P11EKM_CONF", conf, 1) == 0;
}

static bool make_directories(void)
{
    const char *token = getenv("TOKEN_DIR");
    char path[512];

    (void)snprintf(dir, sizeof dir, "%s/env", token);
    (void)snprintf(output_dir, sizeof output_dir, "%s/var", dir);
    (void)snprintf(token_dir, sizeof token_dir, "%s/tokens", token);
    (void)snprintf(path, sizeof path, "%s/etc", dir);
    return mkdir(dir, 0700) == 0 && mkdir(output_dir, 0700) == 0 && mkdir(path, 0700) == 0;
}

static bool set_up(const char *line, const char *to)
{
    static outcome o;
    const fault none = {.kind = FAULT_NONE};

    env_run(line, &none, &o);
    if (o.status != 0)
        printf("FAILED: %s: %d\n%s%s", line, o.status, o.out, o.err);
    return o.status == 0 && (to == NULL || write_file(to, 0600, o.out, strlen(o.out)));
}

/* Makes the input of `cmk verify`: the row that the database would export, from the T-SQL. */
static bool make_master_keys(void)
{
    static char sql[65536], text[65536];

    if (!set_up("cmk sql old --cmk Old --enclave", "etc/sql"))
        return false;
    read_text("etc/sql", sql, sizeof sql);
    const char *path = strstr(sql, "N'pkcs11:"), *hex = strstr(sql, "0x");
    if (path == NULL || hex == NULL)
        return false;
    int length = snprintf(text, sizeof text,
                          "{\"cmk\":\"Old\",\"provider\":\"PKCS11_KEY_STORE\",\"path\":\"%.*s\","
                          "\"signature\":\"%.*s\"}\n",
                          (int)strcspn(path + 2, "'"), path + 2, (int)strcspn(hex, ")"), hex);
    return write_file("etc/masters.json", 0600, text, (size_t)length);
}

bool env_make(void)
{
    static char values[65536];

    if (!make_directories() || !copy_module() || !write_config()) {
        printf("FAILED: the environment cannot be made\n");
        return false;
    }
    if (!set_up("key create aes --algorithm AES_256", NULL) ||
        !set_up("key create gone --algorithm AES_128", NULL) ||
        !set_up("key retire gone --yes gone", NULL) ||
        !set_up("cmk create old --algorithm RSA_2048", NULL) ||
        !set_up("cmk create new --algorithm RSA_2048", NULL) ||
        !set_up("cek create One --key old --cmk Old", "etc/one") ||
        !set_up("cek create Two --key old --cmk Old", "etc/two") || !make_master_keys())
        return false;
    read_text("etc/one", values, sizeof values);
    size_t length = strlen(values);
    read_text("etc/two", values + length, sizeof values - length);
    return write_file("etc/values.json", 0600, values, strlen(values));
}
