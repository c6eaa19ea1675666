/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches of keys among objects that were planted without the PIN, that cannot be read, or that
 * belong to other programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/field/key_fixture.h"

#define OBJECT(name, is_private)                                            \
    &(fixture_object)                                                       \
    {                                                                       \
        .label = (name), .label_len = strlen(name), .private = (is_private) \
    }

/* The result of a survey for the key "name". */
typedef struct surveyed {
    size_t listed, unprotected, unreadable, all;
    char text[256];
} surveyed;

static surveyed survey(const char *name)
{
    surveyed found = {0};
    tok_key **keys = NULL;
    tok_ignored_key *ignored = NULL;
    size_t count = 0, ignored_count = 0;

    CU_ASSERT_EQUAL(tok_key_survey(fixture.token, &keys, &count, &ignored, &ignored_count, NULL),
                    ST_OK);
    found.all = count;
    for (size_t i = 0; i < count; i++)
        found.listed += strcmp(tok_key_info_of(keys[i])->name, name) == 0;
    for (size_t i = 0; i < ignored_count; i++) {
        if (strcmp(ignored[i].name, name) != 0)
            continue;
        found.unprotected += ignored[i].why == TOK_IGNORED_UNPROTECTED;
        found.unreadable += ignored[i].why == TOK_IGNORED_UNREADABLE;
        memcpy(found.text, ignored[i].text, sizeof found.text);
    }
    tok_key_list_free(keys, count);
    core_free(ignored);
    return found;
}

static size_t listed(const char *name)
{
    tok_key **keys = NULL;
    size_t count = 0, found = 0;

    CU_ASSERT_EQUAL(tok_key_list(fixture.token, &keys, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        found += strcmp(tok_key_info_of(keys[i])->name, name) == 0;
    tok_key_list_free(keys, count);
    return found;
}

static core_status find(const char *name)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(fixture.token, name, &key, NULL);
    tok_key_release(key);
    return st;
}

/* --- planted without the PIN --- */

static void planted_key_name_stays_free(void)
{
    static const core_algorithm algorithms[] = {CORE_ALG_RSA_2048, CORE_ALG_AES_256};

    for (size_t i = 0; i < 2; i++) {
        fixture_open("");
        (void)fixture_rsa(OBJECT("wanted", false));
        (void)fixture_aes(OBJECT("wanted", false), 1);
        CU_ASSERT_EQUAL(find("wanted"), ST_NOT_FOUND);
        CU_ASSERT_EQUAL(listed("wanted"), 0);
        const surveyed before = survey("wanted");
        CU_ASSERT_EQUAL(before.unprotected, 2);
        CU_ASSERT_EQUAL(before.listed, 0);
        tok_key *key = fixture_make("wanted", algorithms[i]);
        CU_ASSERT_EQUAL(fixture_use("wanted"), ST_OK);
        CU_ASSERT_EQUAL(listed("wanted"), 1);
        tok_key_release(key);
        fixture_close();
    }
}

/* A key that exists and is skipped is not reported as missing, nor logged as a free name. */
static void skipped_key_error_names_reason(void)
{
    core_err err = {0};
    tok_key *key = NULL;
    uint8_t thumb[TOK_THUMB_LEN];

    fixture_open("");
    (void)fixture_aes(OBJECT("wanted", false), 1);
    CU_ASSERT_EQUAL(tok_key_by_name(fixture.token, "wanted", &key, &err), ST_NOT_FOUND);
    CU_ASSERT_TRUE(err.passed_over);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is ignored: its CKA_PRIVATE is not TRUE; see "));
    CU_ASSERT_EQUAL(tok_key_by_name(fixture.token, "free", &key, &err), ST_NOT_FOUND);
    CU_ASSERT_FALSE(err.passed_over);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "key \"free\" is not on token"));

    key = fixture_make("old", CORE_ALG_RSA_2048);
    memcpy(thumb, tok_key_info_of(key)->thumb, sizeof thumb);
    CU_ASSERT_EQUAL(tok_key_retire(key, NULL), ST_OK);
    tok_key_release(key);
    for (unsigned i = 0; i < 2; i++) { /* the second without a search */
        CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, thumb, &key, &err), ST_NOT_FOUND);
        CU_ASSERT_TRUE(err.passed_over);
        CU_ASSERT_PTR_NOT_NULL(
            strstr(err.text, "key \"old\" on token \"memory\" is retired since "));
        CU_ASSERT_STRING_EQUAL(core_err_next(&err, ST_NOT_FOUND), "p11ekm key restore old");
    }
    thumb[0] ^= 1;
    CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, thumb, &key, &err), ST_NOT_FOUND);
    CU_ASSERT_FALSE(err.passed_over);
    fixture_close();
}

