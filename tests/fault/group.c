/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of tokens: two SoftHSM tokens, each behind its own p11-kit server, joined to one module by
 * pair_module.c; see setup-pair.sh.
 *
 *   with-token pair group SETUP-SCRIPT [SUITE... | load SECONDS]
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "core/platform.h"
#include "tests/fault/group.h"

extern char **environ;

static const char *script;
static char log_path[512];
static const uint8_t plain[] = "a database encryption key, or so";

bool grp_setup(const char *verb)
{
    pid_t pid;
    int status = -1;
    char *const argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)verb,
                          (char *)(uintptr_t)getenv("TOKEN_DIR"), NULL};

    return posix_spawn(&pid, script, NULL, NULL, argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

unsigned grp_logged(const char *text)
{
    size_t length = 0;
    unsigned count = 0;
    char *log = testing_read(log_path, &length);

    for (const char *at = log; at != NULL && (at = strstr(at, text)) != NULL; at++)
        count++;
    free(log);
    return count;
}

const char *grp_config(const char *globals, const char *lines)
{
    char text[2048];
    const char *path = testing_path("group.conf");

    snprintf(log_path, sizeof log_path, "%s", testing_path("group.log"));
    (void)remove(path);
    (void)remove(log_path);
    int length =
        snprintf(text, sizeof text,
                 "module = %s\nlog = %s\nlog_level = info\nstartup_tries = 1\n"
                 "shared_reset_seconds = 1\nsession_wait_ms = 4000\n%s"
                 "[token zero]\ntoken = %s\n[token one]\ntoken = %s\n"
                 "[token ha]\nekm_keys = shared\nmembers = zero, one\n%s",
                 getenv("MODULE"), log_path, globals, getenv("TOKEN"), getenv("TOKEN_1"), lines);
    return core_file_create(path, text, (size_t)length, NULL) == ST_OK ? path : NULL;
}

core_status grp_login(tok_token *token, const char *pin, core_err *err)
{
    return tok_token_login(token, pin, strlen(pin), err);
}

bool grp_open(grp_fixture *w, const char *lines)
{
    return grp_open_with(w, "", lines);
}

bool grp_open_with(grp_fixture *w, const char *globals, const char *lines)
{
    core_err err = {0};

    memset(w, 0, sizeof *w);
    w->cipher_len = sizeof w->cipher;
    bool good =
        tok_context_open(grp_config(globals, lines), &w->ctx, &err) == ST_OK &&
        tok_token_find(w->ctx, "ha", &w->group, &err) == ST_OK &&
        grp_login(w->group, getenv("PIN"), &err) == ST_OK &&
        tok_key_by_name(w->group, "shared", &w->rsa, &err) == ST_OK &&
        tok_encrypt(w->rsa, NULL, 0, plain, sizeof plain, w->cipher, &w->cipher_len, &err) == ST_OK;
    if (!good)
        fprintf(stderr, "%s\n", err.text);
    return good;
}

void grp_close(grp_fixture *w)
{
    tok_key_release(w->rsa);
    tok_token_logout(w->group);
    tok_token_release(w->group);
    tok_context_close(w->ctx);
}

core_status grp_decrypt(grp_fixture *w, core_err *err)
{
    return grp_decrypt_by(w, NULL, err);
}

core_status grp_decrypt_by(grp_fixture *w, tok_key *key, core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(key != NULL ? key : w->rsa, NULL, 0, w->cipher, w->cipher_len, out,
                                 &out_len, err);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;

    return st == ST_OK && !right ? ST_FAILURE : st;
}

bool grp_served_by(grp_fixture *w, const char *member)
{
    core_err err = {0};
    core_status st = grp_decrypt(w, &err);

    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    return st == ST_OK && err.served_by != NULL && strcmp(err.served_by, member) == 0;
}

long grp_until(grp_fixture *w, const char *member, unsigned most_ms)
{
    uint64_t from = core_now_us();

    for (;;) {
        core_err err = {0};
        if (grp_decrypt(w, &err) == ST_OK && strcmp(err.served_by, member) == 0)
            return (long)((core_now_us() - from) / 1000);
        if (core_now_us() - from > (uint64_t)most_ms * 1000) {
            fprintf(stderr, "still: %s\n", err.text);
            return -1;
        }
        core_sleep_ms(20);
    }
}

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_policy, &suite_failover, &suite_front_ends,
                                               &suite_faults, &suite_module};

    if (getenv("MODULE") == NULL || getenv("TOKEN_1") == NULL || argc < 2) {
        printf("SKIPPED: no pair of tokens: run it by tests/tokens/with-token\n");
        return 77;
    }
    script = argv[1];
    if (argc == 4 && strcmp(argv[2], "load") == 0)
        return grp_load((unsigned)strtoul(argv[3], NULL, 10));
    argv[1] = argv[0];
    return testing_main(argc - 1, argv + 1, suites, sizeof suites / sizeof suites[0]);
}
