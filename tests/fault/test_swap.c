/* SPDX-License-Identifier: Apache-2.0
 *
 * The token layer on a token that is replaced by another one, whose keys have the same names and
 * identifiers and whose PIN is the same; that reuses session handles; that returns too short
 * lengths; that has two keys with one name.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/tokens/raw.h"

static fault_proxy proxy;
static tok_context *ctx;
static tok_token *token;
static tok_key *rsa, *aes;
static uint8_t sealed[512], cipher[64];
static size_t sealed_len = sizeof sealed, cipher_len = sizeof cipher;
static const uint8_t plain[] = "a database encryption key, or so", iv[16] = {1};

static tok_key *make(tok_token *on, const char *name, core_algorithm algorithm)
{
    tok_key_spec spec = {name, algorithm,
                         core_algorithm_is_rsa(algorithm) ? TOK_CAN_DECRYPT | TOK_CAN_SIGN : 0,
                         true, false};
    tok_key *key = NULL;
    core_err err = {.status = ST_OK};

    if (tok_key_create(on, &spec, &key, &err) != ST_OK)
        fprintf(stderr, "%s: %s\n", name, err.text);
    return key;
}

static core_status login(const char *name, tok_token **out)
{
    core_status st = tok_token_find(ctx, name, out, NULL);
    return st == ST_OK ? tok_token_login(*out, getenv("PIN"), strlen(getenv("PIN")), NULL) : st;
}

/* Gives keys of the raw token this identifier. */
static bool give_id(const char *on, const char *label, const tok_key *like)
{
    raw_token raw;
    uint8_t id[sizeof tok_key_info_of(like)->id];
    const size_t length = tok_key_info_of(like)->id_len;
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY};
    char home[64];
    bool good = true;

    memcpy(id, tok_key_info_of(like)->id, length);
    (void)snprintf(home, sizeof home, "%s", getenv("TOKEN"));
    (void)setenv("TOKEN", on, 1);
    good = raw_open(&raw);
    for (size_t i = 0; good && i < 3; i++) {
        CK_ATTRIBUTE a = {CKA_ID, id, length};
        CK_OBJECT_HANDLE object = raw_find(&raw, classes[i], label);
        good = object == 0 || raw.f->C_SetAttributeValue(raw.session, object, &a, 1) == CKR_OK;
    }
    (void)raw.f->C_CloseSession(raw.session); /* and the login of the other users */
    (void)setenv("TOKEN", home, 1);
    return good;
}

static bool furnish_other(void)
{
    tok_token *other = NULL;

    if (login("other", &other) != ST_OK)
        return false;
    tok_key *r = make(other, "swap", CORE_ALG_RSA_2048),
            *a = make(other, "swap-aes", CORE_ALG_AES_256);
    bool good = r != NULL && a != NULL && give_id("other", "swap", rsa) &&
                give_id("other", "swap-aes", aes);
    tok_key_release(r);
    tok_key_release(a);
    tok_token_logout(other);
    tok_token_release(other);
    return good;
}

static int start(void)
{
    core_err err = {.status = ST_OK};

    if (!fault_proxy_second_token("other") ||
        tok_context_open(fault_proxy_config("swap.conf", ""), &ctx, &err) != ST_OK ||
        login("main", &token) != ST_OK)
        return 1;
    rsa = make(token, "swap", CORE_ALG_RSA_2048);
    aes = make(token, "swap-aes", CORE_ALG_AES_256);
    if (rsa == NULL || aes == NULL || !furnish_other() ||
        tok_encrypt(rsa, NULL, 0, plain, sizeof plain, sealed, &sealed_len, &err) != ST_OK ||
        tok_encrypt(aes, iv, 16, plain, sizeof plain, cipher, &cipher_len, &err) != ST_OK)
        return 1;
    proxy.reset();
    return setenv("P11COUNT_OTHER", "other", 1);
}

static int stop(void)
{
    proxy.plan("");
    tok_key_release(rsa);
    tok_key_release(aes);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    return proxy.violations() == 0 ? 0 : 1;
}

