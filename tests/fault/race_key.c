/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that are destroyed or made while other threads search for them or the token recovers.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_fixture w;
static tok_key *session_key;

#define NEXT_FAILS "call=C_EncryptInit rv=0x30; call=C_GetTokenInfo rv=0x30"

static const tok_key_spec session_key_spec = {"session_key", CORE_ALG_AES_128, 0, false, false};

static core_status release_session_key(void *unused)
{
    (void)unused;
    tok_key_release(session_key);
    session_key = NULL;
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

/* A session key is released during a recovery: its session ended with the module's, and a later
 * session with the same handle must not be closed for it. */
static void session_key_released_in_recovery(void)
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
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &session_key_spec, &session_key, NULL),
                              ST_OK);
        CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
        int place = race_park(&a, race_work, &w, steps[i].function, steps[i].after);
        race_start(&b, release_session_key, NULL);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* A recovery waits for a session key that is being released. */
static void recovery_waits_for_session_key_release(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &session_key_spec, &session_key, NULL),
                              ST_OK);
        int place = race_park(&a, release_session_key, NULL, "C_CloseSession", after);
        CU_ASSERT_EQUAL(race.plan(NEXT_FAILS), 0);
        race_start(&b, race_work, &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* The last user logs out first: the key's session must not keep the token logged in. */
static void session_key_released_after_logout(void)
{
    race_open(&w, "");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &session_key_spec, &session_key, NULL), ST_OK);
    (void)race_logout(&w);
    (void)release_session_key(NULL);
    race_close_logged_out(&w);

    /* Another user logs in before the key is released and is not disturbed by that. */
    race_open(&w, "");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &session_key_spec, &session_key, NULL), ST_OK);
    (void)race_logout(&w);
    CU_ASSERT_EQUAL(race_login(&w), ST_OK);
    (void)release_session_key(NULL);
    race_close(&w);
}

/* Two threads make a key with the same name: the second finds that the name is taken. */
static void name_created_twice_second_refused(void)
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
        CU_ASSERT_EQUAL(race_work(&w), ST_OK); /* no other thread is blocked */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_KEY_EXISTS);
        CU_ASSERT_EQUAL(destroy_same(NULL), ST_OK);
        race_close(&w);
    }
}

/* One key is destroyed while a thread searches for it and another for a second key: the first
 * search may succeed or fail, the second one always succeeds. */
static void destroyed_key_hides_no_other(void)
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

/* SoftHSM rereads an object's file when it has changed, and returns this code for an object that
 * another thread is reading: the key is available a moment later. */
static void key_being_read_found_later(void)
{
    race_open(&w, "");
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=2"), 0);
    CU_ASSERT_EQUAL(make_same(NULL), ST_OK);
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=2"), 0);
    CU_ASSERT_EQUAL(find_same(NULL), ST_OK);
    CU_ASSERT_EQUAL(race.plan("call=C_GetAttributeValue rv=0x13 times=0"), 0);
    /* The wait is bounded. A key that exists and cannot be read is not reported as missing. */
    CU_ASSERT_EQUAL(find_same(NULL), ST_KEY_USAGE);
    CU_ASSERT_EQUAL(race.plan(""), 0);
    CU_ASSERT_EQUAL(destroy_same(NULL), ST_OK);
    race_close(&w);
}

static const test_case cases[] = {
    {"session_key_released_in_recovery", session_key_released_in_recovery},
    {"recovery_waits_for_session_key_release", recovery_waits_for_session_key_release},
    {"session_key_released_after_logout", session_key_released_after_logout},
    {"name_created_twice_second_refused", name_created_twice_second_refused},
    {"destroyed_key_hides_no_other", destroyed_key_hides_no_other},
    {"key_being_read_found_later", key_being_read_found_later},
    {NULL, NULL},
};
const test_suite race_key_suite = {.name = "key", .cases = cases};
