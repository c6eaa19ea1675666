/* SPDX-License-Identifier: Apache-2.0
 *
 * The PIN is changed on the token, by another process, and then in the credential: the next session
 * brings the new one while the sessions of the old one are at work. What is counted here: the
 * operations that fail meanwhile (none may), and the C_Login calls that it costs.
 *
 *   with-token --count COUNTER KIND pin_change
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "raw.h"
#include "testing.h"
#include "tests/fault/another.h"
#include "tests/fault/counter.h"

enum { THREADS = 4, LOAD_MS = 150 };

static counter judge;
static char pin[16]; /* the token's */
/* NSS encrypts its keys under the PIN: who is logged in with the old one cannot use them any more.
 */
static bool rekeys;
static const uint8_t plain[] = "a database encryption key, or so";

static void change_pin(const char *to)
{
    CU_ASSERT_FATAL(another_does("setpin", pin, to));
    snprintf(pin, sizeof pin, "%s", to);
}

/* By another user of the module in this process, which all modules notice. */
static void change_pin_inside(const char *to)
{
    raw_token other;

    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_SetPIN(other.session, (CK_BYTE *)pin, strlen(pin),
                                      (CK_BYTE *)(uintptr_t)to, strlen(to)),
                    CKR_OK);
    CU_ASSERT_EQUAL(other.f->C_CloseSession(other.session), CKR_OK);
    snprintf(pin, sizeof pin, "%s", to);
}

/* --- a context with one user, one key, and threads that decrypt --- */

static tok_context *ctx;
static tok_token *token;
static tok_key *rsa;
static uint8_t cipher[512];
static size_t cipher_len;
static pthread_t threads[THREADS];
static atomic_bool over;
static atomic_uint good, failed;
static atomic_uint rounds[THREADS];

static core_status login(const char *with)
{
    core_err err = {0};
    core_status st = tok_token_login(token, with, strlen(with), &err);
    CU_ASSERT(st == ST_OK || strstr(err.text, with) == NULL);
    return st;
}

static bool begin(const char *more)
{
    tok_key_spec spec = {"pin change", CORE_ALG_RSA_2048, TOK_CAN_DECRYPT, true, false};
    core_err err = {0};

    judge.plan("");
    cipher_len = sizeof cipher;
    bool open = tok_context_open(counter_config("pin.conf", more), &ctx, &err) == ST_OK &&
                tok_token_find(ctx, "main", &token, &err) == ST_OK &&
                tok_token_login(token, pin, strlen(pin), &err) == ST_OK &&
                tok_key_create(token, &spec, &rsa, &err) == ST_OK &&
                tok_encrypt(rsa, NULL, 0, plain, sizeof plain, cipher, &cipher_len, &err) == ST_OK;
    if (!open)
        fprintf(stderr, "%s\n", err.text);
    judge.reset();
    return open;
}

/* Ends the session that begin() opened, and `more` others. */
static void end(unsigned more)
{
    CU_ASSERT_EQUAL(tok_key_destroy(rsa, NULL), ST_OK);
    tok_key_release(rsa);
    for (unsigned i = 0; i <= more; i++)
        tok_token_logout(token);
    CU_ASSERT_EQUAL(judge.violations(), 0);
    tok_token_release(token);
    tok_context_close(ctx);
}

static core_status decrypt(core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(rsa, NULL, 0, cipher, cipher_len, out, &out_len, err);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

static void *work(void *arg)
{
    atomic_uint *round = arg;
    for (; !atomic_load(&over); atomic_fetch_add(round, 1)) {
        core_err err = {0};
        if (decrypt(&err) == ST_OK)
            atomic_fetch_add(&good, 1);
        else if (atomic_fetch_add(&failed, 1) < 5)
            fprintf(stderr, "failed: %s\n", err.text);
    }
    return NULL;
}

static void load_on(void)
{
    atomic_store(&over, false);
    atomic_store(&good, 0);
    atomic_store(&failed, 0);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &rounds[i]), 0);
    core_sleep_ms(LOAD_MS);
}

/* Until every thread has ended what it was at, and one more: that was all done in the new state. */
static void wait_two_rounds(void)
{
    for (size_t i = 0; i < THREADS; i++) {
        unsigned seen = atomic_load(&rounds[i]);
        while (atomic_load(&rounds[i]) - seen < 2)
            core_sleep_ms(1);
    }
}

/* After the new PIN was brought. */
static void forgive_what_failed_before(void)
{
    wait_two_rounds();
    if (rekeys)
        printf("[%u failed before] ", atomic_exchange(&failed, 0));
}

