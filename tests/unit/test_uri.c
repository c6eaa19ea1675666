/* SPDX-License-Identifier: Apache-2.0
 *
 * PKCS#11 URIs: what is accepted, what is refused and the position in the error, the canonical
 * text, lack of memory, and a comparison with p11-kit's parser.
 */
#include <stdio.h>
#include <string.h>
#include "core/memory.h"
#include "pkcs11/uri.h"
#include "testing.h"
#include "tests/fuzz/uri_oracle.h"

#define T32 "0123456789abcdef0123456789ABCDEF"
#define T64 T32 T32

static const char *const good[] = {
    "pkcs11:",
    "PKCS11:token=x",
    "pkcs11:?",
    "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc."
    ";model=1.0;serial=0123;object=my-key;type=private;id=%69%95%3E%5C%F4%BD%EC%91",
    "pkcs11:token=" T32 ";serial=0123456789abcdef",
    "pkcs11:id=",
    "pkcs11:id=%00%01%ff;object=",
    "pkcs11:object=%F0%9F%94%91;type=secret-key",
    "pkcs11:object=a=b&c:@!$'()*+,[]-._~",
    "pkcs11:type=public",
    "pkcs11:type=cert",
    "pkcs11:type=data",
    "pkcs11:library-description=d;library-manufacturer=m;library-version=2.40",
    "pkcs11:library-version=255",
    "pkcs11:slot-description=" T64 ";slot-manufacturer=m;slot-id=9223372036854775807",
    "pkcs11:slot-id=007",
    "pkcs11:object=k?pin-source=file:/etc/token_pin&module-name=softhsm2",
    "pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=|/usr/lib/pinomatic",
};

/* Refused, with the attribute and the position (from 1) in the error. */
static const struct {
    const char *text;
    const char *says;
} bad[] = {
    {"", "does not begin"},
    {"pkcs11", "does not begin"},
    {" pkcs11:token=a", "does not begin"},
    {"http:token=a", "does not begin"},
    {"pkcs11:token", "\"token\" at character 8: no '='"},
    {"pkcs11:;", "\"\" at character 8"},
    {"pkcs11:token=a;", "\"\" at character 16"},
    {"pkcs11:token=a;;serial=1", "\"\" at character 16"},
    {"pkcs11:=a", "\"\" at character 8: not an attribute"},
    {"pkcs11:Token=a", "\"Token\" at character 8: not an attribute"},
    {"pkcs11:x-vendor=a", "\"x-vendor\" at character 8: not an attribute"},
    {"pkcs11:tok%65n=a", "\"tok\" at character 8: not an attribute"},
    {"pkcs11:token=a;token=b", "\"token\" at character 16: given twice"},
    {"pkcs11:id=;id=", "\"id\" at character 12: given twice"},
    {"pkcs11:pin-source=file:a", "\"pin-source\" at character 8: belongs after"},
    {"pkcs11:?token=a", "\"token\" at character 9: belongs before"},
    {"pkcs11:?object=a", "\"object\" at character 9: belongs before"},
    {"pkcs11:?pin-source=a&pin-source=b", "given twice"},
    {"pkcs11:?pin-source=a&", "no '='"},
    {"pkcs11:?pin-value=1234", "\"pin-value\" at character 9: a URI is no place for a PIN"},
    {"pkcs11:token=a?pin-value=", "no place for a PIN"},
    {"pkcs11:pin-value=1234", "\"pin-value\" at character 8: belongs after"},
    {"pkcs11:token=a b", "percent-encoded"},
    {"pkcs11:token=a/b", "percent-encoded"},
    {"pkcs11:token=a|b", "percent-encoded"},
    {"pkcs11:token=a#b", "percent-encoded"},
    {"pkcs11:token=\xc3\xa4", "percent-encoded"},
    {"pkcs11:token=a\n", "percent-encoded"},
    {"pkcs11:token=%", "two hex digits"},
    {"pkcs11:token=%4", "two hex digits"},
    {"pkcs11:token=%4;serial=1", "two hex digits"},
    {"pkcs11:token=%g0", "two hex digits"},
    {"pkcs11:token=%0g", "two hex digits"},
    {"pkcs11:token=%+1", "two hex digits"},
    {"pkcs11:token=%00", "not UTF-8"},
    {"pkcs11:object=%C0%80", "not UTF-8"},
    {"pkcs11:object=%ED%A0%80", "not UTF-8"},
    {"pkcs11:token=" T32 "x", "longer than any token's"},
    {"pkcs11:model=0123456789abcdefg", "longer than any token's"},
    {"pkcs11:serial=0123456789abcdefg", "longer than any token's"},
    {"pkcs11:slot-description=" T64 "x", "longer than any token's"},
    {"pkcs11:type=key", "not one of"},
    {"pkcs11:type=", "not one of"},
    {"pkcs11:type=Private", "not one of"},
    {"pkcs11:library-version=", "not a version"},
    {"pkcs11:library-version=1.", "not a version"},
    {"pkcs11:library-version=.1", "not a version"},
    {"pkcs11:library-version=1.2.3", "not a version"},
    {"pkcs11:library-version=256", "not a version"},
    {"pkcs11:library-version=1.256", "not a version"},
    {"pkcs11:slot-id=", "not a decimal"},
    {"pkcs11:slot-id=-1", "not a decimal"},
    {"pkcs11:slot-id=0x1", "not a decimal"},
    {"pkcs11:slot-id=9223372036854775808", "not a decimal"},
    {"pkcs11:slot-id=%31", "never percent-encoded"},
    {"pkcs11:type=priv%61te", "never percent-encoded"},
    {"pkcs11:library-version=1%2E2", "never percent-encoded"},
    {"pkcs11:slot-id=00000000000000000001", "longer than"},
    {"pkcs11:?module-name=a?token=b&token=c", "\"token\" at character 31: belongs before"},
};

