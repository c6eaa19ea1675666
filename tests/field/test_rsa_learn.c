/* SPDX-License-Identifier: Apache-2.0
 *
 * Which paddings a key supports, and how that is determined: one failure of the token, or one key's
 * refusal, must not exclude the padding for another key, other data or a later operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/field/rsa_fixture.h"

#define SHA1   "0x220"
#define SHA256 "0x250"
#define QUOTED "log = %s\n"

static void destroy(fixture *w, tok_key *key)
{
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w->err), ST_OK);
    tok_key_release(key);
}

/* Each way a token may fail once while the first encryption of a process determines its support. */
static void single_failure_excludes_no_padding(void)
{
    static const char *const fault_plans[] = {
        "call=C_Decrypt rv=0x5",                      /* GENERAL_ERROR */
        "call=C_Decrypt rv=0x6",                      /* FUNCTION_FAILED */
        "call=C_Decrypt rv=0x40",                     /* ENCRYPTED_DATA_INVALID */
        "call=C_Decrypt rv=0x80000001",               /* vendor-defined */
        "call=C_DecryptInit hash=" SHA256 " rv=0x5",  /* before the data */
        "call=C_DecryptInit hash=" SHA256 " rv=0x30", /* DEVICE_ERROR */
        "call=C_DecryptInit hash=" SHA256 " rv=0x31", /* DEVICE_MEMORY */
        "call=C_DecryptInit hash=" SHA256 " rv=0xb3", /* SESSION_HANDLE_INVALID */
        "call=C_DecryptInit hash=" SHA256 " rv=0x80000001",
        "call=C_EncryptInit rv=0x5",
        "call=C_Encrypt rv=0x6",
        "call=C_CreateObject rv=0x5",
    };
    uint8_t old[FIXTURE_BLOCK], cipher[FIXTURE_BLOCK];
    fixture w;

    for (size_t i = 0; i < sizeof fault_plans / sizeof fault_plans[0]; i++) {
        fixture_begin(&w, "");
        tok_key *key = fixture_make(&w, "fault_plan");
        fixture_seal(key, "SHA256", old);
        CU_ASSERT_EQUAL(fixture_proxy.plan(fault_plans[i]), 0);
        core_status st = fixture_round_trip(&w, key, cipher);
        CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
        /* The first statement may fail; the next one succeeds, with the policy's padding. */
        if (st == ST_OK)
            CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA256);
        st = fixture_round_trip(&w, key, cipher);
        for (unsigned n = 0; st == ST_DEVICE_BACKOFF && n < 20; n++) {
            (void)usleep(50000);
            st = fixture_round_trip(&w, key, cipher);
        }
        CU_ASSERT_EQUAL(st, ST_OK);
        if (st != ST_OK)
            printf("\n%s: %s\n", fault_plans[i], w.err.text);
        CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA256);
        CU_ASSERT_EQUAL(fixture_opens(&w, key, old), ST_OK);
        destroy(&w, key);
        fixture_end(&w);
    }
}

static void refusal_of_one_key_affects_no_other(void)
{
    uint8_t old_a[FIXTURE_BLOCK], old_b[FIXTURE_BLOCK], cipher[FIXTURE_BLOCK];
    char plan[128];
    fixture w;

    fixture_begin(&w, "");
    tok_key *a = fixture_make(&w, "may"), *b = fixture_make(&w, "may not");
    fixture_seal(a, "SHA256", old_a);
    fixture_seal(b, "SHA256", old_b);
    (void)snprintf(plan, sizeof plan,
                   "call=C_DecryptInit hash=" SHA256 " object=%lu times=0 rv=0x70",
                   fixture_private(&w, "may not"));
    CU_ASSERT_EQUAL(fixture_proxy.plan(plan), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, b, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_padding(&w, b, cipher), CORE_PAD_OAEP_SHA1);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, a, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_padding(&w, a, cipher), CORE_PAD_OAEP_SHA256);
    CU_ASSERT_EQUAL(fixture_opens(&w, a, old_a), ST_OK);
    /* The refused padding is not skipped in decryption: its ciphertexts decrypt once the token
     * accepts it. */
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(fixture_opens(&w, b, old_b), ST_OK);
    destroy(&w, a);
    destroy(&w, b);
    fixture_end(&w);
}

/* A key without any OAEP, as CKA_ALLOWED_MECHANISMS can say, is refused with an error that names
 * it. */
static void unconfirmed_refusal_is_not_cached(void)
{
    uint8_t cipher[FIXTURE_BLOCK];
    char plan[128];
    fixture w;

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "signs only");
    for (unsigned code = 0; code < 2; code++) {
        (void)snprintf(plan, sizeof plan, "call=C_DecryptInit object=%lu times=0 rv=%s",
                       fixture_private(&w, "signs only"), code == 0 ? "0x70" : "0x68");
        CU_ASSERT_EQUAL(fixture_proxy.plan(plan), 0);
        CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher),
                        code == 0 ? ST_MECHANISM : ST_KEY_USAGE);
        CU_ASSERT_EQUAL(fixture_proxy.get("C_Encrypt"), 0);
    }
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA256);
    destroy(&w, key);
    fixture_end(&w);
}

/* Each code with which a token may refuse a padding, a vendor-defined one only if it is returned
 * twice. */
