/* SPDX-License-Identifier: Apache-2.0
 *
 * Login against login, logout and renewed login.
 */
#include <string.h>
#include "tests/fault/race.h"

static race_fixture w;
static const uint8_t iv[16] = {1};

static unsigned logins(void)
{
    p11memory_state state;
    race.get(&state);
    return state.logins;
}

static core_status login_wrongly(void *fixture)
{
    race_fixture *at = fixture;
    return tok_token_login(at->token, "999999", 6, NULL);
}

/* The second login waits for the result of the first, and the token is asked once. */
static void two_logins_ask_token_once(void)
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
        CU_ASSERT_EQUAL(race_work(&w), ST_AUTH_FAILED); /* no user is logged in yet */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(logins(), before + 1);
        (void)race_logout(&w);
        race_close(&w);
    }
}

static void first_of_two_logins_wrong(void)
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

/* A user logs in while the last other one logs out: the login reaches a token that is
 * logged out. */
static void login_during_last_logout_works(void)
{
    for (int i = 0; i < 4; i++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        const unsigned before = logins();
        if (i / 2 == 1) /* if the pool is empty, the login session is closed */
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

/* One of two users logs out while the login is renewed: it need not wait, and the other stays
 * logged in. */
static void logout_during_relogin_keeps_other_user(void)
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

/* The login is lost; two threads notice, and one logs in again for both. */
static void lost_login_renewed_once(void)
{
    for (int after = 0; after < 2; after++) {
        race_thread a;
        race_thread b;

        race_open(&w, "");
        race.lose_sessions();
        const unsigned before = logins();
        int place = race_park(&a, race_work, &w, "C_Login", after);
        race_start(&b, race_work, &w);
        CU_ASSERT(after || race_waits(&b)); /* one renewed login serves all */
        race.go(place, CKR_OK);
        CU_ASSERT_EQUAL(race_join(&a), ST_OK);
        CU_ASSERT_EQUAL(race_join(&b), ST_OK);
        CU_ASSERT_EQUAL(logins(), before + 1);
        race_close(&w);
    }
}

/* The last user logs out while the login is renewed: whether the logout waits or not, no part of
 * the login remains. */
static void last_logout_during_relogin_leaves_nothing(void)
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

/* After a lost login, an object handle from before may name another key. */
static void old_handles_after_login_not_used(void)
{
    for (int all = 0; all < 2; all++) {
        const tok_key_spec other_spec = {"race-other", CORE_ALG_AES_256, 0, true, false},
                           session_key_spec = {"race-session_key", CORE_ALG_AES_256, 0, false,
                                               false};
        tok_key *other = NULL, *session_key = NULL;
        uint8_t out[64] = {0};
        size_t length = sizeof out;

        race_open(&w, "");
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &other_spec, &other, NULL), ST_OK);
        CU_ASSERT_EQUAL_FATAL(tok_key_create(w.token, &session_key_spec, &session_key, NULL),
                              ST_OK);
        if (all)
            race.lose_sessions();
        else
            CU_ASSERT_EQUAL(race.plan("call=C_EncryptInit logout"), 0);
        CU_ASSERT_EQUAL(race_work(&w), ST_OK);
        CU_ASSERT_EQUAL(tok_encrypt(session_key, iv, sizeof iv, out, 16, out + 16, &length, NULL),
                        ST_HANDLE_LOST);
        tok_key_release(session_key);
        CU_ASSERT_EQUAL(tok_key_destroy(other, NULL), ST_OK);
        tok_key_release(other);
        race_close(&w);
    }
}

static const test_case cases[] = {
    {"old_handles_after_login_not_used", old_handles_after_login_not_used},
    {"two_logins_ask_token_once", two_logins_ask_token_once},
    {"first_of_two_logins_wrong", first_of_two_logins_wrong},
    {"login_during_last_logout_works", login_during_last_logout_works},
    {"logout_during_relogin_keeps_other_user", logout_during_relogin_keeps_other_user},
    {"lost_login_renewed_once", lost_login_renewed_once},
    {"last_logout_during_relogin_leaves_nothing", last_logout_during_relogin_leaves_nothing},
    {NULL, NULL},
};
const test_suite race_login_suite = {.name = "login", .cases = cases};
