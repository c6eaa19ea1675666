/* SPDX-License-Identifier: Apache-2.0
 *
 * The pkcs11 room on a token that misbehaves by a plan (tests/tokens/count.h): it hangs, vanishes,
 * loses sessions and logins, finds things twice, gives lengths that cannot be, has few sessions,
 * lacks mechanisms, and changes its slot number.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/counter.h"

static counter judge;
static tok_context *ctx;
static tok_token *token;
static tok_key *rsa;
static uint8_t sealed[512];
static size_t sealed_len;
static const uint8_t plain[] = "a database encryption key, or so";

static const char *limits = "";

/* A creation is not repeated by itself; here it is, for plans that hit the first one. */
static core_status create(const tok_key_spec *spec, core_err *err)
{
    core_status st = tok_key_create(token, spec, &rsa, err);
    return st == ST_DEVICE || st == ST_NO_MEMORY ? tok_key_create(token, spec, &rsa, err) : st;
}

static int start(void)
{
    tok_key_spec spec = {"fault", CORE_ALG_RSA_2048, TOK_CAN_DECRYPT | TOK_CAN_SIGN, true, false};
    const char *pin = getenv("PIN");

    core_err err = {0};

    judge.plan(limits);
    sealed_len = sizeof sealed;
    if (tok_context_open(counter_config("fault.conf", ""), &ctx, &err) != ST_OK ||
        tok_token_find(ctx, "main", &token, &err) != ST_OK ||
        tok_token_login(token, pin, strlen(pin), &err) != ST_OK || create(&spec, &err) != ST_OK ||
        tok_encrypt(rsa, NULL, 0, plain, sizeof plain, sealed, &sealed_len, &err) != ST_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    judge.reset();
    return 0;
}

static int stop(void)
{
    judge.plan("");
    core_status st = tok_key_destroy(rsa, NULL);
    tok_key_release(rsa);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    return st == ST_OK && judge.violations() == 0 ? 0 : 1;
}

/* With a plan from the start: what a token says of itself is read once. */
static void start_anew(const char *from_start)
{
    CU_ASSERT_EQUAL(stop(), 0);
    limits = from_start;
    CU_ASSERT_EQUAL_FATAL(start(), 0);
    limits = "";
}

static core_status decrypt(void)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(rsa, NULL, 0, sealed, sealed_len, out, &out_len, NULL);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

static bool comes_back(unsigned most_ms)
{
    uint64_t until = core_now_us() + most_ms * 1000ULL;
    while (decrypt() != ST_OK) {
        if (core_now_us() > until)
            return false;
        core_sleep_ms(20);
    }
    return true;
}

static void plan(const char *text)
{
    CU_ASSERT_EQUAL_FATAL(judge.plan(text), 0);
}

static void *decrypt_apart(void *out)
{
    *(core_status *)out = decrypt();
    return NULL;
}

/* A call that hangs cannot be taken back, and nothing may be reset under it: the others get an
 * error soon, and all is well when it has come back. */
static void one_call_hangs(void)
{
    pthread_t thread;
    core_status apart = ST_FAILURE;

    plan("call=C_Decrypt delay=3500; call=C_DecryptInit nth=2 rv=0x30; "
         "call=C_GetTokenInfo rv=0x30 times=0");
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, decrypt_apart, &apart), 0);
    core_sleep_ms(200);
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(decrypt(), ST_DEVICE);
    CU_ASSERT(core_now_us() - from < 3000000);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(apart, ST_OK);
    plan("");
    CU_ASSERT(comes_back(2000));
}

/* SoftHSM, while another process writes to it: nothing is lost, and nobody logs in again. */
static void is_being_written_to(void)
{
    tok_key **keys = NULL;
    size_t count = 0;
    core_err err = {0};

    plan("call=C_GetTokenInfo times=3 rv=0x5");
    judge.reset();
    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, &err), ST_OK);
    tok_key_list_free(keys, count);
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Login"), 0);
    plan("");
}

static void vanishes_for_a_while(void)
{
    plan("call=* times=0 rv=0x32 within=1500");
    uint64_t from = core_now_us();
    core_status st = decrypt();
    CU_ASSERT_EQUAL(core_status_class(st), CORE_CLASS_DEVICE);
    CU_ASSERT(core_now_us() - from < 1400000);
    from = core_now_us();
    CU_ASSERT_EQUAL(decrypt(), ST_MODULE_INIT); /* at once: the module is not asked again yet */
    CU_ASSERT(core_now_us() - from < 50000);
    CU_ASSERT(comes_back(4000));
}

