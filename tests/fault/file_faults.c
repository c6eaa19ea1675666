/* SPDX-License-Identifier: Apache-2.0
 *
 * See file_faults.h.
 */
#include "tests/fault/file_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const file_fault file_fault_list[] = {
    {"EIO", EIO, false, true},         {"ENOSPC", ENOSPC, false, false},
    {"EACCES", EACCES, false, false},  {"EINTR", EINTR, false, true},
    {"EMFILE", EMFILE, false, false},  {"half", 0, false, true},
    {"full disk", ENOSPC, true, true}, {NULL, 0, false, false},
};

static struct {
    char directory[256];
    size_t length;
    unsigned long calls, nth;
    const file_fault *fault;
    bool full; /* since a fault that persists */
    const char *hit;
    bool fds[1024];
} state = {.hit = ""};

void file_faults_plan(unsigned long nth, const file_fault *fault)
{
    state.nth = fault != NULL ? nth : 0;
    state.fault = fault;
}

void file_faults_mark(int fd)
{
    if (fd >= 0 && (size_t)fd < sizeof state.fds)
        state.fds[fd] = true;
}

unsigned long file_faults_calls(void)
{
    return state.calls;
}

const char *file_faults_hit(void)
{
    return state.hit;
}

#if defined(__linux__) && defined(__x86_64__)
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* How a call names its file (the descriptor or path in the first parameter, or a directory and a
 * path), and what it does to the file. */
typedef enum named { BY_FD, BY_PATH, BY_AT } named;
typedef enum effect { LOOKS, OPENS, CLOSES, READS, WRITES, CHANGES } effect;

