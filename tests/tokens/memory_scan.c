/* SPDX-License-Identifier: Apache-2.0
 *
 * Column encryption keys are never in our memory. The token is in another process (p11-kit's
 * server), so all memory of this process is ours: one process has a key generated, wrapped and
 * rewrapped inside the token; another learns the key afterwards and searches all memory of the
 * first. As a control, a third process decrypts the key in software and keeps it: there the search
 * must find it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/tokens/token_suite.h"

enum { KEY_LEN = 32, WRAPPED_MOST = 512, CHUNK = 1 << 20 };
enum { CMK = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP };

typedef struct answer {
    core_status made, rewrapped;
    uint8_t wrapped[WRAPPED_MOST];
    size_t wrapped_len;
} answer;

static tok_context *ctx;
static tok_token *token;
static tok_key *first;
static tok_key *second;

/* --- the processes whose memory is searched --- */

static void make_inside(answer *a)
{
    uint8_t again[WRAPPED_MOST];
    size_t again_len = sizeof again;

    a->wrapped_len = sizeof a->wrapped;
    a->made = tok_wrap_new(first, KEY_LEN, a->wrapped, &a->wrapped_len, NULL);
    if (a->made == ST_OK)
        a->rewrapped =
            tok_rewrap(first, second, a->wrapped, a->wrapped_len, KEY_LEN, again, &again_len, NULL);
}

/* The control: keeps a copy of the key. */
static void make_and_keep(answer *a)
{
    static uint8_t kept[WRAPPED_MOST];
    size_t kept_len = sizeof kept;

    make_inside(a);
    if (a->made == ST_OK)
        a->made = tok_rsa_decrypt(first, CORE_PAD_OAEP_SHA1, a->wrapped, a->wrapped_len, kept,
                                  &kept_len, NULL);
}

/* Starts a process that works, sends its answer, and stays until it is told to end. */
static pid_t start_process(void (*work)(answer *), answer *a, int *until)
{
    int result[2];
    int end[2];

    if (pipe(result) != 0 || pipe(end) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        char wait_for;
        answer own;
        memset(&own, 0, sizeof own);
        close(end[1]);
        work(&own);
        ssize_t sent = write(result[1], &own, sizeof own);
        (void)!read(end[0], &wait_for, 1);
        _exit(sent == (ssize_t)sizeof own ? 0 : 1);
    }
    close(result[1]);
    close(end[0]);
    *until = end[1];
    bool got = child > 0 && read(result[0], a, sizeof *a) == (ssize_t)sizeof *a;
    close(result[0]);
    return got ? child : -1;
}

static void end_process(pid_t child, int until)
{
    close(until);
    (void)waitpid(child, NULL, 0);
}

/* --- looking --- */

static bool holds(const uint8_t *memory, size_t length, const uint8_t *key)
{
    return memmem(memory, length, key, KEY_LEN) != NULL;
}

/* Searches a mapping in overlapping pieces. */
static bool mapping_holds(FILE *memory, unsigned long from, unsigned long to, const uint8_t *key,
                          size_t *seen)
{
    static uint8_t piece[CHUNK + KEY_LEN];
    for (unsigned long at = from; at < to; at += CHUNK) {
        size_t want = to - at < sizeof piece ? to - at : sizeof piece;
        if (fseek(memory, (long)at, SEEK_SET) != 0)
            return false;
        size_t got = fread(piece, 1, want, memory);
        *seen += got;
        if (holds(piece, got, key))
            return true;
    }
    return false;
}

/* True if the process has the bytes in its memory. *seen: number of bytes searched. */
static bool process_holds(pid_t process, const uint8_t *key, size_t *seen)
{
    char path[64];
    char line[512];
    bool found = false;

    *seen = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)process);
    FILE *memory = fopen(path, "rb");
    while (maps != NULL && memory != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        char *rest = NULL;
        unsigned long from = strtoul(line, &rest, 16);
        unsigned long to = strtoul(rest + 1, &rest, 16);
        if (strncmp(rest, " rw", 3) == 0 && strstr(line, "[v") == NULL)
            found = mapping_holds(memory, from, to, key, seen);
    }
    if (maps != NULL)
        fclose(maps);
    if (memory != NULL)
        fclose(memory);
    return found;
}

/* Decrypts the key of an answer. The searched process was forked before, so it never sees this. */
static bool learn(const answer *a, uint8_t key[KEY_LEN])
{
    uint8_t plain[WRAPPED_MOST];
    size_t length = sizeof plain;
    core_status st = tok_rsa_decrypt(first, CORE_PAD_OAEP_SHA1, a->wrapped, a->wrapped_len, plain,
                                     &length, NULL);
    memcpy(key, plain, KEY_LEN);
    return st == ST_OK && length == KEY_LEN;
}

static void look(void (*work)(answer *), bool expected)
{
    answer a;
    int until = -1;
    uint8_t key[KEY_LEN];
    size_t seen = 0;

    pid_t child = start_process(work, &a, &until);
    CU_ASSERT_FATAL(child > 0);
    if (a.made == ST_MECHANISM) {
        end_process(child, until);
        TEST_SKIP("the token cannot make and wrap a key");
    }
    CU_ASSERT_EQUAL(a.made, ST_OK);
    if (a.rewrapped == ST_MECHANISM)
        testing_skip("rewrap", "the token cannot unwrap, or tell the length of what it unwrapped");
    else
        CU_ASSERT_EQUAL(a.rewrapped, ST_OK);
    CU_ASSERT_FATAL(learn(&a, key));
    CU_ASSERT_EQUAL(process_holds(child, key, &seen), expected);
    CU_ASSERT(expected || seen > CHUNK / 4); /* the memory was really searched */
    end_process(child, until);
}

static void finds_a_kept_key(void)
{
    look(make_and_keep, true);
}

static void finds_no_key_made_inside(void)
{
    look(make_inside, false);
}

static int start(void)
{
    tok_key_spec spec = {suite_name("scan"), CORE_ALG_RSA_2048, CMK, true, false};
    if (!suite_open(suite_config("scan.conf", ""), &ctx, &token) ||
        tok_key_create(token, &spec, &first, NULL) != ST_OK)
        return 1;
    spec.name = suite_name("scan");
    return tok_key_create(token, &spec, &second, NULL) == ST_OK ? 0 : 1;
}

static int stop(void)
{
    suite_destroy(first);
    suite_destroy(second);
    suite_close(ctx, token);
    return 0;
}

static const test_case cases[] = {
    {"finds a kept key", finds_a_kept_key},
    {"finds no key made inside", finds_no_key_made_inside},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {
        .name = "memory", .cases = cases, .start = start, .stop = stop};
    static const test_suite *const suites[] = {&suite};

    if (getenv("MODULE") == NULL || strstr(getenv("MODULE"), "p11-kit-client") == NULL) {
        printf("SKIPPED: the token's own memory is not apart: run it by with-token p11kit\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
