/* SPDX-License-Identifier: Apache-2.0
 *
 * The salt and the hashes of PINs are in no memory that a core dump contains: with them a PIN of
 * six digits is found in less than a second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/recovery/recovery_private.h"
#include "tests/field/login_fixture.h"

/* The bytes searched for; they are in memory that is excluded from dumps. */
typedef struct wanted {
    const char *name;
    const uint8_t *bytes;
} wanted;

/* One mapping of this process with the kernel's flags. */
typedef struct mapping {
    const uint8_t *from, *to;
    bool dumped; /* readable and not excluded from core dumps */
} mapping;

static bool next_mapping(FILE *maps, mapping *out)
{
    char line[1024];
    bool found = false;

    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from = 0, to = 0;
        char rights[8] = "";
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3) { // NOLINT(cert-err34-c)
            *out = (mapping){.from = (const uint8_t *)from, // NOLINT(performance-no-int-to-ptr)
                             .to = (const uint8_t *)to,     // NOLINT(performance-no-int-to-ptr)
                             .dumped = rights[0] == 'r' && rights[1] == 'w'};
            found = strstr(line, "[v") == NULL;
        } else if (found && strncmp(line, "VmFlags:", 8) == 0) {
            out->dumped = out->dumped && strstr(line, " dd") == NULL;
            return true;
        }
    }
    return false;
}

/* How many dumped mappings contain the bytes; *seen: number of bytes searched. */
static unsigned dump_holds(const uint8_t *bytes, size_t *seen)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    mapping m;
    unsigned hits = 0;

    *seen = 0;
    while (maps != NULL && next_mapping(maps, &m)) {
        if (!m.dumped)
            continue;
        *seen += (size_t)(m.to - m.from);
        hits += memmem(m.from, (size_t)(m.to - m.from), bytes, TOK_HASH) != NULL;
    }
    if (maps != NULL)
        (void)fclose(maps);
    return hits;
}

static void finds_what_a_dump_has(void)
{
    static uint8_t there[TOK_HASH];
    size_t seen = 0;
    login_fixture w;

    fixture_open(&w, "");
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", NULL), ST_OK);
    memcpy(there, w.token->pin->salt, sizeof there);
    CU_ASSERT(dump_holds(w.token->pin->salt, &seen) > 0);
    core_wipe(there, sizeof there);
    CU_ASSERT(seen > 100000);
    tok_token_logout(w.token);
    fixture_close(&w);
}

static void finds_no_salt_and_no_hash(void)
{
    login_fixture w;

    fixture_open(&w, "pin_tries = 5\n");
    CU_ASSERT_EQUAL(fixture_login(&w, "0000", NULL), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", NULL), ST_OK);
    CU_ASSERT_EQUAL(fixture_login(&w, "1234", NULL), ST_OK);
    CU_ASSERT_EQUAL(fixture_login(&w, "0001", NULL), ST_AUTH_FAILED);
    const tok_pin_state *pin = w.token->pin;
    const wanted all[] = {{"salt", pin->salt},
                          {"verifier", pin->verifier},
                          {"a rejected PIN's hash", pin->rejected[0]}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t seen = 0;
        unsigned hits = dump_holds(all[i].bytes, &seen);
        if (hits > 0)
            fprintf(stderr, "%s: in %u mappings\n", all[i].name, hits);
        CU_ASSERT_EQUAL(hits, 0);
    }
    tok_token_logout(w.token);
    tok_token_logout(w.token);
    fixture_close(&w);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"the scan finds what a dump has", finds_what_a_dump_has},
        {"it finds no salt and no hash of a PIN", finds_no_salt_and_no_hash},
        {NULL, NULL}};
    static const test_suite suite = {.name = "PIN memory", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!memory_load() || TESTING_SANITIZED) {
        printf("SKIPPED: no memory token, or a sanitizer has copies of its own\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
