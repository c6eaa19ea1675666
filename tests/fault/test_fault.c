/* SPDX-License-Identifier: Apache-2.0
 *
 * The token layer on a token that misbehaves by a plan (tests/tokens/count.h): it hangs,
 * disappears, loses sessions and logins, finds objects twice, returns impossible lengths, has few
 * sessions, lacks mechanisms, and changes its slot number.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"

static fault_proxy proxy;
static tok_context *ctx;
static tok_token *token;
static tok_key *rsa;
static uint8_t sealed[512];
static size_t sealed_len;
static const uint8_t plain[] = "a database encryption key, or so";

static const char *limits = "";

/* The library does not repeat a creation; this does, for plans that hit the first one. */
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

    proxy.plan(limits);
    sealed_len = sizeof sealed;
    if (tok_context_open(fault_proxy_config("fault.conf", ""), &ctx, &err) != ST_OK ||
        tok_token_find(ctx, "main", &token, &err) != ST_OK ||
        tok_token_login(token, pin, strlen(pin), &err) != ST_OK || create(&spec, &err) != ST_OK ||
        tok_encrypt(rsa, NULL, 0, plain, sizeof plain, sealed, &sealed_len, &err) != ST_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    proxy.reset();
    return 0;
}

static int stop(void)
{
    proxy.plan("");
    core_status st = tok_key_destroy(rsa, NULL);
    tok_key_release(rsa);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    return st == ST_OK && proxy.violations() == 0 ? 0 : 1;
}

/* The plan is active from the start: the token's description is read once. */
static void restart_with_plan(const char *from_start)
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
    CU_ASSERT_EQUAL_FATAL(proxy.plan(text), 0);
}

static void *decrypt_apart(void *out)
{
    *(core_status *)out = decrypt();
    return NULL;
}

/* A call that hangs cannot be canceled, and nothing may be reset during it: other threads get an
 * error soon, and all works after it has returned. */
static void hanging_call_blocks_no_other(void)
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

/* SoftHSM while another process writes to it: nothing is lost, and no login is renewed. */
static void token_written_by_other_process_nothing_lost(void)
{
    tok_key **keys = NULL;
    size_t count = 0;
    core_err err = {0};

    plan("call=C_GetTokenInfo times=3 rv=0x5");
    proxy.reset();
    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, &err), ST_OK);
    tok_key_list_free(keys, count);
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0);
    plan("");
}

static void token_vanishes_and_returns(void)
{
    plan("call=* times=0 rv=0x32 within=1500");
    uint64_t from = core_now_us();
    core_status st = decrypt();
    CU_ASSERT_EQUAL(core_status_class(st), CORE_CLASS_DEVICE);
    CU_ASSERT(core_now_us() - from < 1400000);
    from = core_now_us();
    CU_ASSERT_EQUAL(
        decrypt(),
        ST_MODULE_INIT); /* at once: the module is not called again before the back-off expires */
    CU_ASSERT(core_now_us() - from < 50000);
    CU_ASSERT(comes_back(4000));
}

/* The library recovers from each of these within the operation. */
static void fault_recovered_within_operation(void)
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
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

static void objects_found_twice_handled(void)
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

static void impossible_lengths_refused(void)
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

/* There are tokens on which a size query does the work, or ends the operation. */
static void operation_makes_no_size_query(void)
{
    proxy.reset();
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Decrypt"), 1);
    CU_ASSERT_EQUAL(proxy.get(NULL), 2);
}

static void missing_mechanism_replaced_or_refused(void)
{
    static const uint8_t iv[16] = {1};
    tok_key_spec spec = {"fault-aes", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;
    core_err err = {0};
    uint8_t cipher[64];
    uint8_t back[64];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;

    restart_with_plan("call=* mechanism=0x1080 times=0 rv=0x70");
    CU_ASSERT_EQUAL(tok_key_create(token, &spec, &key, &err), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKM_AES_KEY_GEN"));

    restart_with_plan("call=* mechanism=0x1085 times=0 rv=0x70"); /* no CBC with padding in the
                                                              token: software pads */
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, plain, sizeof plain, cipher, &cipher_len, &err),
                    ST_OK);
    plan(""); /* the token's own padding gives the same */
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

static void two_sessions_suffice(void)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};
    tok_token_stats stats;

    restart_with_plan("call=C_GetTokenInfo times=0 max-sessions=2");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, work, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    tok_token_stats_get(token, &stats);
    CU_ASSERT(stats.sessions <= 2);
    CU_ASSERT(proxy.get("C_OpenSession") <= 2);
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

static void renumbered_slot_found(void)
{
    uint64_t before = slot_now();

    plan("slots=7; call=C_DecryptInit rv=0xe0");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(slot_now(), before + 7);
    plan("slots=9; call=C_DecryptInit close");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(slot_now(), before + 9);
}

