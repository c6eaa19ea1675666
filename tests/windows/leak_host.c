/* SPDX-License-Identifier: Apache-2.0
 *
 * A host that loads p11ekm.dll as SQL Server does and measures what stays behind in the process:
 * busy blocks of all heaps, and free slots of thread-local storage.
 *
 *   leak_host DLL rounds N     load, Initialize, open and close a session, Free, unload: N times
 *   leak_host DLL threads N    N threads, one after the other, each opens and closes a session
 *   leak_host DLL make NAME    makes an AES key with the PIN of pin_file (an empty SECRET), or
 * fails leak_host DLL copies DLL2  two copies on one module, as in an upgrade without a restart:
 * the first is freed while the second is initialised; prints how long the second then takes to open
 * a session leak_host DLL pinned       whether the DLL stays loaded after the last FreeLibrary
 *
 * The first WARM_UP repetitions are not measured. Prints "blocks +N, TLS slots -N". The session is
 * opened with IDENTITY "soft" and SECRET "1234".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include "ekm/sqlcp.h"

enum { WARM_UP = 5, SLOTS = 2048 };

#define MEMBER(state, name, parameters) SqlCpError(*name) parameters;
static struct exports {
    SQLCP_EXPORTS(MEMBER)
} cp;
static HMODULE dll;

static void need(unsigned long got, const char *what)
{
    if (got != 0) {
        fprintf(stderr, "%s: %lu\n", what, got);
        exit(1);
    }
}

static void load(const char *path)
{
    dll = LoadLibraryExA(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    need(dll == NULL ? GetLastError() : 0, path);
#define RESOLVE(state, name, parameters)                       \
    do {                                                       \
        const FARPROC found = GetProcAddress(dll, #name);      \
        need(found == NULL ? GetLastError() : 0, "no " #name); \
        memcpy(&cp.name, &found, sizeof cp.name);              \
    } while (0);
    SQLCP_EXPORTS(RESOLVE)
}

static DWORD WINAPI open_and_close(void *unused)
{
    SqlCpWchar identity[] = {'s', 'o', 'f', 't'}, secret[] = {'1', '2', '3', '4'};
    const SqlCpCredential credential = {{sizeof identity, identity}, {sizeof secret, secret}};
    SqlCpSession session = NULL;
    (void)unused;
    need(cp.SqlCryptOpenSession(&credential, &session), "SqlCryptOpenSession");
    need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
    return 0;
}

static void load_and_unload(const char *path)
{
    load(path);
    need(cp.SqlCryptInitializeProvider(), "SqlCryptInitializeProvider");
    (void)open_and_close(NULL);
    need(cp.SqlCryptFreeProvider(), "SqlCryptFreeProvider");
    need(!FreeLibrary(dll), "FreeLibrary");
}

static void run_thread(const char *unused)
{
    (void)unused;
    HANDLE thread = CreateThread(NULL, 0, open_and_close, NULL, 0, NULL);
    need(thread == NULL ? GetLastError() : 0, "CreateThread");
    need(WaitForSingleObject(thread, INFINITE), "WaitForSingleObject");
    (void)CloseHandle(thread);
}

static size_t busy_blocks(void)
{
    HANDLE heaps[64];
    size_t blocks = 0;
    const DWORD count = GetProcessHeaps(64, heaps);
    need(count > 64, "heaps");
    for (DWORD i = 0; i < count; i++) {
        PROCESS_HEAP_ENTRY entry = {.lpData = NULL};
        (void)HeapLock(heaps[i]);
        while (HeapWalk(heaps[i], &entry))
            blocks += (entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0;
        (void)HeapUnlock(heaps[i]);
    }
    return blocks;
}

static unsigned free_slots(void)
{
    static DWORD slots[SLOTS];
    unsigned count = 0;
    while (count < SLOTS && (slots[count] = TlsAlloc()) != TLS_OUT_OF_INDEXES)
        count++;
    for (unsigned i = 0; i < count; i++)
        (void)TlsFree(slots[i]);
    return count;
}

/* Exit status 1 prints the provider's code, which a script reads. */
static int make_key(const char *name)
{
    enum { AES_256 = 6 };
    SqlCpWchar identity[] = {'h', 's', 'm'}, secret[1] = {0}, wide[64];
    SqlCpByte thumb[32];
    const SqlCpCredential credential = {{sizeof identity, identity}, {0, secret}};
    SqlCpStr key = {0, wide};
    SqlCpSession session = NULL;
    SqlCpKeyThumbprint made = {sizeof thumb, thumb};
    for (size_t i = 0; name[i] != '\0' && i < 64; i++)
        wide[i] = (SqlCpWchar)name[i];
    key.cb = (SqlCpUlong)(strlen(name) * sizeof *wide);
    need(cp.SqlCryptInitializeProvider(), "SqlCryptInitializeProvider");
    need(cp.SqlCryptOpenSession(&credential, &session), "SqlCryptOpenSession");
    need(cp.SqlCryptCreateKey(&session, &key, AES_256, 0, &made), "SqlCryptCreateKey");
    need(cp.SqlCryptCloseSession(&session, 0), "SqlCryptCloseSession");
    need(cp.SqlCryptFreeProvider(), "SqlCryptFreeProvider");
    printf("made %s\n", name);
    return 0;
}

