/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in against logging in, logging out, and logging in again.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_world w;
static const uint8_t iv[16] = {1};

static unsigned logins(void)
{
    p11memory_state state;
    race.get(&state);
    return state.logins;
}

static core_status login_wrongly(void *world)
{
    race_world *at = world;
    return tok_token_login(at->token, "999999", 6, NULL);
}

/* The second one waits until the first is known, and the token is asked once. */
static void two_come(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        (void)race_logout(&w);
        const unsigned before = logins();
        int place = race_park(&a, race_login, &w, "C_Login", after);
        race_start(&b, race_login, &w);
        CU_ASSERT(race_waits(&b));
        CU_ASSERT_EQUAL(race_work(&w), ST_AUTH_FAILED); /* nobody is in yet */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(logins(), before + 1);
        (void)race_logout(&w);
        race_close(&w);
    }
}

static void the_first_is_wrong(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        (void)race_logout(&w);
        int place = race_park(&a, login_wrongly, &w, "C_Login", after);
        race_start(&b, race_login, &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_AUTH_FAILED);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close(&w);
    }
}

/* The last user is going when another comes: he logs in to a token that nobody is logged in to. */
static void one_goes_one_comes(void)
{
    for (int i = 0; i < 4; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        const unsigned before = logins();
        if (i / 2 == 1) /* with the pool empty, it is the keeper's session that is closed */
            CU_ASSERT_EQUAL((race_logout(&w), race_login(&w)), ST_OK);
        int place = race_park(&a, race_logout, &w, "C_CloseSession", i % 2);
        race_start(&b, race_login, &w);
        CU_ASSERT(race_waits(&b));
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT(logins() > before);
        race_close(&w);
    }
}

/* One of two goes while the login is made again: he need not wait, and who stays is logged in. */
static void one_of_two_goes(void)
{
    race_thread a;
    race_thread b;

    race_open(&w, "");
    CU_ASSERT_EQUAL(race_login(&w), ST_OK);
    race.lose_sessions();
    int place = race_park(&a, race_work, &w, "C_Login", false);
    race_start(&b, race_logout, &w);
    CU_ASSERT_EQUAL(race_join(&b), ST_OK);
    race.go(place, CKR_OK);
    CU_ASSERT_EQUAL(race_join(&a), ST_OK);
    race_close(&w);
}

/* The login is lost; two find that out, and one logs in again for both. */
static void one_login_for_all(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        race.lose_sessions();
        const unsigned before = logins();
        int place = race_park(&a, race_work, &w, "C_Login", after);
        race_start(&b, race_work, &w);
        CU_ASSERT(after || race_waits(&b)); /* once it is made it serves all */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(logins(), before + 1);
        race_close(&w);
    }
}

/* The last user goes while his login is being made again: whether he waits for that or not, nothing
 * of it stays. */
static void the_last_goes_during_a_login(void)
{
    static const char *const patience[] = {"", "session_wait_ms = 200\n"};
    for (int i = 0; i < 4; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, patience[i / 2]);
        race.lose_sessions();
        int place = race_park(&a, race_work, &w, "C_Login", i % 2);
        race_start(&b, race_logout, &w);
        if (i / 2 == 0)
            CU_ASSERT(race_waits(&b));
        if (i / 2 == 1)
            CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race.go(place, CKR_OK);
        (void)race_join(&a);
        if (i / 2 == 0)
            CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        race_close_logged_out(&w);
    }
}

/* A handle from before a lost login is another key's after it. */
static void old_handles_are_others(void)
{
    for (int all = 0; all < 2; all++) {
        const tok_key_spec other_spec = {"race-other", CORE_ALG_AES_256, 0, true, false},
                           passing_spec = {"race-passing", CORE_ALG_AES_256, 0, false, false};
        tok_key *other = NULL, *passing = NULL;
        uint8_t out[64] = {0};
        size_t length = sizeof out;

        race_open(&w, "");
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &other_spec, &other, NULL), ST_OK);
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &passing_spec, &passing, NULL), ST_OK);
        if (all)
            race.lose_sessions();
        else
            CU_ASSERT_EQUAL(race.plan("call=C_EncryptInit logout"), 0);
        CU_ASSERT_EQUAL(race_work(&w), ST_OK);
        CU_ASSERT_EQUAL(tok_encrypt(passing, iv, sizeof iv, out, 16, out + 16, &length, NULL),
                        ST_HANDLE_LOST);
        tok_key_release(passing);
        CU_ASSERT_EQUAL(tok_key_destroy(other, NULL), ST_OK);
        tok_key_release(other);
        race_close(&w);
    }
}

static const test_case cases[] = {
    {"old handles are others' after a login", old_handles_are_others},
    {"two come", two_come},
    {"the first is wrong", the_first_is_wrong},
    {"one goes, one comes", one_goes_one_comes},
    {"one of two goes", one_of_two_goes},
    {"one login for all", one_login_for_all},
    {"the last goes during a login", the_last_goes_during_a_login},
    {NULL, NULL},
};
const test_suite race_login_suite = {.name = "login", .cases = cases};
