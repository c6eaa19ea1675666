/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of other programs, on tokens that return few attributes and change none: each must be
 * usable, and open under the name with which it is listed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/key_state.h"
#include "tests/field/key_fixture.h"

#define LABEL(text) .label = (text), .label_len = sizeof(text) - 1, .private = true

/* The key that SQL Server's list shows besides `others`; NULL: none. */
static tok_key *listed_key(void)
{
    tok_key **keys = NULL;
    tok_key *key = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(tok_key_list(fixture.token, &keys, &count, NULL), ST_OK);
    CU_ASSERT_EQUAL(count, 1);
    if (count == 1)
        key = tok_key_ref(keys[0]);
    tok_key_list_free(keys, count);
    return key;
}

/* A label that is missing or not text is shown as the thumbprint, which opens the key. */
static void unusable_label_opens_by_thumbprint(void)
{
    static const fixture_object labels[] = {
        {LABEL("")}, {LABEL("Schl\xfcssel")}, {LABEL("in\0side")}, {LABEL("\0\0")}};

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        for (unsigned rsa = 0; rsa < 2; rsa++) {
            char hex[2 * TOK_THUMB_LEN + 1];

            fixture_open("");
            (void)(rsa ? fixture_rsa(&labels[i]) : fixture_aes(&labels[i], 1));
            tok_key *key = listed_key();
            CU_ASSERT_PTR_NOT_NULL_FATAL(key);
            core_hex(tok_key_info_of(key)->thumb, TOK_THUMB_LEN, hex);
            CU_ASSERT_EQUAL(fixture_use(hex), ST_OK);
            tok_key_release(key);
            fixture_close();
        }
    }
}

/* NUL bytes at the end of a label are not part of the name. */
static void padded_label_opens_by_name(void)
{
    static const fixture_object labels[] = {
        {LABEL("padded\0")}, {LABEL("padded\0\0\0\0\0\0\0\0\0\0")}, {LABEL("padded")}};
    const tok_key_spec spec = {"padded", CORE_ALG_AES_256, 0, true, false};

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        for (unsigned rsa = 0; rsa < 2; rsa++) {
            tok_key *key = NULL;

            fixture_open("");
            (void)(rsa ? fixture_rsa(&labels[i]) : fixture_aes(&labels[i], 1));
            CU_ASSERT_EQUAL(fixture_use("padded"), ST_OK);
            key = listed_key();
            CU_ASSERT(key != NULL && strcmp(tok_key_info_of(key)->name, "padded") == 0);
            tok_key_release(key);
            CU_ASSERT_EQUAL(tok_key_create(fixture.token, &spec, &key, NULL), ST_KEY_EXISTS);
            fixture_close();
        }
    }
}

/* A long CKA_ID is reported in full; one that is too long leaves the key without an id. */
static void long_id_leaves_key_usable(void)
{
    uint8_t id[300];
    static const size_t lengths[] = {65, 128, 256, 257, 300};

    memset(id, 0x5a, sizeof id);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const fixture_object o = {LABEL("long"), .id = id, .id_len = lengths[i]};
        tok_key *key = NULL;

        fixture_open("");
        (void)fixture_rsa(&o);
        CU_ASSERT_EQUAL(fixture_use("long"), ST_OK);
        CU_ASSERT_EQUAL(tok_key_by_name(fixture.token, "long", &key, NULL), ST_OK);
        CU_ASSERT_EQUAL(tok_key_info_of(key)->id_len, lengths[i] <= 256 ? lengths[i] : 0);
        fixture.lose_sessions();
        CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
        tok_key_release(key);
        if (lengths[i] <= 256) {
            CU_ASSERT_EQUAL(tok_key_by_label_id(fixture.token, "long", id, lengths[i], &key, NULL),
                            ST_OK);
            tok_key_release(key);
        }
        fixture_session();
        fixture_close();
    }
}

/* Uses that the token does not report are left to the token. */
static void unreadable_use_is_left_to_the_token(void)
{
    static const CK_ATTRIBUTE_TYPE uses[] = {CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN, CKA_ENCRYPT,
                                             CKA_WRAP};
    const fixture_object rsa = {LABEL("rsa")}, aes = {LABEL("aes")};

    fixture_open("");
    (void)fixture_rsa(&rsa);
    (void)fixture_aes(&aes, 1);
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        fixture.refuse_attribute("rsa", CKO_PRIVATE_KEY, uses[i], CKR_ATTRIBUTE_TYPE_INVALID);
        fixture.refuse_attribute("aes", CKO_SECRET_KEY, uses[i], CKR_ATTRIBUTE_TYPE_INVALID);
    }
    CU_ASSERT_EQUAL(fixture_use("rsa"), ST_OK);
    CU_ASSERT_EQUAL(fixture_use("aes"), ST_OK);
    fixture_close();
}

