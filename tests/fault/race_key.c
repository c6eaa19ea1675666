/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that end, or are made, while others look for them or the token recovers.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_world w;
static tok_key *passing; /* a volatile key */

#define NEXT_FAILS "call=C_EncryptInit rv=0x30; call=C_GetTokenInfo rv=0x30"

static const tok_key_spec volatile_spec = {"passing", CORE_ALG_AES_128, 0, false, false};

static core_status end_passing(void *unused)
{
    (void)unused;
    tok_key_release(passing);
    passing = NULL;
    return ST_OK;
}

static core_status make_same(void *unused)
{
    const tok_key_spec spec = {"same", CORE_ALG_AES_128, 0, true, false};
    tok_key *key = NULL;

    (void)unused;
    core_status st = tok_key_create(w.token, &spec, &key, NULL);
    tok_key_release(key);
    return st;
}

static core_status find_race(void *unused)
{
    tok_key *key = NULL;

    (void)unused;
    core_status st = tok_key_by_name(w.token, w.name, &key, NULL);
    tok_key_release(key);
    return st;
}

static core_status destroy_same(void *unused)
{
    tok_key *key = NULL;

    (void)unused;
    core_status st = tok_key_by_name(w.token, "same", &key, NULL);
    if (st == ST_OK)
        st = tok_key_destroy(key, NULL);
    tok_key_release(key);
    return st;
}

static core_status find_same(void *unused)
{
    tok_key *key = NULL;

    (void)unused;
    core_status st = tok_key_by_name(w.token, "same", &key, NULL);
    tok_key_release(key);
    return st;
}

/* A volatile key ends during a recovery: its session ended with the module's, and no other that
 * bears its number now is closed for it. */
static void volatile_ends_in_recovery(void)
{
    static const struct {
        const char *function;
        bool after;
    } steps[] = {
        {"C_Finalize", false}, {"C_Finalize", true}, {"C_Initialize", true}, {"C_Login", true}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &volatile_spec, &passing, NULL), ST_OK);
        CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, end_passing, NULL);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* And a recovery waits for one that is ending. */
static void recovery_waits_for_the_end(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &volatile_spec, &passing, NULL), ST_OK);
        int place = race_park(&a, end_passing, NULL, "C_CloseSession", after);
        CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
        race_start(&b, race_work, &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* The last user goes first: the key's session must not keep the token logged in behind him. */
static void volatile_ends_after_logout(void)
{
    race_open(&w, "");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &volatile_spec, &passing, NULL), ST_OK);
    (void)race_logout(&w);
    (void)end_passing(NULL);
    race_close_logged_out(&w);

    /* Another comes before it ends, and is not disturbed by its end. */
    race_open(&w, "");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &volatile_spec, &passing, NULL), ST_OK);
    (void)race_logout(&w);
    CU_ASSERT_EQUAL(race_login(&w), ST_OK);
    (void)end_passing(NULL);
    race_close(&w);
}

/* Two make a key of one name: the second finds it there. */
static void two_make_one_name(void)
{
    static const char *const calls[] = {"C_FindObjectsInit", "C_GenerateKey",
                                        "C_SetAttributeValue"};
    for (size_t i = 0; i < 2 * sizeof calls / sizeof calls[0]; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        int place = race_park(&a, make_same, NULL, calls[i / 2], i % 2);
        race_start(&b, make_same, NULL);
        CU_ASSERT(race_waits(&b));
        CU_ASSERT_EQUAL(race_work(&w), ST_OK); /* nobody else waits */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_KEY_EXISTS);
        CU_ASSERT_EQUAL(destroy_same(NULL), ST_OK);
        race_close(&w);
    }
}

/* A key is destroyed while another looks for it, and while another is found: the one may be found
 * or not, the other always is. */
static void one_is_destroyed(void)
{
    static const char *const calls[] = {"C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal",
                                        "C_GetAttributeValue"};
    for (size_t i = 0; i < 4 * sizeof calls / sizeof calls[0]; i++) {
        race_thread a;
        const bool same = i % 2;

        race_open(&w, "");
        CU_ASSERT_EQUAL(make_same(NULL), ST_OK);
        int place = race_park(&a, same ? find_same : find_race, NULL, calls[i / 4], i / 2 % 2);
        CU_ASSERT_EQUAL(destroy_same(NULL), ST_OK);
        race.go(place, CKR_OK);
        core_status st = race_join(&a);
        CU_ASSERT(st == ST_OK || (same && st == ST_NOT_FOUND));
        CU_ASSERT_EQUAL(find_same(NULL), ST_NOT_FOUND);
        race_close(&w);
    }
}

/* SoftHSM reads an object's file anew when it has changed, and says this of one that another thread
 * is just reading: the key is there a moment later. */
static void one_is_being_read(void)
{
    race_open(&w, "");
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=2"), 0);
    CU_ASSERT_EQUAL(make_same(NULL), ST_OK);
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=2"), 0);
    CU_ASSERT_EQUAL(find_same(NULL), ST_OK);
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=0"), 0);
    /* But nobody waits for ever. What is there and cannot be read is not missing. */
    CU_ASSERT_EQUAL(find_same(NULL), ST_KEY_USAGE);
    CU_ASSERT_EQUAL(race.plan(""), 0);
    CU_ASSERT_EQUAL(destroy_same(NULL), ST_OK);
    race_close(&w);
}

static const test_case cases[] = {
    {"volatile ends in recovery", volatile_ends_in_recovery},
    {"recovery waits for the end", recovery_waits_for_the_end},
    {"volatile ends after logout", volatile_ends_after_logout},
    {"two make one name", two_make_one_name},
    {"one is destroyed", one_is_destroyed},
    {"one is being read", one_is_being_read},
    {NULL, NULL},
};
const test_suite race_key_suite = {.name = "key", .cases = cases};