static void test_good(void)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        core_err err = {0};
        tok_uri uri;
        core_status st = tok_uri_parse(good[i], &uri, &err);
        const char *complaint = uri_oracle(good[i]);

        CU_ASSERT_EQUAL(st, ST_OK);
        CU_ASSERT_PTR_NULL(complaint);
        if (st != ST_OK || complaint)
            fprintf(stderr, "\n%s: %s %s\n", good[i], err.text, complaint ? complaint : "");
        tok_uri_free(&uri);
    }
}

static void test_bad(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static const tok_uri nothing;
        core_err err = {0};
        tok_uri uri;

        memset(&uri, 0xA5, sizeof uri);
        CU_ASSERT_EQUAL(tok_uri_parse(bad[i].text, &uri, &err), ST_FORMAT);
        CU_ASSERT_EQUAL(err.status, ST_FORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].says));
        if (!strstr(err.text, bad[i].says))
            fprintf(stderr, "\n%s: says \"%s\"\n", bad[i].text, err.text);
        CU_ASSERT_EQUAL(memcmp(&uri, &nothing, sizeof uri), 0);
        CU_ASSERT_PTR_NULL(strstr(err.text, "1234")); /* a PIN given by mistake is not shown */
        CU_ASSERT_EQUAL(tok_uri_parse(bad[i].text, &uri, NULL), ST_FORMAT);
        CU_ASSERT_PTR_NULL(uri_oracle(bad[i].text));
    }
}