/* A copy of our key's label and CKA_ID is planted; then our handles are invalidated. */
static void planted_twin_is_not_used(void)
{
    static const core_algorithm algorithms[] = {CORE_ALG_RSA_2048, CORE_ALG_AES_256};

    for (size_t i = 0; i < 2; i++) {
        fixture_open("");
        tok_key *key = fixture_make("ours", algorithms[i]);
        tok_key *again = NULL;
        const tok_key_info *info = tok_key_info_of(key);
        const fixture_object twin = {"ours", 4, info->thumb, TOK_THUMB_LEN, false, true};
        (void)fixture_rsa(&twin);
        (void)fixture_aes(&twin, 9);
        fixture.lose_sessions();
        CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
        CU_ASSERT_EQUAL(fixture_use("ours"), ST_OK);
        CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, info->thumb, &again, NULL), ST_OK);
        CU_ASSERT_EQUAL(fixture_round_trip(again), ST_OK);
        tok_key_release(again);
        tok_key_release(key);
        fixture_session();
        fixture_close();
    }
}

static void planted_key_is_used_where_allowed(void)
{
    fixture_open("unprotected_keys = allow");
    (void)fixture_aes(OBJECT("open", false), 1);
    CU_ASSERT_EQUAL(fixture_use("open"), ST_OK);
    CU_ASSERT_EQUAL(survey("open").unprotected, 0);
    CU_ASSERT_EQUAL(survey("open").listed, 1);
    fixture_close();
}

/* A token that does not return CKA_PRIVATE might hold keys that anybody made. */
static void unreadable_private_flag_is_unprotected(void)
{
    static const CK_RV codes[] = {CKR_ATTRIBUTE_TYPE_INVALID, CKR_OK, CKR_GENERAL_ERROR};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fixture_open("");
        (void)fixture_aes(OBJECT("silent", true), 1);
        fixture.refuse_attribute("silent", MEM_ANY, CKA_PRIVATE, codes[i]);
        CU_ASSERT_EQUAL(find("silent"), ST_NOT_FOUND);
        CU_ASSERT_EQUAL(survey("silent").unprotected, 1);
        fixture_close();
    }
}

/* --- unreadable --- */

/* Each attribute of one key is refused in turn: nothing else is affected. */
static void refused_attribute_affects_no_other(void)
{
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_KEY_TYPE,
                                              CKA_LABEL,
                                              CKA_ID,
                                              CKA_PRIVATE,
                                              CKA_START_DATE,
                                              CKA_END_DATE,
                                              CKA_MODULUS,
                                              CKA_VALUE_LEN,
                                              CKA_SENSITIVE,
                                              CKA_EXTRACTABLE,
                                              CKA_DECRYPT,
                                              CKA_UNWRAP,
                                              CKA_SIGN,
                                              CKA_ENCRYPT,
                                              CKA_WRAP,
                                              CKA_TOKEN,
                                              MEM_ANY,
                                              CKA_PUBLIC_EXPONENT,
                                              CKA_NEVER_EXTRACTABLE,
                                              CKA_ALWAYS_AUTHENTICATE};
    static const CK_RV codes[] = {
        CKR_GENERAL_ERROR,          CKR_FUNCTION_FAILED,         CKR_DEVICE_ERROR,
        CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, 0x80000123,
        CKR_TEMPLATE_INCONSISTENT,  CKR_FUNCTION_NOT_SUPPORTED};

    fixture_open("");
    tok_key *good = fixture_make("good", CORE_ALG_RSA_2048);
    (void)fixture_rsa(OBJECT("odd", true));
    (void)fixture_aes(OBJECT("odd", true), 3);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (size_t c = 0; c < sizeof codes / sizeof codes[0]; c++) {
            fixture.as_usual();
            fixture.refuse_attribute("odd", CKO_PRIVATE_KEY, types[t], codes[c]);
            fixture.refuse_attribute("odd", CKO_SECRET_KEY, types[t], codes[c]);
            const surveyed all = survey("good");
            CU_ASSERT_EQUAL(all.listed, 1);
            CU_ASSERT_EQUAL(fixture_use("good"), ST_OK);
        }
    }
    fixture.as_usual();
    fixture.refuse_attribute("odd", CKO_PRIVATE_KEY, CKA_MODULUS, CKR_GENERAL_ERROR);
    const surveyed odd = survey("odd");
    CU_ASSERT_EQUAL(odd.unreadable, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(odd.text, "CKR_GENERAL_ERROR"));
    CU_ASSERT_EQUAL(odd.listed, 1); /* the secret key */
    tok_key_release(good);
    fixture_close();
}

