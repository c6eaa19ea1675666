/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's life in a host: loaded, initialised, used, freed and unloaded many times.
 * Afterwards memory, threads, file descriptors, signal dispositions, locale and environment are as
 * before.
 *
 *   life_ekm LIBRARY [CYCLES]      (1000 unless given), run by with-token
 */
#include <dirent.h>
#include <dlfcn.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ekm/sqlcp.h"
#include "token_conf.h"

extern char **environ;

typedef struct footprint {
    long resident_kib;
    unsigned threads, descriptors, handlers, variables;
    char locale[64];
} footprint;

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static long resident(void)
{
    long kib = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib;
}

static footprint look(void)
{
    footprint f = {.resident_kib = resident(),
                   .threads = entries("/proc/self/task"),
                   .descriptors = entries("/proc/self/fd")};
    for (int s = 1; s < SIGRTMIN; s++) {
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            f.handlers++;
    }
    while (environ[f.variables] != NULL)
        f.variables++;
    snprintf(f.locale, sizeof f.locale, "%s", setlocale(LC_ALL, NULL));
    return f;
}

static SqlCpStr wide(const char *text, uint16_t *out)
{
    SqlCpStr s = {(SqlCpUlong)strlen(text) * 2, out};
    for (size_t i = 0; text[i] != '\0'; i++)
        out[i] = (uint16_t)text[i];
    return s;
}

#define RESOLVE(type, name) *(void **)&(name) = dlsym(library, "SqlCrypt" #name)

static bool cycle(const char *path, bool use)
{
    SqlCpError (*InitializeProvider)(void);
    SqlCpError (*FreeProvider)(void);
    SqlCpError (*OpenSession)(const SqlCpCredential *, SqlCpSession *);
    SqlCpError (*CloseSession)(SqlCpSession *, SqlCpBoolean);
    uint16_t name[64];
    uint16_t pin[64];
    SqlCpCredential credential = {wide("test", name), wide(getenv("PIN"), pin)};
    SqlCpSession session = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    bool good;

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    RESOLVE(SqlCpError, InitializeProvider);
    RESOLVE(SqlCpError, FreeProvider);
    RESOLVE(SqlCpError, OpenSession);
    RESOLVE(SqlCpError, CloseSession);
    good = InitializeProvider() == scp_err_Success;
    if (good && use) {
        good = OpenSession(&credential, &session) == scp_err_Success;
        /* Half of the sessions stay open for Free to close. */
        if (good && ((uintptr_t)session & 1) != 0)
            good = CloseSession(&session, 0) == scp_err_Success;
    }
    good = FreeProvider() == scp_err_Success && good;
    return dlclose(library) == 0 && good;
}

int main(int argc, char **argv)
{
    unsigned cycles = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;
    enum { WARM = 50, SLACK_KIB = 1024 };

    if (getenv("MODULE") == NULL || argc < 2) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    footprint before = look();
    footprint warm = before;
    if (!token_conf_make(""))
        return 1;
    before = look();
    for (unsigned i = 0; i < cycles; i++) {
        if (!cycle(argv[1], i % 4 == 0)) {
            printf("FAILED in cycle %u\n", i);
            return 1;
        }
        if (i == WARM)
            warm = look();
    }
    footprint after = look();
    token_conf_remove();
    printf("%u cycles: resident %ld KiB, %ld after %d, %ld after all; threads %u, descriptors %u "
           "to %u\n",
           cycles, before.resident_kib, warm.resident_kib, (int)WARM, after.resident_kib,
           after.threads - 2, warm.descriptors - 3, after.descriptors - 3);
    bool same = after.threads == before.threads && after.descriptors == warm.descriptors &&
                after.handlers == before.handlers && after.variables == before.variables &&
                strcmp(after.locale, before.locale) == 0;
    bool leaks = cycles > WARM && after.resident_kib > warm.resident_kib + SLACK_KIB;
    if (!same || leaks)
        printf("FAILED: the host is not what it was\n");
    return same && !leaks ? 0 : 1;
}
