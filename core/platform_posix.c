/* SPDX-License-Identifier: Apache-2.0
 *
 * POSIX systems: time, process, environment, syslog, secret pages and SIGPIPE. Files are in
 * platform_posix_file.c.
 */
#include "core/platform.h"

#include <errno.h>
#include <stdatomic.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

uint64_t core_now_us(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* The broken-down time in UTC; all zero if the clock is out of range. */
static void utc_now(struct tm *out, unsigned *microseconds)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, out) == NULL)
        *out = (struct tm){.tm_mday = 1};
    *microseconds = (unsigned)(now.tv_nsec / 1000);
}

void core_utc_text(char out[28])
{
    struct tm t;
    unsigned us = 0;
    char text[96]; /* large enough for any int, as the compiler assumes */
    utc_now(&t, &us);
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", t.tm_year + 1900,
                   t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, us);
    text[27] = '\0';
    memcpy(out, text, 28);
}

uint32_t core_utc_date(void)
{
    struct tm t;
    unsigned us = 0;
    utc_now(&t, &us);
    return (uint32_t)((t.tm_year + 1900) * 10000 + (t.tm_mon + 1) * 100 + t.tm_mday);
}

void core_sleep_ms(unsigned milliseconds)
{
    struct timespec left = {.tv_sec = (time_t)(milliseconds / 1000),
                            .tv_nsec = (long)(milliseconds % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* The process id is cached in a page that the kernel clears in the child of a fork
 * (MADV_WIPEONFORK), so that reading it needs no system call: each operation asks several times.
 * Without such a page the kernel is asked each time. The page is kept until the process ends. */
typedef struct process_page {
    _Atomic uint32_t id; /* 0: not asked yet in this process */
} process_page;

static _Atomic(process_page *) fork_page;
static process_page no_page; /* stands for "there is no such page"; its id stays 0 */

static process_page *make_fork_page(void)
{
    process_page *page = NULL;
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool good = fresh != MAP_FAILED && madvise(fresh, size, MADV_WIPEONFORK) == 0;
    process_page *made = good ? (process_page *)fresh : &no_page;
    const bool first = atomic_compare_exchange_strong(&fork_page, &page, made);
    if (fresh != MAP_FAILED && (!good || !first))
        munmap(fresh, size);
    return first ? made : page;
}

static CORE_COLD uint32_t ask_process_id(process_page *page)
{
    const uint32_t id = (uint32_t)getpid();
    if (page == NULL)
        page = make_fork_page();
    if (page != &no_page)
        atomic_store_explicit(&page->id, id, memory_order_relaxed);
    return id;
}

uint32_t core_process_id(void)
{
    process_page *page = atomic_load_explicit(&fork_page, memory_order_acquire);
    const uint32_t id = page != NULL ? atomic_load_explicit(&page->id, memory_order_relaxed) : 0;
    return id != 0 ? id : ask_process_id(page);
}

bool core_process_privileged(void)
{
    return getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid();
}

const char *core_env(const char *name)
{
    return core_process_privileged() ? NULL : getenv(name);
}

const char *core_default_config_path(void)
{
    return "/etc/p11ekm/p11ekm.conf";
}

bool core_path_absolute(const char *path)
{
    return path[0] == '/';
}

/* openlog is not called: it would change the ident of the host's own lines. */
void core_system_log(int severity, const char *line)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO};
    syslog(LOG_DAEMON | priorities[severity < 0 || severity > 2 ? 2 : severity], "p11ekm: %s",
           line);
}

/* A mapping: guard page, pages, guard page. The buffer ends at the second guard page (aligned to 16
 * bytes), so that a write beyond its end is trapped at once. */
enum { PAGE_ALIGN = 16 };

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *core_pages_map(size_t size, bool *locked)
{
    const size_t page = page_size();
    const size_t inner = round_up(size, page);
    *locked = false;
    if (size == 0 || inner < size)
        return NULL;
    uint8_t *base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    uint8_t *pages = base + page;
    if (mprotect(pages, inner, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(base, inner + 2 * page);
        return NULL;
    }
    (void)madvise(pages, inner, MADV_DONTDUMP);
    *locked = mlock(pages, inner) == 0;
    return pages + (inner - round_up(size, PAGE_ALIGN));
}

void core_pages_unmap(void *pages, size_t size)
{
    if (pages == NULL)
        return;
    const size_t page = page_size();
    const size_t inner = round_up(size, page);
    uint8_t *start = (uint8_t *)pages - (inner - round_up(size, PAGE_ALIGN));
    core_wipe(start, inner);
    (void)munmap(start - page, inner + 2 * page); /* this also unlocks the pages */
}

bool core_pages_wipe_on_fork(void *pages, size_t size)
{
    const size_t inner = round_up(size, page_size());
    uint8_t *start = (uint8_t *)pages - (inner - round_up(size, PAGE_ALIGN));
    return madvise(start, inner, MADV_WIPEONFORK) == 0;
}

const char *core_pages_advice(void)
{
    return "raise the limit for locked memory: LimitMEMLOCK=infinity in the unit of the service, "
           "or "
           "memlock in limits.conf";
}

void *core_host_alloc(size_t size)
{
    return calloc(1, size);
}

void core_host_free(void *block)
{
    free(block);
}

static void only_sigpipe(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGPIPE);
}

bool core_sigpipe_default(void)
{
    struct sigaction now;
    return sigaction(SIGPIPE, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
           now.sa_handler == SIG_DFL;
}

void core_sigpipe_block(core_sigpipe *state)
{
    sigset_t pipe_only, old, pending;
    *state = (core_sigpipe){0};
    only_sigpipe(&pipe_only);
    if (pthread_sigmask(SIG_BLOCK, &pipe_only, &old) != 0)
        return;
    state->active = true;
    state->blocked_before = sigismember(&old, SIGPIPE) == 1;
    /* Only a thread that had it blocked before can have one waiting that is not ours. */
    if (state->blocked_before && sigpending(&pending) == 0)
        state->pending_before = sigismember(&pending, SIGPIPE) == 1;
}

/* Only SIGPIPE is restored; other signal-mask changes by the module are left alone. */
void core_sigpipe_restore(core_sigpipe *state)
{
    static const struct timespec now = {0, 0};
    sigset_t pipe_only, pending;
    if (!state->active)
        return;
    const int saved_errno = errno;
    only_sigpipe(&pipe_only);
    if (!state->pending_before && sigpending(&pending) == 0 &&
        sigismember(&pending, SIGPIPE) == 1) {
        while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR)
            ;
    }
    if (!state->blocked_before)
        (void)pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
    state->active = false;
    errno = saved_errno;
}