/* A key that is asked for by name and cannot be read is not "not found", and its name is taken. */
static void unreadable_key_is_not_missing(void)
{
    const tok_key_spec spec = {"odd", CORE_ALG_AES_256, 0, true, false};
    core_err err = {0};
    tok_key *key = NULL;

    fixture_open("");
    (void)fixture_rsa(OBJECT("odd", true));
    fixture.refuse_attribute("odd", CKO_PRIVATE_KEY, CKA_MODULUS, CKR_GENERAL_ERROR);
    CU_ASSERT_EQUAL(tok_key_by_name(fixture.token, "odd", &key, &err), ST_KEY_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "CKR_GENERAL_ERROR"));
    CU_ASSERT_EQUAL(tok_key_create(fixture.token, &spec, &key, &err), ST_KEY_EXISTS);
    fixture_close();
}

/* Dates that cannot be read count as none, and the key works (SoftHSM). */
static void unreadable_dates_are_none(void)
{
    fixture_open("");
    tok_key *made = fixture_make("dated", CORE_ALG_RSA_2048);
    tok_key *key = NULL;

    tok_key_release(made);
    fixture.refuse_attribute("dated", CKO_PRIVATE_KEY, CKA_END_DATE, CKR_GENERAL_ERROR);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(fixture.token, "dated", &key, NULL), ST_OK);
    CU_ASSERT_TRUE(tok_key_info_of(key)->dates_unreadable);
    CU_ASSERT_EQUAL(tok_key_info_of(key)->end_date, 0);
    CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
    tok_key_release(key);
    fixture.as_usual();
    fixture.refuse_attribute("dated", CKO_PRIVATE_KEY, CKA_END_DATE, CKR_ATTRIBUTE_TYPE_INVALID);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(fixture.token, "dated", &key, NULL), ST_OK);
    CU_ASSERT_FALSE(tok_key_info_of(key)->dates_unreadable);
    tok_key_release(key);
    fixture_close();
}

/* --- keys of other programs --- */

/* An AES key that must not encrypt, for whatever reason, affects no search for other keys. */
static void refused_use_affects_no_other(void)
{
    static const CK_RV codes[] = {CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR, CKR_MECHANISM_INVALID,
                                  CKR_KEY_FUNCTION_NOT_PERMITTED, 0x80000021};
    const uint8_t none[TOK_THUMB_LEN] = {1};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        tok_key *key = NULL;
        core_err err = {0};

        fixture_open("");
        (void)fixture_aes(OBJECT("sick", true), 1);
        (void)fixture_aes(OBJECT("sick", true), 2);
        (void)fixture_aes(OBJECT("well", true), 3);
        fixture.refuse_encrypt("sick", codes[i]);
        tok_key *ours = fixture_make("ours", CORE_ALG_RSA_2048);
        CU_ASSERT_EQUAL(survey("sick").listed, 2);
        CU_ASSERT_EQUAL(listed("sick"), 0);
        CU_ASSERT_EQUAL(listed("well"), 1);
        CU_ASSERT_EQUAL(listed("ours"), 1);
        CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, none, &key, NULL), ST_NOT_FOUND);
        CU_ASSERT_EQUAL(fixture_use("well"), ST_OK);
        CU_ASSERT_EQUAL(fixture_use("ours"), ST_OK);
        CU_ASSERT_NOT_EQUAL(tok_key_by_name(fixture.token, "sick", &key, &err), ST_OK);
        CU_ASSERT_NOT_EQUAL(err.status, ST_NOT_FOUND);
        tok_key_release(ours);
        fixture_close();
    }
}

/* Keys of other programs are used only by a search for them. */
static void listing_uses_no_key(void)
{
    tok_key_label *labels = NULL;
    tok_key *key = NULL;
    size_t count = 0;

    fixture_open("");
    tok_key *rsa = fixture_make("rsa", CORE_ALG_RSA_2048);
    tok_key *aes = fixture_make("aes", CORE_ALG_AES_256);
    uint8_t thumb[TOK_THUMB_LEN];
    memcpy(thumb, tok_key_info_of(rsa)->thumb, sizeof thumb);
    for (uint8_t i = 0; i < 5; i++)
        (void)fixture_aes(OBJECT("other", true), i);
    tok_key_release(rsa);
    tok_key_release(aes);
    fixture.lose_sessions();
    CU_ASSERT_EQUAL(find("rsa"), ST_OK); /* logs in again */
    fixture.reset_calls();
    CU_ASSERT_EQUAL(survey("other").listed, 5);
    CU_ASSERT_EQUAL(find("rsa"), ST_OK);
    CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, thumb, &key, NULL), ST_OK);
    tok_key_release(key);
    CU_ASSERT_EQUAL(tok_key_by_label_id(fixture.token, "rsa", NULL, 0, &key, NULL), ST_OK);
    tok_key_release(key);
    CU_ASSERT_EQUAL(tok_key_labels(fixture.token, &labels, &count, NULL), ST_OK);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT(count == 1 && strcmp(labels[0].name, "rsa") == 0);
    core_free(labels);
    CU_ASSERT_EQUAL(fixture.calls("C_EncryptInit"), 0);
    CU_ASSERT_EQUAL(find("aes"), ST_OK);
    CU_ASSERT_EQUAL(fixture.calls("C_EncryptInit"), 1); /* for its own thumbprint */
    CU_ASSERT_EQUAL(fixture.f->C_OpenSession(7, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                             &fixture.session),
                    CKR_OK);
    fixture_close();
}