/* Each of these is healed within the call. */
static void heals_at_once(void)
{
    static const char *const plans[] = {
        "call=C_DecryptInit close",
        "call=C_Decrypt close",
        "call=C_DecryptInit logout",
        "call=C_DecryptInit close; call=C_DecryptInit nth=2 logout",
        "call=C_DecryptInit rv=0x8000001a",
        "call=C_DecryptInit rv=0x30",
        "call=C_DecryptInit rv=0x190",
        "call=C_DecryptInit rv=0x90",
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        plan(plans[i]);
        core_status st = decrypt();
        CU_ASSERT_EQUAL(st, ST_OK);
        if (st != ST_OK)
            fprintf(stderr, "%s: %s\n", plans[i], core_status_name(st));
        plan("");
    }
    CU_ASSERT_EQUAL(judge.violations(), 0);
}

static void finds_everything_twice(void)
{
    tok_key *key = NULL;
    tok_key **keys = NULL;
    size_t count = 0;

    plan("call=C_FindObjects times=0 twice");
    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, NULL), ST_OK);
    tok_key_list_free(keys, count);
    core_status st = tok_key_by_name(token, "fault", &key, NULL);
    CU_ASSERT(st == ST_OK || st == ST_KEY_AMBIGUOUS);
    if (st == ST_OK)
        CU_ASSERT_EQUAL(
            memcmp(tok_key_info_of(key)->thumb, tok_key_info_of(rsa)->thumb, TOK_THUMB_LEN), 0);
    tok_key_release(key);
    plan("");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
}

static void lengths_that_cannot_be(void)
{
    uint8_t out[512];
    size_t out_len = sizeof out;

    plan("call=C_Decrypt times=0 length=4096");
    CU_ASSERT_EQUAL(tok_decrypt(rsa, NULL, 0, sealed, sealed_len, out, &out_len, NULL), ST_DEVICE);
    plan("call=C_Encrypt times=0 length=100");
    out_len = sizeof out;
    core_status st = tok_encrypt(rsa, NULL, 0, plain, sizeof plain, out, &out_len, NULL);
    CU_ASSERT_EQUAL(st, ST_DEVICE);
    plan("call=C_Sign times=0 length=5");
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_rsa_sign(rsa, plain, sizeof plain, out, &out_len, NULL), ST_SIGN_FAILED);
    CU_ASSERT_EQUAL(out_len, 0);
    plan("");
    CU_ASSERT(comes_back(2000));
}

/* Tokens exist on which a size query does the work, or ends the operation. */
static void asks_for_no_size(void)
{
    judge.reset();
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Decrypt"), 1);
    CU_ASSERT_EQUAL(judge.get(NULL), 2);
}

static void lacks_mechanisms(void)
{
    static const uint8_t iv[16] = {1};
    tok_key_spec spec = {"fault-aes", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;
    core_err err = {0};
    uint8_t cipher[64];
    uint8_t back[64];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;

    start_anew("call=* mechanism=0x1080 times=0 rv=0x70");
    CU_ASSERT_EQUAL(tok_key_create(token, &spec, &key, &err), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_AES_KEY_GEN"));

    start_anew("call=* mechanism=0x1085 times=0 rv=0x70"); /* no CBC with padding: ours, then */
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, plain, sizeof plain, cipher, &cipher_len, &err),
                    ST_OK);
    plan(""); /* the token's own padding agrees */
    CU_ASSERT_EQUAL(tok_decrypt(key, iv, 16, cipher, cipher_len, back, &back_len, &err), ST_OK);
    CU_ASSERT(back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0);
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);

    plan("call=* mechanism=0x9 times=0 rv=0x70");
    CU_ASSERT_EQUAL(decrypt(), ST_MECHANISM);
    plan("");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
}

static void *work(void *wrong)
{
    for (int i = 0; i < 20; i++)
        *(unsigned *)wrong += decrypt() != ST_OK;
    return NULL;
}

static void has_two_sessions(void)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};
    tok_token_stats stats;

    start_anew("call=C_GetTokenInfo times=0 max-sessions=2");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    tok_token_stats_get(token, &stats);
    CU_ASSERT(stats.sessions <= 2);
    CU_ASSERT(judge.get("C_OpenSession") <= 2);
}

static uint64_t slot_now(void)
{
    tok_token_info *tokens = NULL;
    size_t count = 0;
    uint64_t slot = 0;

    CU_ASSERT_EQUAL(tok_token_list(ctx, &tokens, &count, NULL), ST_OK);
    if (count == 1)
        slot = tokens[0].slot;
    core_free(tokens);
    return slot;
}

static void the_slot_is_renumbered(void)
{
    uint64_t before = slot_now();

    plan("slots=7; call=C_DecryptInit rv=0xe0");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(slot_now(), before + 7);
    plan("slots=9; call=C_DecryptInit close");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(slot_now(), before + 9);
}

/* A device that fails while it is asked what it can has not said that it cannot. */
static void is_silent_about_mechanisms(void)
{
    static const char *const plans[] = {
        "call=C_GetMechanismInfo rv=0x30",             /* the first, */
        "call=C_GetMechanismInfo nth=5 rv=0xe0",       /* one in the middle, */
        "call=C_GetMechanismInfo nth=12 rv=0x2",       /* or the last */
        "call=C_GetMechanismInfo nth=3 rv=0x80000001", /* a vendor's own code */
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        start_anew(plans[i]); /* makes a key */
        plan("");
        CU_ASSERT_EQUAL(decrypt(), ST_OK);
    }
}