/* An AES key whose length the token does not return (SoftHSM after C_UnwrapKey):
 * determined by wrapping it if it is extractable; otherwise the shortest is assumed, which
 * the policy must allow. */
static void unreadable_length_is_determined_or_least(void)
{
    const fixture_object open = {LABEL("open"), .extractable = true}, shut = {LABEL("shut")};
    tok_key *key = NULL;

    fixture_open("");
    fixture.refuse_attribute(NULL, CKO_SECRET_KEY, CKA_VALUE_LEN, CKR_OK);
    (void)fixture_aes(&open, 1);
    CU_ASSERT_EQUAL(fixture_use("open"), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(fixture.token, "open", &key, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_key_info_of(key)->algorithm, CORE_ALG_AES_256);
    CU_ASSERT_FALSE(tok_key_info_of(key)->bits_unknown);
    tok_key_release(key);
    key = listed_key();
    CU_ASSERT(key != NULL && tok_key_info_of(key)->algorithm == CORE_ALG_AES_256);
    tok_key_release(key);
    fixture_close();

    fixture_open("");
    fixture.refuse_attribute(NULL, CKO_SECRET_KEY, CKA_VALUE_LEN, CKR_OK);
    (void)fixture_aes(&shut, 1);
    CU_ASSERT_EQUAL(fixture_use("shut"), ST_OK);
    key = listed_key();
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(tok_key_info_of(key)->algorithm, CORE_ALG_AES_128);
    CU_ASSERT_TRUE(tok_key_info_of(key)->bits_unknown);
    tok_key_release(key);
    fixture_close();

    fixture_open("algorithms = AES_256");
    fixture.refuse_attribute(NULL, CKO_SECRET_KEY, CKA_VALUE_LEN, CKR_OK);
    (void)fixture_aes(&shut, 1);
    CU_ASSERT_EQUAL(fixture_use("shut"), ST_POLICY);
    fixture_close();
}

/* A private object without a modulus gets that of the public object with its CKA_ID if a known
 * answer proves it: another one that was planted with this id fails. */
static void unreadable_modulus_is_proven(void)
{
    static const uint8_t id[] = {1, 2, 3};
    const fixture_object ours = {LABEL("quiet"), .id = id, .id_len = sizeof id};
    const fixture_object planted = {LABEL("planted"), .id = id, .id_len = sizeof id};
    const fixture_object alone = {LABEL("alone")};
    static const CK_RV codes[] = {CKR_ATTRIBUTE_TYPE_INVALID, CKR_GENERAL_ERROR, CKR_OK};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        tok_key *key = NULL;

        fixture_open("");
        (void)fixture_rsa(&ours);
        (void)fixture_rsa(&planted); /* its public object is the newer one */
        fixture.refuse_attribute("planted", CKO_PRIVATE_KEY, MEM_ANY, CKR_GENERAL_ERROR);
        fixture.refuse_attribute("quiet", CKO_PRIVATE_KEY, CKA_MODULUS, codes[i]);
        fixture.refuse_attribute("quiet", CKO_PRIVATE_KEY, CKA_PUBLIC_EXPONENT, codes[i]);
        CU_ASSERT_EQUAL(fixture_use("quiet"), ST_OK);
        (void)fixture_rsa(&alone);
        fixture.refuse_attribute("alone", CKO_PRIVATE_KEY, CKA_MODULUS, codes[i]);
        CU_ASSERT_NOT_EQUAL(tok_key_by_name(fixture.token, "alone", &key, NULL), ST_OK);
        fixture_close();
    }
}

/* A token that does not return CKA_TOKEN: objects that were found are token objects, objects made
 * for a session are not. */
static void unreadable_token_flag_is_determined(void)
{
    const tok_key_spec spec = {"session_key", CORE_ALG_AES_256, 0, false, false};
    tok_key *key = NULL, *session_key = NULL;

    fixture_open("");
    fixture.refuse_attribute(NULL, MEM_ANY, CKA_TOKEN, CKR_ATTRIBUTE_TYPE_INVALID);
    tok_key_release(fixture_make("stays", CORE_ALG_RSA_2048));
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(fixture.token, "stays", &key, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_create(fixture.token, &spec, &session_key, NULL), ST_OK);
    CU_ASSERT_FALSE(tok_key_info_of(session_key)->persistent);
    CU_ASSERT_EQUAL(fixture_round_trip(session_key), ST_OK);
    fixture.lose_sessions();
    CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
    CU_ASSERT_EQUAL(fixture_round_trip(session_key), ST_HANDLE_LOST);
    tok_key_release(session_key);
    tok_key_release(key);
    fixture_session();
    fixture_close();
}