static core_status decrypt_with(tok_key *key)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = key == rsa ? tok_decrypt(rsa, NULL, 0, sealed, sealed_len, out, &out_len, NULL)
                                : tok_decrypt(aes, iv, 16, cipher, cipher_len, out, &out_len, NULL);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

static bool comes_back(unsigned most_ms)
{
    uint64_t until = core_now_us() + most_ms * 1000ULL;
    while (decrypt_with(rsa) != ST_OK || decrypt_with(aes) != ST_OK) {
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

static void other_token_in_slot_not_used(void)
{
    tok_key_spec spec = {"swap-new", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;

    proxy.reset();
    plan("call=* times=0 swap");
    uint64_t from = core_now_us();
    CU_ASSERT_EQUAL(core_status_class(decrypt_with(rsa)), CORE_CLASS_DEVICE);
    CU_ASSERT_NOT_EQUAL(decrypt_with(aes), ST_OK);
    CU_ASSERT_NOT_EQUAL(decrypt_with(aes), ST_FAILURE);
    CU_ASSERT_NOT_EQUAL(tok_key_by_name(token, "swap", &key, NULL), ST_OK);
    CU_ASSERT_NOT_EQUAL(tok_key_create(token, &spec, &key, NULL), ST_OK);
    CU_ASSERT(core_now_us() - from < 3000000);
    CU_ASSERT_EQUAL(proxy.get("C_Login"), 0); /* our PIN is not sent to the other token */
    CU_ASSERT_EQUAL(proxy.get("C_GenerateKey"), 0);
    CU_ASSERT(proxy.get("C_DecryptInit") <= 2); /* in sessions that are gone */
    plan("");
    CU_ASSERT(comes_back(4000));
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

/* The replacement happens at any call and ends soon after. */
static void swap_at_any_call_recovered(void)
{
    char text[64];

    for (unsigned nth = 1; nth <= 16; nth++) {
        for (unsigned long times = 0; times <= 6; times += 3) {
            (void)snprintf(text, sizeof text, "call=* nth=%u times=%lu swap", nth, times);
            plan(text);
            for (int i = 0; i < 4; i++) {
                core_status st = decrypt_with(i % 2 != 0 ? aes : rsa);
                bool fine = st == ST_OK || st == ST_DEVICE_BACKOFF ||
                            core_status_class(st) == CORE_CLASS_DEVICE;
                CU_ASSERT(fine);
                if (!fine)
                    fprintf(stderr, "%s: %s\n%s\n", text, core_status_name(st), proxy.log());
            }
            plan("");
            CU_ASSERT(comes_back(4000));
            proxy.reset();
        }
    }
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

static void *work(void *wrong)
{
    for (int i = 0; i < 40; i++)
        *(unsigned *)wrong += decrypt_with(i % 2 != 0 ? aes : rsa) != ST_OK;
    return NULL;
}

/* Sessions die during the work of four threads, and their handles are reused. */
static void reused_handles_recovered(void)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};

    proxy.reset();
    plan("reuse; call=C_DecryptInit nth=5 close; call=C_Decrypt nth=20 close; "
         "call=C_DecryptInit nth=40 times=3 close; call=C_Decrypt nth=90 close");
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &wrong[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(wrong[i], 0);
    }
    CU_ASSERT(proxy.get("C_OpenSession") > 0);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
    if (proxy.violations() != 0)
        fprintf(stderr, "%s\n", proxy.log());
    plan("");
}

static void operation_makes_no_size_query(void)
{
    uint8_t out[512];
    size_t out_len = sizeof out;

    plan("call=* times=0 consume");
    CU_ASSERT_EQUAL(decrypt_with(rsa), ST_OK);
    CU_ASSERT_EQUAL(decrypt_with(aes), ST_OK);
    CU_ASSERT_EQUAL(tok_encrypt(rsa, NULL, 0, plain, sizeof plain, out, &out_len, NULL), ST_OK);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL), ST_OK);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_rsa_sign(rsa, plain, sizeof plain, out, &out_len, NULL), ST_OK);
    plan("");
}

