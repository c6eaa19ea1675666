/* SPDX-License-Identifier: Apache-2.0
 *
 * Public key objects that were planted without a PIN, tokens that make no session objects, and
 * private keys whose exponent cannot be read.
 */
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>
#include "tests/field/rsa_fixture.h"

static const uint8_t one[] = {1}, three[] = {3}, f4[] = {1, 0, 1}, even[] = {4};

/* 20 objects: the key's modulus, label and CKA_ID with exponents 1, 3 and 4, and unrelated keys. */
static void plant_twenty(const fixture *w, const tok_key *key)
{
    const tok_key_info *info = tok_key_info_of(key);

    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(fixture_plant(w, info, one, sizeof one), CKR_OK);
        CU_ASSERT_EQUAL(fixture_plant(w, info, three, sizeof three), CKR_OK);
        CU_ASSERT_EQUAL(fixture_plant(w, info, even, sizeof even), CKR_OK);
        CU_ASSERT_EQUAL(fixture_plant(w, NULL, f4, sizeof f4), CKR_OK);
    }
}

static void encrypts_and_wraps(fixture *w, tok_key *key)
{
    uint8_t cipher[FIXTURE_BLOCK], back[FIXTURE_BLOCK];
    size_t length = sizeof cipher, back_len = sizeof back;

    CU_ASSERT_EQUAL(fixture_round_trip(w, key, cipher), ST_OK);
    CU_ASSERT_FALSE(fixture_reads(cipher, sizeof cipher));
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, cipher, &length, &w->err), ST_OK);
    CU_ASSERT_FALSE(fixture_reads(cipher, length));
    CU_ASSERT_EQUAL(
        tok_rsa_decrypt(key, CORE_PAD_OAEP_SHA1, cipher, length, back, &back_len, &w->err), ST_OK);
    CU_ASSERT_EQUAL(back_len, 32);
    CU_ASSERT_EQUAL(tok_rewrap(key, key, cipher, length, 32, back, &(size_t){sizeof back}, &w->err),
                    ST_OK);
    CU_ASSERT_FALSE(fixture_reads(back, sizeof back));
}

static void planted_objects_are_not_used(void)
{
    fixture w;

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "victim");
    plant_twenty(&w, key);
    encrypts_and_wraps(&w, key);
    tok_key_release(key);
    fixture_end(&w);

    /* In the second round a new context finds them first, and the genuine object is gone. */
    for (unsigned round = 0; round < 2; round++) {
        fixture_begin(&w, "");
        key = fixture_find(&w, "victim");
        CU_ASSERT_PTR_NOT_NULL_FATAL(key);
        encrypts_and_wraps(&w, key);
        while (round == 0 && fixture_publics(&w, key, true) > 1) {
        }
        if (round == 0)
            CU_ASSERT_EQUAL(fixture_plant(&w, tok_key_info_of(key), one, sizeof one), CKR_OK);
        if (round == 1)
            CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
        tok_key_release(key);
        fixture_end(&w);
    }
}

static void encryption_costs_two_calls_after_the_first(void)
{
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "calls");
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_proxy.get("C_CreateObject"), 1);
    fixture_proxy.reset();
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_proxy.get(NULL), 4);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
    tok_key_release(key);
    fixture_end(&w);
}

/* More keys than a session caches: the session objects of the others are destroyed. */
static void session_objects_are_limited(void)
{
    enum { KEYS = 6 };
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];
    tok_key *keys[KEYS];
    char name[16];

    fixture_begin(&w, "");
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(name, sizeof name, "pile-%u", i);
        keys[i] = fixture_make(&w, name);
    }
    fixture_proxy.reset();
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < KEYS; i++)
            CU_ASSERT_EQUAL(fixture_round_trip(&w, keys[i], cipher), ST_OK);
    CU_ASSERT(fixture_proxy.get("C_CreateObject") - fixture_proxy.get("C_DestroyObject") <= 4);
    for (unsigned i = 0; i < KEYS; i++) {
        CU_ASSERT_EQUAL(tok_key_destroy(keys[i], &w.err), ST_OK);
        tok_key_release(keys[i]);
    }
    fixture_end(&w);
}

/* On a token that makes no session objects, encryption uses the token's own public object and no
 * other. */
static void own_object_is_compared_each_time(void)
{
    static const char refuses[] = "call=C_CreateObject times=0 rv=0x54";
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "own object");
    plant_twenty(&w, key);
    CU_ASSERT_EQUAL(fixture_proxy.plan(refuses), 0);
    encrypts_and_wraps(&w, key);
    fixture_proxy.reset();
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(fixture_proxy.get("C_FindObjectsInit"), 0);
    /* Without it only the way that the error names is left; no other object is used. */
    while (fixture_publics(&w, key, true) > 1) {
    }
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(fixture_plant(&w, tok_key_info_of(key), one, sizeof one), CKR_OK);
    CU_ASSERT_EQUAL(fixture_proxy.plan(refuses), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_MECHANISM);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.err.text, "public_ops = software"));
    tok_key_release(key);
    fixture_end(&w);

    fixture_begin(&w, "public_ops = software\n");
    CU_ASSERT_EQUAL(fixture_proxy.plan(refuses), 0);
    key = fixture_find(&w, "own object");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
    tok_key_release(key);
    fixture_end(&w);
}