static void refusal_by_any_code_falls_back(void)
{
    static const char *const codes[] = {"0x7", "0x54", "0x68", "0x70", "0x71", "0x80000001"};
    uint8_t cipher[FIXTURE_BLOCK], old[FIXTURE_BLOCK];
    char plan[128];
    fixture w;

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fixture_begin(&w, "");
        tok_key *key = fixture_make(&w, "refused");
        fixture_seal(key, "SHA1", old);
        (void)snprintf(plan, sizeof plan, "call=C_DecryptInit hash=" SHA256 " times=0 rv=%s",
                       codes[i]);
        CU_ASSERT_EQUAL(fixture_proxy.plan(plan), 0);
        /* A refused padding says nothing about the data: the next one is tried. */
        CU_ASSERT_EQUAL(fixture_opens(&w, key, old), ST_OK);
        CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
        if (w.err.status != ST_OK)
            printf("\n%s: %s\n", codes[i], w.err.text);
        CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA1);
        destroy(&w, key);
        fixture_end(&w);
    }
}

/* A login in between starts a new generation, so an acceptance after it confirms no
 * refusal before it: both are queried again. Found with 32 threads that log in while the
 * first of them encrypts. */
static void refusal_is_confirmed_again_after_a_new_login(void)
{
    uint8_t cipher[FIXTURE_BLOCK];
    fixture w;

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "moved");
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_DecryptInit hash=" SHA256 " times=0 rv=0x7;"
                                       "call=C_DecryptInit hash=" SHA1 " logout"),
                    0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA1);
    destroy(&w, key);
    fixture_end(&w);
}

/* A failure while the refusal is confirmed is reported as that failure, not as the refusal. */
static void failed_confirmation_is_reported_as_failure(void)
{
    uint8_t cipher[FIXTURE_BLOCK];
    fixture w;

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "no memory");
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_DecryptInit hash=" SHA256 " times=0 rv=0x7;"
                                       "call=C_DecryptInit hash=" SHA1 " times=0 rv=0x31"),
                    0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_TOKEN_FULL);
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_DecryptInit hash=" SHA256 " times=0 rv=0x7"), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_padding(&w, key, cipher), CORE_PAD_OAEP_SHA1);
    destroy(&w, key);
    fixture_end(&w);
}

static void downgrade_is_logged_once(void)
{
    uint8_t cipher[FIXTURE_BLOCK];
    char lines[512];
    size_t length = 0;
    const char *path = testing_path("downgrade.log");
    unsigned said = 0;
    fixture w;

    (void)snprintf(lines, sizeof lines, QUOTED, path);
    fixture_begin(&w, lines);
    tok_key *key = fixture_make(&w, "downgraded");
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_DecryptInit hash=" SHA256 " times=0 rv=0x70"), 0);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    destroy(&w, key);
    fixture_end(&w);
    char *text = testing_read(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (const char *at = text; (at = strstr(at, "refuses oaep-sha256")) != NULL; at++)
        said++;
    CU_ASSERT_EQUAL(said, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"downgraded\""));
    free(text);
}

/* The limit does not depend on earlier operations of the process. SoftHSM has OAEP with
 * SHA-1 only. */
static void longest_plaintext_is_the_same_before_and_after(void)
{
    uint8_t plain[FIXTURE_BLOCK] = {1}, cipher[FIXTURE_BLOCK], back[FIXTURE_BLOCK];
    fixture w;

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "limit");
    const size_t most = tok_encrypt_max(key);
    CU_ASSERT_EQUAL(most, FIXTURE_BLOCK - 66);
    for (unsigned i = 0; i < 2; i++) {
        size_t length = sizeof cipher, back_len = sizeof back;
        CU_ASSERT_EQUAL(tok_encrypt(key, NULL, 0, plain, most + 1, cipher, &length, &w.err),
                        ST_DATA_LENGTH);
        length = sizeof cipher;
        CU_ASSERT_EQUAL(tok_encrypt(key, NULL, 0, plain, most, cipher, &length, &w.err), ST_OK);
        CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, length, back, &back_len, &w.err), ST_OK);
        CU_ASSERT(back_len == most && memcmp(back, plain, most) == 0);
        CU_ASSERT_EQUAL(tok_encrypt_max(key), most);
    }
    destroy(&w, key);
    fixture_end(&w);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"single_failure_excludes_no_padding", single_failure_excludes_no_padding},
        {"refusal_of_one_key_affects_no_other", refusal_of_one_key_affects_no_other},
        {"unconfirmed_refusal_is_not_cached", unconfirmed_refusal_is_not_cached},
        {"refusal_by_any_code_falls_back", refusal_by_any_code_falls_back},
        {"refusal_is_confirmed_again_after_a_new_login",
         refusal_is_confirmed_again_after_a_new_login},
        {"failed_confirmation_is_reported_as_failure", failed_confirmation_is_reported_as_failure},
        {"downgrade_is_logged_once", downgrade_is_logged_once},
        {"longest_plaintext_is_the_same_before_and_after",
         longest_plaintext_is_the_same_before_and_after},
        {NULL, NULL}};
    static const test_case limits[] = {{"longest_plaintext_is_the_same_before_and_after",
                                        longest_plaintext_is_the_same_before_and_after},
                                       {NULL, NULL}};
    const bool only = argc > 1 && strcmp(argv[1], "limits") == 0;
    const test_suite suite = {.name = "field_rsa", .cases = only ? limits : cases};
    const test_suite *const suites[] = {&suite};

    if (!fault_proxy_load(&fixture_proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(only ? 1 : argc, argv, suites, 1);
}