/* A key without CKA_ID is found again next to keys that the token no longer serves. */
static void key_without_id_is_found_after_outage(void)
{
    static const CK_RV codes[] = {CKR_MECHANISM_INVALID, CKR_FUNCTION_FAILED,
                                  CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_GENERAL_ERROR};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        tok_key *key = NULL, *again = NULL;

        fixture_open("");
        (void)fixture_des3(OBJECT("old", true), 5);
        (void)fixture_aes(OBJECT("imported", true), 1);
        (void)fixture_des3(OBJECT("old", true), 6);
        CU_ASSERT_EQUAL_FATAL(tok_key_by_name(fixture.token, "imported", &key, NULL), ST_OK);
        fixture.refuse_encrypt("old", codes[i]);
        fixture.refuse_attribute("imported", CKO_SECRET_KEY, CKA_LABEL, CKR_OK);
        fixture.lose_sessions();
        CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
        CU_ASSERT_EQUAL(tok_key_by_thumb(fixture.token, tok_key_info_of(key)->thumb, &again, NULL),
                        ST_OK);
        tok_key_release(again);
        tok_key_release(key);
        fixture_session();
        fixture_close();
    }
}

/* --- keys made with other attributes than requested --- */

static void key_with_other_attributes_refused_and_destroyed(void)
{
    static const struct {
        CK_ATTRIBUTE_TYPE flag;
        CK_BBOOL value;
        const char *name;
    } rows[] = {{CKA_SENSITIVE, CK_FALSE, "CKA_SENSITIVE false"},
                {CKA_EXTRACTABLE, CK_TRUE, "CKA_EXTRACTABLE true"},
                {CKA_PRIVATE, CK_FALSE, ""},
                {CKA_TOKEN, CK_FALSE, "CKA_TOKEN false"}};
    static const core_algorithm algorithms[] = {CORE_ALG_RSA_2048, CORE_ALG_AES_256};

    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const tok_key_spec spec = {
            .name = "asked", .algorithm = algorithms[i % 2], .persistent = true};
        tok_key *key = NULL;
        core_err err = {0};
        fixture_open("");
        fixture.make_with(rows[i / 2].flag, rows[i / 2].value);
        CU_ASSERT_EQUAL(tok_key_create(fixture.token, &spec, &key, &err), ST_POLICY);
        CU_ASSERT_PTR_NULL_FATAL(key);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i / 2].name));
        fixture.make_with(MEM_ANY, CK_FALSE);
        const surveyed after = survey("asked");
        CU_ASSERT_EQUAL(after.listed + after.unprotected + after.unreadable, 0);
        CU_ASSERT_EQUAL(tok_key_create(fixture.token, &spec, &key, &err), ST_OK);
        CU_ASSERT_EQUAL(fixture_round_trip(key), ST_OK);
        tok_key_release(key);
        fixture_close();
    }
}

static const test_case cases[] = {
    {"planted_key_name_stays_free", planted_key_name_stays_free},
    {"skipped_key_error_names_reason", skipped_key_error_names_reason},
    {"planted_twin_is_not_used", planted_twin_is_not_used},
    {"planted_key_is_used_where_allowed", planted_key_is_used_where_allowed},
    {"unreadable_private_flag_is_unprotected", unreadable_private_flag_is_unprotected},
    {"refused_attribute_affects_no_other", refused_attribute_affects_no_other},
    {"unreadable_key_is_not_missing", unreadable_key_is_not_missing},
    {"unreadable_dates_are_none", unreadable_dates_are_none},
    {"refused_use_affects_no_other", refused_use_affects_no_other},
    {"listing_uses_no_key", listing_uses_no_key},
    {"key_without_id_is_found_after_outage", key_without_id_is_found_after_outage},
    {"key_with_other_attributes_refused_and_destroyed",
     key_with_other_attributes_refused_and_destroyed},
    {NULL, NULL},
};
static const test_suite suite = {.name = "keys", .cases = cases};

int main(int argc, char **argv)
{
    static const test_suite *const suites[] = {&suite};

    if (!fixture_load()) {
        printf("SKIPPED: no memory token with the fault proxy\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