/* A device that fails during the query of its mechanisms has not said that it lacks them. */
static void failed_mechanism_query_not_cached(void)
{
    static const char *const plans[] = {
        "call=C_GetMechanismInfo rv=0x30",             /* the first, */
        "call=C_GetMechanismInfo nth=5 rv=0xe0",       /* one in the middle, */
        "call=C_GetMechanismInfo nth=12 rv=0x2",       /* or the last */
        "call=C_GetMechanismInfo nth=3 rv=0x80000001", /* a vendor-defined code */
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        restart_with_plan(plans[i]); /* creates a key */
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

/* Like tpm2-pkcs11 1.9: CBC with padding encrypts but does not decrypt. */
static void token_unpadding_fails_software_unpads(void)
{
    static const uint8_t iv[16] = {1};
    static const char unsound[] = "call=C_Decrypt rv=0x5";
    tok_key_spec spec = {"fault-unpad", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;
    uint8_t cipher[64], bad[64];
    size_t cipher_len = sizeof cipher;

    restart_with_plan("");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_encrypt(key, iv, 16, plain, sizeof plain, cipher, &cipher_len, NULL),
                    ST_OK);
    memcpy(bad, cipher, cipher_len);
    bad[cipher_len - 17] ^= 1;

    /* Invalid data stays invalid data and changes no capability. */
    plan(unsound);
    CU_ASSERT_EQUAL(decrypt_aes(key, bad, cipher_len), ST_DECRYPT_FAILED);
    proxy.reset();
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(proxy.log(), "C_DecryptInit session"));
    CU_ASSERT_PTR_NULL(strstr(proxy.log(), "mechanism=0x1082"));

    /* One failure is retried as transient; two in a row are the token's. */
    plan(unsound);
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_PTR_NULL(strstr(proxy.log(), "mechanism=0x1082"));
    plan("call=C_Decrypt rv=0x5 times=2");
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    plan("call=* mechanism=0x1085 times=0 rv=0x70"); /* the token is not asked for it any more */
    CU_ASSERT_EQUAL(decrypt_aes(key, cipher, cipher_len), ST_OK);
    CU_ASSERT_EQUAL(decrypt_aes(key, bad, cipher_len), ST_DECRYPT_FAILED);
    plan("");
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);
}

/* Like AWS CloudHSM: only read-write sessions can be opened. */
static void read_only_session_refused_read_write_used(void)
{
    plan("call=C_OpenSession read-only times=0 rv=0x6; call=C_DecryptInit rv=0x30");
    proxy.reset();
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    CU_ASSERT_EQUAL(proxy.get("C_Finalize"), 0); /* the token is available: nothing to reset */
    plan("call=C_OpenSession read-only times=0 rv=0x6; call=C_DecryptInit rv=0x190");
    CU_ASSERT_EQUAL(decrypt(), ST_OK);
    plan("");
}

static const test_case cases[] = {
    {"hanging_call_blocks_no_other", hanging_call_blocks_no_other},
    {"token_written_by_other_process_nothing_lost", token_written_by_other_process_nothing_lost},
    {"token_vanishes_and_returns", token_vanishes_and_returns},
    {"fault_recovered_within_operation", fault_recovered_within_operation},
    {"objects_found_twice_handled", objects_found_twice_handled},
    {"impossible_lengths_refused", impossible_lengths_refused},
    {"operation_makes_no_size_query", operation_makes_no_size_query},
    {"missing_mechanism_replaced_or_refused", missing_mechanism_replaced_or_refused},
    {"token_unpadding_fails_software_unpads", token_unpadding_fails_software_unpads},
    {"failed_mechanism_query_not_cached", failed_mechanism_query_not_cached},
    {"read_only_session_refused_read_write_used", read_only_session_refused_read_write_used},
    {"two_sessions_suffice", two_sessions_suffice},
    {"renumbered_slot_found", renumbered_slot_found},
    {NULL, NULL},
};
/* Tokens differ in the template with which they unwrap a key; no single template suits all. */
static void unwrap_template_refused_next_used(void)
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
        proxy.reset();
        CU_ASSERT_EQUAL(tok_rewrap(key, key, made, made_len, 32, moved, &moved_len, NULL), ST_OK);
        CU_ASSERT_EQUAL(proxy.get("C_UnwrapKey"), rows[i].tries);
    }
    plan("call=C_UnwrapKey times=0 rv=0x12");
    made_len = sizeof moved;
    CU_ASSERT_NOT_EQUAL(tok_rewrap(key, key, made, 256, 32, moved, &made_len, NULL), ST_OK);
    plan("");
    CU_ASSERT_EQUAL(tok_key_destroy(key, NULL), ST_OK);
    tok_key_release(key);
}

static const test_case template_cases[] = {
    {"unwrap_template_refused_next_used", unwrap_template_refused_next_used},
    {NULL, NULL},
};
static const test_suite suite_template = {
    .name = "template", .cases = template_cases, .start = start, .stop = stop};
static const test_suite suite_fault = {
    .name = "fault", .cases = cases, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_fault, &suite_template};

    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 2);
}