/* A key of an algorithm that the policy does not name cannot be used in any way. */
static void policy_binds_every_use(void)
{
    const fixture_object o = {LABEL("rsa")};
    tok_key *key = NULL;

    fixture_open("algorithms = RSA_3072, AES_256");
    (void)fixture_rsa(&o);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_label_id(fixture.token, "rsa", NULL, 0, &key, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_key_check_usage(key, TOK_CAN_DECRYPT, NULL), ST_POLICY);
    tok_key_release(key);
    fixture_close();
    fixture_open("algorithms = RSA_2048");
    (void)fixture_rsa(&o);
    CU_ASSERT_EQUAL(fixture_use("rsa"), ST_OK);
    fixture_close();
}

/* --- immutable tokens --- */

static const CK_RV refusals[] = {CKR_FUNCTION_NOT_SUPPORTED, CKR_ATTRIBUTE_READ_ONLY,
                                 CKR_ACTION_PROHIBITED, CKR_OK};

static void immutable_token_makes_usable_keys(void)
{
    static const core_algorithm algorithms[] = {CORE_ALG_RSA_2048, CORE_ALG_AES_256};

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        for (size_t a = 0; a < 2; a++) {
            tok_key *again = NULL;
            uint8_t thumb[TOK_THUMB_LEN];

            fixture_open("");
            fixture.refuse_change(NULL, refusals[i]);
            tok_key *key = fixture_make("fixed", algorithms[a]);
            CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
            memcpy(thumb, tok_key_info_of(key)->thumb, sizeof thumb);
            CU_ASSERT_NOT_EQUAL(tok_key_info_of(key)->id_len, TOK_THUMB_LEN);
            tok_key_release(key);
            fixture.lose_sessions();
            CU_ASSERT_EQUAL(fixture_use("fixed"), ST_OK);
            CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, thumb, &again, NULL), ST_OK);
            CU_ASSERT_EQUAL(fixture_round_trip(again), ST_OK);
            tok_key_release(again);
            fixture_session();
            fixture_close();
        }
    }
}

/* A retirement that the token accepts but does not make counts as failed. */
static void silent_refusal_is_detected(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        core_err err = {0};
        tok_key *again = NULL;

        fixture_open("");
        tok_key *key = fixture_make("kept", CORE_ALG_RSA_2048);
        fixture.refuse_change(NULL, refusals[i]);
        CU_ASSERT_NOT_EQUAL(tok_key_retire(key, &err), ST_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKA_LABEL"));
        tok_key_release(key);
        fixture.as_usual();
        CU_ASSERT_EQUAL(tok_key_by_name(fixture.token, "kept", &again, NULL), ST_OK);
        CU_ASSERT_FALSE(tok_key_info_of(again)->retired);
        CU_ASSERT_EQUAL(tok_key_retire(again, &err), ST_OK);
        tok_key_release(again);
        fixture_close();
    }
}

static const test_case cases[] = {
    {"unusable_label_opens_by_thumbprint", unusable_label_opens_by_thumbprint},
    {"padded_label_opens_by_name", padded_label_opens_by_name},
    {"long_id_leaves_key_usable", long_id_leaves_key_usable},
    {"unreadable_use_is_left_to_the_token", unreadable_use_is_left_to_the_token},
    {"unreadable_length_is_determined_or_least", unreadable_length_is_determined_or_least},
    {"unreadable_modulus_is_proven", unreadable_modulus_is_proven},
    {"unreadable_token_flag_is_determined", unreadable_token_flag_is_determined},
    {"policy_binds_every_use", policy_binds_every_use},
    {"immutable_token_makes_usable_keys", immutable_token_makes_usable_keys},
    {"silent_refusal_is_detected", silent_refusal_is_detected},
    {NULL, NULL},
};
static const test_suite suite = {.name = "attributes", .cases = cases};
extern const test_suite selector_suite;

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite, &selector_suite};

    if (!fixture_load()) {
        printf("SKIPPED: no memory token with the fault proxy\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 2);
}