/* No operation has failed, and there were some before and after what was done under the load. */
static void load_off(unsigned before)
{
    core_sleep_ms(LOAD_MS);
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("[%u operations, %u failed, %lu C_Login] ", atomic_load(&good), atomic_load(&failed),
           judge.get("C_Login"));
    CU_ASSERT(before > 0);
    CU_ASSERT(atomic_load(&good) > before);
    CU_ASSERT_EQUAL(atomic_load(&failed), 0);
}

/* --- the new PIN --- */

static void taken_over_under_load(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(begin(""));
    snprintf(old, sizeof old, "%s", pin);
    load_on();
    change_pin("765432");
    unsigned before = atomic_load(&good);
    core_sleep_ms(LOAD_MS);
    CU_ASSERT(rekeys || atomic_load(&good) > before); /* nothing is noticed yet */
    CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
    core_status st = login(pin);
    forgive_what_failed_before();
    before = atomic_load(&good);
    CU_ASSERT_EQUAL(st, ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 1);
    if (st == ST_OK)
        CU_ASSERT_EQUAL(login(pin), ST_OK); /* compared, as ever */
    /* The old one is known to be wrong. */
    CU_ASSERT_EQUAL(tok_token_login(token, old, strlen(old), &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "replaced"));
    CU_ASSERT_EQUAL(judge.get("C_Login"), 1);
    load_off(before);
    /* The session of the old PIN works on, alone; and after a loss, with the new PIN. */
    if (st == ST_OK) {
        tok_token_logout(token);
        tok_token_logout(token);
    }
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(judge.plan("call=C_DecryptInit logout"), 0);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    judge.plan("");
    end(0);
}

typedef struct opener {
    pthread_t thread;
    const char *with;
    core_status st;
} opener;

static void *open_session(void *arg)
{
    opener *o = arg;
    o->st = tok_token_login(token, o->with, strlen(o->with), NULL);
    return NULL;
}

/* Many sessions at one moment, as when an engine comes back to work. */
static unsigned open_many(const char *with)
{
    enum { OPENERS = 8 };
    opener o[OPENERS];
    unsigned in = 0;

    for (size_t i = 0; i < OPENERS; i++) {
        o[i].with = with;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&o[i].thread, NULL, open_session, &o[i]), 0);
    }
    for (size_t i = 0; i < OPENERS; i++) {
        pthread_join(o[i].thread, NULL);
        in += o[i].st == ST_OK;
        CU_ASSERT(o[i].st == ST_OK || o[i].st == ST_AUTH_FAILED);
    }
    return in;
}

static void by_many_at_once(void)
{
    CU_ASSERT_FATAL(begin(""));
    load_on();
    change_pin("343434");
    unsigned before = atomic_load(&good);
    unsigned in = open_many(pin);
    forgive_what_failed_before();
    CU_ASSERT_EQUAL(in, 8);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 1);
    CU_ASSERT_EQUAL(open_many("999999"), 0);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 3); /* one wrong, and back again */
    load_off(before);
    end(in);
}

/* --- a wrong one --- */

static void wrong_ones_disturb_little(void)
{
    core_err err = {0};
    char wrong[] = "90000x";

    CU_ASSERT_FATAL(begin("pin_tries = 2\npin_retry_seconds = 300\n"));
    load_on();
    unsigned before = atomic_load(&good);
    for (char c = '0'; c <= '9'; c++) {
        wrong[5] = c;
        for (int again = 0; again < 3; again++) {
            core_status st = login(wrong);
            CU_ASSERT_EQUAL(st, c < '2' ? ST_AUTH_FAILED : ST_PIN_RATIONED);
        }
    }
    CU_ASSERT_EQUAL(login("1"), ST_PIN_RATIONED);
    /* Two were sent, each followed by the right one. */
    CU_ASSERT_EQUAL(judge.get("C_Login"), 4);
    CU_ASSERT_EQUAL(login(pin), ST_OK); /* the one logged in is not rationed */
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    load_off(before);
    end(1);
}

/* A PIN that the token cannot have is not worth a logout. */
static void impossible_lengths_are_not_sent(void)
{
    char longest[400];

    CU_ASSERT_FATAL(begin(""));
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    if (tok_token_info_of(token)->max_pin < sizeof longest) {
        CU_ASSERT_EQUAL(login(longest), ST_AUTH_FAILED);
        CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
        CU_ASSERT_EQUAL(judge.get("C_Logout"), 0);
    }
    end(0);
}