static core_status decrypt_aes(tok_key *key, const uint8_t *in, size_t in_len)
{
    static const uint8_t iv[16] = {1};
    uint8_t out[64];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(key, iv, 16, in, in_len, out, &out_len, NULL);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

/* As tpm2-pkcs11 1.9: CBC with padding encrypts, and does not decrypt. */
static void fails_to_unpad(void)
{
    static const uint8_t iv[16] = {1};
    static const char unsound[] = "call=C_Decrypt rv=0x5";
    tok_key_spec spec = {"fault-unpad", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;
    uint8_t cipher[64], bad[64];
    size_t cipher_len = sizeof cipher;

    start_anew("");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, plain, sizeof plain, cipher, &cipher_len, NULL),
                    ST_OK);
    memcpy(bad, cipher, cipher_len);
    bad[cipher_len - 17] ^= 1;

    /* Bad data stays bad data, and teaches nothing. */
    plan(unsound);
    CU_ASSERT_EQUAL(decrypt_aes(key, bad, cipher_len), ST_DECRYPT_FAILED);
    judge.reset();
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(judge.log(), "C_DecryptInit session"));
    CU_ASSERT_PTR_NULL(strstr(judge.log(), "mechanism=0x1082"));

    /* Once is passing, and tried again; twice in a row is the token. */
    plan(unsound);
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_PTR_NULL(strstr(judge.log(), "mechanism=0x1082"));
    plan("call=C_Decrypt rv=0x5 times=2");
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    plan("call=* mechanism=0x1085 times=0 rv=0x70"); /* is asked of it no more */
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_EQUAL(decrypt_aes(key, bad, cipher_len), ST_DECRYPT_FAILED);
    plan("");
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);
}

/* As on AWS CloudHSM: it opens sessions for writing only. */
static void opens_no_session_for_reading(void)
{
    plan("call=C_OpenSession read-only times=0 rv=0x6; call=C_DecryptInit rv=0x30");
    judge.reset();
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(judge.get("C_Finalize"), 0); /* the token is there: nothing to reset */
    plan("call=C_OpenSession read-only times=0 rv=0x6; call=C_DecryptInit rv=0x190");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    plan("");
}

static const test_case cases[] = {
    {"one call hangs", one_call_hangs},
    {"is being written to", is_being_written_to},
    {"vanishes for a while", vanishes_for_a_while},
    {"heals at once", heals_at_once},
    {"finds everything twice", finds_everything_twice},
    {"lengths that cannot be", lengths_that_cannot_be},
    {"asks for no size", asks_for_no_size},
    {"lacks mechanisms", lacks_mechanisms},
    {"fails to take off its padding", fails_to_unpad},
    {"is silent about mechanisms", is_silent_about_mechanisms},
    {"opens no session for reading", opens_no_session_for_reading},
    {"has two sessions", has_two_sessions},
    {"the slot is renumbered", the_slot_is_renumbered},
    {NULL, NULL},
};
/* Tokens differ in what template they unwrap a key under; of these, not every token takes all. */
static void wants_another_template(void)
{
    static const struct {
        const char *plan;
        unsigned long tries;
    } rows[] = {
        {"", 1},
        {"call=C_UnwrapKey without=0x161 times=0 rv=0x12", 2}, /* CKA_VALUE_LEN, as on Luna */
        {"call=C_UnwrapKey times=2 rv=0x10", 3},
    };
    tok_key_spec spec = {"template", CORE_ALG_RSA_2048, TOK_CAN_WRAP | TOK_CAN_UNWRAP, true, false};
    uint8_t made[512], moved[512];
    size_t made_len = sizeof made;
    tok_key *key = NULL;

    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, made, &made_len, NULL), ST_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t moved_len = sizeof moved;
        plan(rows[i].plan);
        judge.reset();
        CU_ASSERT_EQUAL(tok_rewrap(key, key, made, made_len, 32, moved, &moved_len, NULL), ST_OK);
        CU_ASSERT_EQUAL(judge.get("C_UnwrapKey"), rows[i].tries);
    }
    plan("call=C_UnwrapKey times=0 rv=0x12");
    made_len = sizeof moved;
    CU_ASSERT_NOT_EQUAL(tok_rewrap(key, key, made, 256, 32, moved, &made_len, NULL), ST_OK);
    plan("");
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);
}

static const test_case template_cases[] = {
    {"wants another template", wants_another_template},
    {NULL, NULL},
};
static const test_suite suite_template = {
    .name = "template", .cases = template_cases, .start = start, .stop = stop};
static const test_suite suite_fault = {
    .name = "fault", .cases = cases, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_fault, &suite_template};

    if (!counter_load(&judge)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 2);
}