static void test_values(void)
{
    static const uint8_t id[] = {0x00, 0x2F, 0xff};
    tok_uri uri;

    CU_ASSERT_EQUAL_FATAL(
        tok_uri_parse("pkcs11:id=%00%2f%Ff;object=caf%C3%A9;slot-id=3;library-version=1.2;"
                      "token=a%3Bb?module-path=/a/b%26c&pin-source=file:/p",
                      &uri, NULL),
        ST_OK);
    CU_ASSERT(uri.has_id && uri.id_len == 3 && memcmp(uri.id, id, 3) == 0);
    CU_ASSERT_STRING_EQUAL(uri.object, "caf\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(uri.token, "a;b");
    CU_ASSERT_STRING_EQUAL(uri.slot_id, "3");
    CU_ASSERT_STRING_EQUAL(uri.library_version, "1.2");
    CU_ASSERT_STRING_EQUAL(uri.module_path, "/a/b&c");
    CU_ASSERT_STRING_EQUAL(uri.pin_source, "file:/p");
    CU_ASSERT_PTR_NULL(uri.type);
    CU_ASSERT_PTR_NULL(uri.serial);
    tok_uri_free(&uri);
    CU_ASSERT_PTR_NULL(uri.object);
    tok_uri_free(&uri); /* the second call is harmless */
    tok_uri_free(NULL);
}

static void test_format(void)
{
    core_str out = {0};
    tok_uri uri;

    CU_ASSERT_EQUAL_FATAL(tok_uri_parse("PKCS11:type=private;id=a%ff;object=n%c3%A9e%2f;model=m;"
                                        "serial=1;manufacturer=a,b;token=t%20t?module-name=x",
                                        &uri, NULL),
                          ST_OK);
    tok_uri_format(&uri, &out);
    CU_ASSERT_STRING_EQUAL(core_str_get(&out), "pkcs11:token=t%20t;manufacturer=a%2Cb;serial=1;"
                                               "model=m;object=n%C3%A9e%2F;id=%61%FF;type=private");
    core_str_free(&out);
    tok_uri_free(&uri);

    memset(&uri, 0, sizeof uri);
    tok_uri_format(&uri, &out);
    CU_ASSERT_STRING_EQUAL(core_str_get(&out), "pkcs11:");
    core_str_free(&out);
}

static void test_is(void)
{
    CU_ASSERT_TRUE(tok_uri_is("pkcs11:"));
    CU_ASSERT_TRUE(tok_uri_is("PkCs11:token=a"));
    CU_ASSERT_FALSE(tok_uri_is("pkcs11"));
    CU_ASSERT_FALSE(tok_uri_is("my token"));
    CU_ASSERT_FALSE(tok_uri_is(""));
    CU_ASSERT_FALSE(tok_uri_is(NULL));
}

static bool parse_one(void *context)
{
    tok_uri uri;
    core_status st = tok_uri_parse(context, &uri, NULL);

    CU_ASSERT(st == ST_OK || st == ST_NO_MEMORY);
    tok_uri_free(&uri);
    return st == ST_OK;
}

/* Each allocation fails once; all memory is released (checked by the leak sanitizer). */
static void test_no_memory(void)
{
    char text[512];

    memcpy(text, good[3], strlen(good[3]) + 1);
    /* seven attributes, then success */
    CU_ASSERT_EQUAL(testing_fail_allocations(parse_one, text, 100, 0), 8);
}

/* Every valid URI with every byte replaced by every other: each is compared. */
static void test_mutations(void)
{
    unsigned taken = 0;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[512];
        size_t length = strlen(good[i]);

        for (size_t at = 0; at < length; at++) {
            for (int c = 0; c < 256; c++) {
                const char *complaint;
                tok_uri uri;

                memcpy(text, good[i], length + 1);
                text[at] = (char)(unsigned char)c;
                taken += tok_uri_parse(text, &uri, NULL) == ST_OK;
                tok_uri_free(&uri);
                complaint = uri_oracle(text);
                if (complaint)
                    fprintf(stderr, "\n%s: %s\n", text, complaint);
                CU_ASSERT_PTR_NULL(complaint);
            }
        }
    }
    CU_ASSERT(taken > 1000);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"good", test_good},           {"bad", test_bad}, {"values", test_values},
        {"format", test_format},       {"is", test_is},   {"no_memory", test_no_memory},
        {"mutations", test_mutations}, {NULL, NULL}};
    static const test_suite suite = {.name = "uri", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    return testing_main(argc, argv, suites, 1);
}