static void short_lengths_refused(void)
{
    uint8_t out[512];
    size_t out_len = sizeof out;

    plan("call=C_Encrypt times=0 short=1");
    CU_ASSERT_EQUAL(tok_encrypt(rsa, NULL, 0, plain, sizeof plain, out, &out_len, NULL), ST_DEVICE);
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_encrypt(aes, iv, 16, plain, sizeof plain, out, &out_len, NULL), ST_DEVICE);
    plan("call=C_Sign times=0 short=1");
    out_len = sizeof out;
    CU_ASSERT_EQUAL(tok_rsa_sign(rsa, plain, sizeof plain, out, &out_len, NULL), ST_SIGN_FAILED);
    plan("");
    CU_ASSERT(comes_back(2000));
}

static void *decrypt_apart(void *out)
{
    *(core_status *)out = decrypt_with(rsa);
    return NULL;
}

/* One call never returns: its thread is lost to its caller, the other threads continue. */
static void hanging_call_blocks_no_other(void)
{
    pthread_t thread;
    core_status apart = ST_FAILURE;

    plan("call=C_Decrypt hang");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, decrypt_apart, &apart), 0);
    core_sleep_ms(200);
    for (int i = 0; i < 10; i++) {
        uint64_t from = core_now_us();
        CU_ASSERT_EQUAL(decrypt_with(i % 2 != 0 ? aes : rsa), ST_OK);
        CU_ASSERT(core_now_us() - from < 1000000);
    }
    CU_ASSERT_EQUAL(apart, ST_FAILURE);
    plan("");
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(apart, ST_OK);
}

/* Last, since the keys stay: two with one name, and then with one identifier, too. */
static void duplicate_keys_refused(void)
{
    tok_key *twin = NULL, *found = NULL;
    raw_token raw;
    CK_OBJECT_HANDLE made[2];

    CU_ASSERT_FATAL(raw_open(&raw));
    CU_ASSERT_EQUAL(raw_generate_rsa(&raw, "twin", 2048, true, &made[0], &made[1]), CKR_OK);
    CU_ASSERT_EQUAL(raw_generate_rsa(&raw, "twin", 2048, true, &made[0], &made[1]), CKR_OK);
    (void)raw.f->C_CloseSession(raw.session);
    CU_ASSERT_EQUAL(tok_key_by_name(token, "twin", &found, NULL), ST_KEY_AMBIGUOUS);
    CU_ASSERT_PTR_NULL(found);

    twin = make(token, "swap-twin", CORE_ALG_RSA_2048);
    CU_ASSERT_PTR_NOT_NULL_FATAL(twin);
    CU_ASSERT(give_id(getenv("TOKEN"), "swap-twin", rsa));
    for (int i = 0; i < 4; i++) {
        plan("call=C_DecryptInit rv=0x60"); /* the key is searched again */
        core_status st = decrypt_with(rsa);
        CU_ASSERT(st == ST_OK || st == ST_KEY_AMBIGUOUS);
        if (st != ST_OK && st != ST_KEY_AMBIGUOUS)
            fprintf(stderr, "two of one identifier: %s\n", core_status_name(st));
    }
    plan("");
    tok_key_release(twin);
}

static const test_case cases[] = {
    {"other_token_in_slot_not_used", other_token_in_slot_not_used},
    {"swap_at_any_call_recovered", swap_at_any_call_recovered},
    {"reused_handles_recovered", reused_handles_recovered},
    {"operation_makes_no_size_query", operation_makes_no_size_query},
    {"short_lengths_refused", short_lengths_refused},
    {"hanging_call_blocks_no_other", hanging_call_blocks_no_other},
    {"duplicate_keys_refused", duplicate_keys_refused},
    {NULL, NULL},
};
static const test_suite suite_swap = {.name = "swap", .cases = cases, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite_swap};

    if (!fault_proxy_load(&proxy) || getenv("P11EKM_SOURCE_DIR") == NULL) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