/* The second copy finds the module initialised; the first, when it is freed, finalises it. */
static int use_two_copies(const char *first, const char *second)
{
    load(first);
    need(cp.SqlCryptInitializeProvider(), "first SqlCryptInitializeProvider");
    (void)open_and_close(NULL);
    const struct exports one = cp;
    load(second);
    need(cp.SqlCryptInitializeProvider(), "second SqlCryptInitializeProvider");
    need(one.SqlCryptFreeProvider(), "first SqlCryptFreeProvider");
    const DWORD start = GetTickCount();
    (void)open_and_close(NULL);
    printf("opened after %lu s\n", (GetTickCount() - start) / 1000);
    need(cp.SqlCryptFreeProvider(), "second SqlCryptFreeProvider");
    return 0;
}

static int measure(void (*step)(const char *), const char *path, unsigned long times)
{
    for (unsigned i = 0; i < WARM_UP; i++)
        step(path);
    (void)free_slots(); /* Windows allocates the higher slots once */
    const size_t blocks = busy_blocks();
    const unsigned slots = free_slots();
    for (unsigned long i = 0; i < times; i++)
        step(path);
    printf("blocks %+lld, TLS slots %+d\n", (long long)busy_blocks() - (long long)blocks,
           (int)free_slots() - (int)slots);
    return 0;
}

int main(int argc, char **argv)
{
    int result = 2;
    if (argc == 4 && strcmp(argv[2], "rounds") == 0) {
        result = measure(load_and_unload, argv[1], strtoul(argv[3], NULL, 10));
    } else if (argc == 4 && strcmp(argv[2], "threads") == 0) {
        load(argv[1]);
        need(cp.SqlCryptInitializeProvider(), "SqlCryptInitializeProvider");
        result = measure(run_thread, NULL, strtoul(argv[3], NULL, 10));
        need(cp.SqlCryptFreeProvider(), "SqlCryptFreeProvider");
    } else if (argc == 4 && strcmp(argv[2], "make") == 0) {
        load(argv[1]);
        result = make_key(argv[3]);
    } else if (argc == 4 && strcmp(argv[2], "copies") == 0) {
        result = use_two_copies(argv[1], argv[3]);
    } else if (argc == 3 && strcmp(argv[2], "pinned") == 0) {
        load(argv[1]);
        need(!FreeLibrary(dll), "FreeLibrary");
        printf("%s\n", GetModuleHandleA("p11ekm.dll") == NULL ? "unloaded" : "stays");
        result = 0;
    } else {
        fprintf(stderr, "usage: %s DLL rounds N|threads N|make NAME|copies DLL2|pinned\n", argv[0]);
    }
    return result;
}
