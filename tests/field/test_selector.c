/* SPDX-License-Identifier: Apache-2.0
 *
 * Selectors of tokens: each attribute of a URI selects or is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/field/key_fixture.h"

static core_status find(const char *identity, uint64_t *slot, core_err *err)
{
    tok_token *token = NULL;
    core_status st = tok_token_find(fixture.ctx, identity, &token, err);

    if (st == ST_OK && slot != NULL)
        *slot = tok_token_info_of(token)->slot;
    tok_token_release(token);
    return st;
}

/* The memory token: label memory, manufacturer "p11ekm tests", model memory, serial 1, slot 7. */
static void every_attribute_selects_or_is_refused(void)
{
    static const struct {
        const char *uri;
        core_status status;
    } cases[] = {
        {"pkcs11:token=memory", ST_OK},
        {"pkcs11:token=memory;serial=1;model=memory;manufacturer=p11ekm%20tests", ST_OK},
        {"pkcs11:token=memory;slot-id=7", ST_OK},
        {"pkcs11:token=memory;slot-id=8", ST_TOKEN_NOT_FOUND},
        {"pkcs11:slot-description=memory", ST_OK},
        {"pkcs11:token=memory;slot-description=nowhere", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;slot-manufacturer=p11ekm%20tests", ST_OK},
        {"pkcs11:token=memory;slot-manufacturer=Nobody", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;library-description=a%20token%20in%20memory", ST_OK},
        {"pkcs11:token=memory;library-description=another", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;library-manufacturer=p11ekm%20tests", ST_OK},
        {"pkcs11:token=memory;library-manufacturer=Acme", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;library-version=1.0", ST_OK},
        {"pkcs11:token=memory;library-version=1", ST_OK},
        {"pkcs11:token=memory;library-version=1.1", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;library-version=9.9", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory?module-name=p11count", ST_OK},
        {"pkcs11:token=memory?module-name=libp11count", ST_OK},
        {"pkcs11:token=memory?module-name=other", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory?module-path=/nowhere.so", ST_TOKEN_NOT_FOUND},
        {"pkcs11:token=memory;type=private", ST_FORMAT},
        {"pkcs11:token=memory;object=key", ST_FORMAT},
        {"pkcs11:token=memory;id=%01", ST_FORMAT},
        {"pkcs11:token=memory?pin-source=/etc/pin", ST_FORMAT},
        {"pkcs11:token=memory;x-vendor=1", ST_FORMAT},
        {"pkcs11:token=memory;serial=%", ST_FORMAT},
    };
    char path[512];

    fixture_open("");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        core_err err = {0};
        const core_status st = find(cases[i].uri, NULL, &err);
        if (st != cases[i].status)
            printf("%s: %s %s\n", cases[i].uri, core_status_name(st), err.text);
        CU_ASSERT_EQUAL(st, cases[i].status);
    }
    (void)snprintf(path, sizeof path, "pkcs11:token=memory?module-path=%s", getenv("MODULE"));
    CU_ASSERT_EQUAL(find(path, NULL, NULL), ST_OK);
    fixture_close();
}

/* A section whose URI does not parse is refused as a whole: the policy in it must not be
 * dropped. */
static void section_with_bad_uri_is_no_configuration(void)
{
    static const char *const uris[] = {"pkcs11:token=memory;x-vendor=1",
                                       "pkcs11:token=memory;type=privat",
                                       "pkcs11:token=memory;serial=%", "pkcs11:token=memory;id=%01",
                                       "pkcs11:token=memory?pin-value=1234"};

    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        char text[1024], name[32];
        tok_context *ctx = NULL;
        core_err err = {0};
        int length = snprintf(text, sizeof text,
                              "module = %s\nmodule_loader = direct\nlog = none\n"
                              "[token main]\ntoken = %s\ncreate = no\n",
                              getenv("MODULE"), uris[i]);
        (void)snprintf(name, sizeof name, "bad-%zu.conf", i);
        const char *path = testing_file(name, text, (size_t)length, 0600);
        CU_ASSERT_EQUAL(tok_context_open(path, &ctx, &err), ST_CONFIG_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "[token main]"));
        tok_context_close(ctx);
    }
}

/* A context whose configuration names both; neither has been used yet. */
static void open_twins(void)
{
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "module = %s\nmodule_loader = direct\nlog = none\n"
                          "[token one]\ntoken = pkcs11:token=memory;slot-id=7\n"
                          "[token two]\ntoken = pkcs11:token=memory;slot-id=8\ncreate = no\n",
                          getenv("MODULE"));
    const char *path = testing_file("twins.conf", text, (size_t)length, 0600);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(path, &fixture.ctx, NULL), ST_OK);
    fixture.twin(1);
}

/* Two tokens with the same description differ by their slots. */
static void twins_are_told_apart_by_slot(void)
{
    uint64_t slot = 0;
    core_err err = {0};
    tok_token *first = NULL, *second = NULL, *again = NULL;

    fixture_open("");
    fixture.twin(1);
    CU_ASSERT_EQUAL(find("memory", NULL, &err), ST_TOKEN_AMBIGUOUS);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "slot-id 8"));
    CU_ASSERT_EQUAL(find("pkcs11:token=memory", NULL, NULL), ST_TOKEN_AMBIGUOUS);
    fixture.twin(0);
    fixture_close();

    open_twins();
    CU_ASSERT_EQUAL(tok_token_find(fixture.ctx, "one", &first, NULL), ST_OK);
    CU_ASSERT_EQUAL(tok_token_find(fixture.ctx, "two", &second, NULL), ST_OK);
    CU_ASSERT_PTR_NOT_EQUAL(first, second);
    CU_ASSERT_EQUAL(find("one", &slot, NULL), ST_OK);
    CU_ASSERT_EQUAL(slot, 7);
    CU_ASSERT_EQUAL(find("two", &slot, NULL), ST_OK);
    CU_ASSERT_EQUAL(slot, 8);
    CU_ASSERT_TRUE(tok_token_config(first)->create);
    CU_ASSERT_FALSE(tok_token_config(second)->create);
    CU_ASSERT_EQUAL(
        tok_token_find(fixture.ctx, "pkcs11:slot-description=memory,%20the%20twin", &again, NULL),
        ST_OK);
    CU_ASSERT_PTR_EQUAL(again, second);
    tok_token_release(again);
    tok_token_release(first);
    tok_token_release(second);
    fixture.twin(0);
    tok_context_close(fixture.ctx);
}

static const test_case cases[] = {
    {"every_attribute_selects_or_is_refused", every_attribute_selects_or_is_refused},
    {"section_with_bad_uri_is_no_configuration", section_with_bad_uri_is_no_configuration},
    {"twins_are_told_apart_by_slot", twins_are_told_apart_by_slot},
    {NULL, NULL},
};
const test_suite selector_suite = {.name = "selector", .cases = cases};