static void refused_template_retried_smaller(void)
{
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "template");
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_CreateObject times=2 rv=0xd1"), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(fixture_proxy.get("C_CreateObject"), 3);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
    tok_key_release(key);
    fixture_end(&w);
}

/* --- unreadable exponents --- */

static void hide_exponent(fixture *w, const char *name)
{
    char plan[96];

    (void)snprintf(plan, sizeof plan, "call=C_GetAttributeValue object=%lu times=0 hide=0x122",
                   fixture_private(w, name));
    CU_ASSERT_EQUAL(fixture_proxy.plan(plan), 0);
}

/* Keys with usual, small and long exponents; no public object, planted ones, or both. */
static void unreadable_exponent_is_proven(void)
{
    static const uint8_t seventeen[] = {17};
    static const uint8_t longer[] = {0x9a, 1,  2,  3,  4,  5,  6,  7,  8,  9,
                                     10,   11, 12, 13, 14, 15, 16, 17, 18, 0x1f};
    static const struct {
        const char *name;
        const uint8_t *exponent;
        size_t length;
        bool genuine; /* the genuine public object exists */
    } keys[] = {{"f4", f4, sizeof f4, false},
                {"three", three, sizeof three, false},
                {"seventeen", seventeen, sizeof seventeen, true},
                {"longer", longer, sizeof longer, true}};
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        fixture_begin(&w, "");
        EVP_PKEY *pair = fixture_pair(keys[i].exponent, keys[i].length);
        CU_ASSERT_EQUAL_FATAL(fixture_import(&w, pair, keys[i].name), CKR_OK);
        tok_key *told = fixture_find(&w, keys[i].name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(told);
        tok_key_info before = *tok_key_info_of(told);
        tok_key_release(told);
        CU_ASSERT_EQUAL(fixture_plant(&w, &before, one, sizeof one), CKR_OK);
        CU_ASSERT_EQUAL(fixture_plant(&w, &before, even, sizeof even), CKR_OK);
        if (keys[i].genuine)
            CU_ASSERT_EQUAL(fixture_plant(&w, &before, keys[i].exponent, (CK_ULONG)keys[i].length),
                            CKR_OK);
        hide_exponent(&w, keys[i].name);
        tok_key *key = fixture_find(&w, keys[i].name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(key);
        CU_ASSERT(memcmp(tok_key_info_of(key)->thumb, before.thumb, TOK_THUMB_LEN) == 0);
        CU_ASSERT_EQUAL(tok_key_info_of(key)->exponent_len, keys[i].length);
        CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
        CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
        CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
        tok_key_release(key);
        EVP_PKEY_free(pair);
        fixture_end(&w);
    }
}

/* An unusual exponent that cannot be determined: the key is reported missing rather than used with
 * a wrong one. */
static void unknown_exponent_is_not_assumed(void)
{
    static const uint8_t unusual[] = {0x01, 0x00, 0x03};
    fixture w;

    fixture_begin(&w, "");
    EVP_PKEY *pair = fixture_pair(unusual, sizeof unusual);
    CU_ASSERT_EQUAL_FATAL(fixture_import(&w, pair, "unusual"), CKR_OK);
    hide_exponent(&w, "unusual");
    CU_ASSERT_PTR_NULL(fixture_find(&w, "unusual"));
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    tok_key *key = fixture_find(&w, "unusual");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
    tok_key_release(key);
    EVP_PKEY_free(pair);
    fixture_end(&w);
}

/* Modulus and exponent that do not belong to the private key: nothing is encrypted, and the error
 * says that the known answer came back wrong. */
static void wrong_public_numbers_encrypt_nothing(void)
{
    fixture w;
    uint8_t cipher[FIXTURE_BLOCK];

    fixture_begin(&w, "");
    tok_key *key = fixture_make(&w, "unproven");
    CU_ASSERT_EQUAL(fixture_proxy.plan("call=C_Decrypt times=0 rv=0x40"), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_KEY_UNPROVEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.err.text, "unproven"));
    CU_ASSERT_EQUAL(fixture_proxy.get("C_Encrypt"), 0);
    CU_ASSERT_EQUAL(fixture_proxy.plan(""), 0);
    CU_ASSERT_EQUAL(fixture_round_trip(&w, key, cipher), ST_OK);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &w.err), ST_OK);
    tok_key_release(key);
    fixture_end(&w);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"planted_objects_are_not_used", planted_objects_are_not_used},
        {"encryption_costs_two_calls_after_the_first", encryption_costs_two_calls_after_the_first},
        {"session_objects_are_limited", session_objects_are_limited},
        {"own_object_is_compared_each_time", own_object_is_compared_each_time},
        {"refused_template_retried_smaller", refused_template_retried_smaller},
        {"unreadable_exponent_is_proven", unreadable_exponent_is_proven},
        {"unknown_exponent_is_not_assumed", unknown_exponent_is_not_assumed},
        {"wrong_public_numbers_encrypt_nothing", wrong_public_numbers_encrypt_nothing},
        {NULL, NULL}};
    static const test_suite suite = {.name = "field_pubkey", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!fault_proxy_load(&fixture_proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