/* The old PIN was right after each of them: the next first user begins with a clean slate. */
static void wrong_ones_do_not_ration_the_next(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(begin("pin_tries = 1\n"));
    CU_ASSERT_EQUAL(login("777771"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(login("777772"), ST_PIN_RATIONED);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(0);
}

/* Neither the candidate nor the PIN that was logged in is the token's: both are sent once. */
static void a_third_one(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(begin("pin_tries = 5\n"));
    snprintf(old, sizeof old, "%s", pin);
    change_pin("246802");
    CU_ASSERT_EQUAL(login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 2);
    for (int i = 0; i < 5; i++) {
        core_class class = core_status_class(decrypt(&err));
        CU_ASSERT(class == CORE_CLASS_PIN || class == CORE_CLASS_LOGIN);
        CU_ASSERT_EQUAL(login("888888"), ST_AUTH_FAILED);
        CU_ASSERT_EQUAL(login(old), ST_AUTH_FAILED);
    }
    CU_ASSERT_EQUAL(judge.get("C_Login"), 2);
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(1);
}

/* Another process has used up some of the token's patience: the next wrong PIN might be the last
 * but one, and the old PIN, if it is wrong by now, the last. */
static void not_while_the_count_is_low(void)
{
    CU_ASSERT_FATAL(begin(""));
    CU_ASSERT_FALSE(another_does("login", "555555", NULL));
    tok_token_info *all = NULL;
    size_t count = 0;
    bool low = false;
    CU_ASSERT_EQUAL(tok_token_list(ctx, &all, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        low |= all[i].pin_low;
    core_free(all);
    if (!low) {
        end(0);
        TEST_SKIP("the token does not say that a wrong PIN was sent");
    }
    CU_ASSERT_EQUAL(login("888888"), ST_PIN_RATIONED);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
    CU_ASSERT_EQUAL(judge.get("C_Logout"), 0);
    CU_ASSERT_TRUE(another_does("login", pin, NULL));
    CU_ASSERT_EQUAL(login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 2);
    end(0);
}

/* --- what may not be lost --- */

static void not_at_the_price_of_a_volatile_key(void)
{
    tok_key_spec spec = {"volatile", CORE_ALG_AES_256, 0, false, false};
    static const uint8_t iv[16];
    tok_key *aes = NULL;
    uint8_t out[64];
    size_t out_len = sizeof out;
    core_err err = {0};

    CU_ASSERT_FATAL(begin(""));
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, &err), ST_OK);
    change_pin("987654");
    CU_ASSERT_EQUAL(tok_token_login(token, pin, strlen(pin), &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "volatile"));
    CU_ASSERT_EQUAL(judge.get("C_Logout"), 0);
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, &err), ST_OK);
    tok_key_release(aes);
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(1);
}

static void volatile_keys_made_after(void)
{
    tok_key_spec spec = {"volatile", CORE_ALG_AES_256, 0, false, false};
    static const uint8_t iv[16];
    tok_key *aes = NULL;
    uint8_t out[64];
    size_t out_len = sizeof out;

    CU_ASSERT_FATAL(begin(""));
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, NULL), ST_OK);
    CU_ASSERT_EQUAL(judge.plan("call=C_EncryptInit logout"), 0); /* it dies by another's logout */
    core_status st = tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL);
    CU_ASSERT(rekeys || st != ST_OK);
    judge.plan("");
    tok_key_release(aes);
    change_pin("135791");
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &aes, NULL), ST_OK);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL), ST_OK);
    tok_key_release(aes);
    end(1);
}

/* --- the policy --- */

static void refused_by_policy(void)
{
    static const char *const policies[] = {"pin_change = refuse\n", "relogin = no\n"};
    core_err err = {0};

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        char old[sizeof pin];
        CU_ASSERT_FATAL(begin(policies[i]));
        snprintf(old, sizeof old, "%s", pin);
        change_pin("112233");
        CU_ASSERT_EQUAL(tok_token_login(token, pin, strlen(pin), &err), ST_AUTH_FAILED);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, i == 0 ? "pin_change" : "relogin"));
        change_pin(old);
        CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
        CU_ASSERT_EQUAL(judge.get("C_Logout"), 0);
        CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
        end(0);
    }
}

static void initialised_anew_by_policy(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(begin("pin_change = reinitialize\n"));
    change_pin("332211");
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Initialize"), 1);
    CU_ASSERT_EQUAL(judge.get("C_Logout"), 0);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(login("888888"), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 3);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(1);
}

/* Without a sealed PIN a lost login needs a new session, and that is all it needs. */
static void without_relogin_a_session_brings_it_back(void)
{
    core_err err = {0};

    CU_ASSERT_FATAL(begin("relogin = no\n"));
    CU_ASSERT_EQUAL(judge.plan("call=C_DecryptInit logout"), 0);
    CU_ASSERT_EQUAL(decrypt(&err), ST_LOGIN_LOST);
    judge.plan("");
    CU_ASSERT_EQUAL(decrypt(&err), ST_LOGIN_LOST);
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 1);
    end(1);
}

/* The change is taken back. While the sessions of the second PIN are open, the first one counts as
 * replaced; when they are closed, nothing is held against it. */