static const struct operation {
    int number;
    const char *name;
    named named;
    effect effect;
} operations[] = {
    {SYS_open, "open", BY_PATH, OPENS},
    {SYS_openat, "open", BY_AT, OPENS},
    {SYS_creat, "open", BY_PATH, OPENS},
    {SYS_close, "close", BY_FD, CLOSES},
    {SYS_read, "read", BY_FD, READS},
    {SYS_pread64, "read", BY_FD, READS},
    {SYS_write, "write", BY_FD, WRITES},
    {SYS_pwrite64, "write", BY_FD, WRITES},
    {SYS_fsync, "fsync", BY_FD, CHANGES},
    {SYS_fdatasync, "fsync", BY_FD, CHANGES},
    {SYS_ftruncate, "truncate", BY_FD, CHANGES},
    {SYS_flock, "flock", BY_FD, LOOKS},
    {SYS_fchmod, "chmod", BY_FD, LOOKS},
    {SYS_getdents64, "list", BY_FD, LOOKS},
    {SYS_fstat, "stat", BY_FD, LOOKS},
    {SYS_stat, "stat", BY_PATH, LOOKS},
    {SYS_lstat, "stat", BY_PATH, LOOKS},
    {SYS_newfstatat, "stat", BY_AT, LOOKS},
    {SYS_access, "stat", BY_PATH, LOOKS},
    {SYS_faccessat, "stat", BY_AT, LOOKS},
    {SYS_readlink, "readlink", BY_PATH, LOOKS},
    {SYS_readlinkat, "readlink", BY_AT, LOOKS},
    {SYS_rename, "rename", BY_PATH, CHANGES},
    {SYS_renameat, "rename", BY_AT, CHANGES},
    {SYS_renameat2, "rename", BY_AT, CHANGES},
    {SYS_unlink, "unlink", BY_PATH, LOOKS},
    {SYS_unlinkat, "unlink", BY_AT, LOOKS},
    {SYS_mkdir, "mkdir", BY_PATH, CHANGES},
    {SYS_mkdirat, "mkdir", BY_AT, CHANGES},
    {SYS_fcntl, "lock", BY_FD, LOOKS},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* Makes the system call from an address outside the C library, which the filter lets pass. */
static long direct(const long a[7])
{
    register long r10 __asm__("r10") = a[4];
    register long r8 __asm__("r8") = a[5];
    register long r9 __asm__("r9") = a[6];
    long result = a[0];

    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a[1]), "S"(a[2]), "d"(a[3]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static bool fd_counts(long fd)
{
    return fd >= 0 && (size_t)fd < sizeof state.fds && state.fds[fd];
}

static bool path_counts(const char *path)
{
    return path != NULL && strncmp(path, state.directory, state.length) == 0 &&
           (path[state.length] == '/' || path[state.length] == '\0');
}

static bool counts(const struct operation *o, const long a[7])
{
    if (o->number == SYS_fcntl && a[2] != F_SETLK && a[2] != F_SETLKW)
        return false;
    if (o->named == BY_FD)
        return fd_counts(a[1]);
    const char *path =
        (const char *)a[o->named == BY_PATH ? 1 : 2]; /* NOLINT: the address of the path is a
                                                         parameter of the system call */
    return path_counts(path) || (o->named == BY_AT && path != NULL && !*path && fd_counts(a[1]));
}

/* Moves half of the bytes: a short read or write. A single byte cannot be halved. */
static long half(const long a[7])
{
    long less[7];

    memcpy(less, a, sizeof less);
    if (less[3] > 1)
        less[3] /= 2;
    return direct(less);
}

static long faulty(const struct operation *o, const long a[7], const file_fault *fault)
{
    bool moves = o->effect == READS || o->effect == WRITES;

    state.hit = o->name;
    if (fault->stays && !state.full) {
        state.full = true;
        return o->effect == WRITES && a[3] > 1 ? half(a) : direct(a);
    }
    if (fault->error == 0)
        return moves ? half(a) : direct(a);
    if (o->effect == CLOSES)
        (void)direct(a); /* Linux closes it whatever close() returns */
    return -fault->error;
}

static long served(const struct operation *o, const long a[7])
{
    bool makes = o->effect == OPENS && (a[o->named == BY_AT ? 3 : 2] & O_CREAT) != 0;

    if (++state.calls == state.nth)
        return faulty(o, a, state.fault);
    if (state.full && (o->effect == WRITES || o->effect == CHANGES || makes))
        return -ENOSPC;
    return direct(a);
}

static void trapped(int signal, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const long a[7] = {info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX],
                       r[REG_R10],       r[REG_R8],  r[REG_R9]};
    const struct operation *o = operations;

    (void)signal;
    while (o->number != info->si_syscall)
        o++;
    bool mine = counts(o, a);
    long result = mine ? served(o, a) : direct(a);
    if (o->effect == OPENS && result >= 0 && (size_t)result < sizeof state.fds)
        state.fds[result] = mine;
    if (o->effect == CLOSES && fd_counts(a[1]))
        state.fds[a[1]] = false;
    r[REG_RAX] = result;
}

typedef struct range {
    uint64_t of, from, to; /* address searched for, and the segment that contains it */
} range;

static int find_code(struct dl_phdr_info *info, size_t size, void *out)
{
    range *r = out;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t from = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || r->of < from ||
            r->of >= from + p->p_memsz)
            continue;
        r->from = from;
        r->to = from + p->p_memsz;
        return 1;
    }
    return 0;
}

/* The address of any function of the C library shows where its code is. */
static bool find_libc(range *r)
{
    *r = (range){.of = (uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version")};
    return r->of != 0 && dl_iterate_phdr(find_code, r) == 1 && r->from >> 32 == (r->to - 1) >> 32;
}

/* Traps the listed operations that come from the range and lets all others pass. */
static bool install(const range *r)
{
    enum { HEAD = 6, IP = offsetof(struct seccomp_data, instruction_pointer) };
    struct sock_filter f[HEAD + OPERATIONS + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(r->from >> 32), 0, OPERATIONS + 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)r->from, 0, OPERATIONS + 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)r->to, OPERATIONS + 1, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    const struct sock_fprog program = {HEAD + OPERATIONS + 2, f};

    for (unsigned i = 0; i < OPERATIONS; i++)
        f[HEAD + i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)operations[i].number,
                                         (uint8_t)(OPERATIONS - i), 0);
    f[HEAD + OPERATIONS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    f[HEAD + OPERATIONS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool file_faults_start(const char *directory)
{
    const struct sigaction action = {.sa_sigaction = trapped,
                                     .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
    range libc;

    state.length = strlen(directory);
    if (state.length == 0 || state.length >= sizeof state.directory || !find_libc(&libc))
        return false;
    memcpy(state.directory, directory, state.length + 1);
    return sigaction(SIGSYS, &action, NULL) == 0 && install(&libc);
}
#else
bool file_faults_start(const char *directory)
{
    (void)directory;
    return false;
}
#endif