static void set_back(void)
{
    char old[sizeof pin];
    core_err err = {0};

    CU_ASSERT_FATAL(begin(""));
    snprintf(old, sizeof old, "%s", pin);
    change_pin("864208");
    CU_ASSERT_EQUAL(login(pin), ST_OK);
    judge.reset();
    change_pin_inside(old);
    unsigned by_it = (unsigned)judge.get("C_Login");
    CU_ASSERT_EQUAL(login(old), ST_AUTH_FAILED);
    CU_ASSERT_EQUAL(judge.get("C_Login"), by_it);
    tok_token_logout(token);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(login(old), ST_OK);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(0);
}

/* --- faults on the way --- */

static void faults_on_the_way(void)
{
    static const struct {
        const char *plan;
        core_status st;
    } cases[] = {
        /* The device: healed, and asked again. */
        {"call=C_Logout rv=0x30", ST_OK},
        {"call=C_Login rv=0x30", ST_OK},
        {"call=C_Login rv=0x6 times=2", ST_OK},
        {"call=C_Initialize rv=0x6", ST_OK},
        {"call=C_GetTokenInfo rv=0x32", ST_OK},
        {"call=C_Logout rv=0xb3", ST_OK}, /* the keeper is gone */
        {"call=C_Logout close", ST_OK},
        {"call=C_Logout logout", ST_OK},
        /* Somebody else in the process logs in right then: nobody has looked at the PIN. */
        {"call=C_Login rv=0x100", ST_PIN_FOREIGN_LOGIN},
    };
    char next[] = "4000x0";
    core_err err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* A login that fails in any way counts as a wrong PIN, and so does the old PIN after it. */
        CU_ASSERT_FATAL(begin("pin_tries = 5\n"));
        next[4] = (char)('0' + i);
        change_pin(next);
        CU_ASSERT_EQUAL(judge.plan(cases[i].plan), 0);
        core_status st = tok_token_login(token, pin, strlen(pin), &err);
        judge.plan("");
        CU_ASSERT_EQUAL(st, cases[i].st);
        if (st != cases[i].st)
            fprintf(stderr, "%s: %s: %s\n", cases[i].plan, core_status_name(st), err.text);
        if (st != ST_OK) /* it does not count as a wrong PIN */
            CU_ASSERT_EQUAL(login(pin), ST_OK);
        CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
        end(1);
    }
}

static void *decrypt_once(void *arg)
{
    *(core_status *)arg = decrypt(NULL);
    return NULL;
}

/* A call that does not come back keeps the gate from closing: the login gives up in time, and
 * nobody else has to wait in vain. */
static void a_call_that_hangs(void)
{
    pthread_t slow;
    core_status slow_st = ST_FAILURE;
    core_err err = {0};

    CU_ASSERT_FATAL(begin(""));
    CU_ASSERT_EQUAL(judge.plan("call=C_Decrypt delay=4000"), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&slow, NULL, decrypt_once, &slow_st), 0);
    core_sleep_ms(LOAD_MS);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(tok_token_login(token, "888888", 6, &err), ST_AUTH_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not sent"));
    CU_ASSERT(core_now_us() - from < 3500000);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    pthread_join(slow, NULL);
    CU_ASSERT_EQUAL(slow_st, ST_OK);
    judge.plan("");
    CU_ASSERT_EQUAL(login("888888"), ST_AUTH_FAILED); /* now it is sent */
    CU_ASSERT_EQUAL(judge.get("C_Login"), 2);
    CU_ASSERT_EQUAL(decrypt(&err), ST_OK);
    end(0);
}

static int start(void)
{
    snprintf(pin, sizeof pin, "%s", getenv("PIN"));
    rekeys = strcmp(getenv("TOKEN"), "NSS Certificate DB") == 0;
    return counter_load(&judge) ? 0 : 1;
}

static const test_case cases[] = {
    {"taken over under load", taken_over_under_load},
    {"by many at once", by_many_at_once},
    {"wrong ones disturb little", wrong_ones_disturb_little},
    {"wrong ones do not ration the next", wrong_ones_do_not_ration_the_next},
    {"impossible lengths are not sent", impossible_lengths_are_not_sent},
    {"a third one", a_third_one},
    {"not while the count is low", not_while_the_count_is_low},
    {"not at the price of a volatile key", not_at_the_price_of_a_volatile_key},
    {"volatile keys made after", volatile_keys_made_after},
    {"refused by policy", refused_by_policy},
    {"initialised anew by policy", initialised_anew_by_policy},
    {"without relogin a session brings it back", without_relogin_a_session_brings_it_back},
    {"set back", set_back},
    {"faults on the way", faults_on_the_way},
    {"a call that hangs", a_call_that_hangs},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const test_suite suite = {.name = "PIN change", .cases = cases, .start = start};
    static const test_suite *const suites[] = {&suite};
    int status = 0;

    if (another_is(argc, argv, &status))
        return status;
    if (getenv("MODULE") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
