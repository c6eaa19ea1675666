/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-16 and UTF-8, comparison, lower case, hex and the string builder.
 */
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <wctype.h>
#include "core/memory.h"
#include "core/text.h"
#include "test_core.h"

/* Every character is converted to UTF-8 and back; surrogates are refused. */
static void all_characters_round_trip(void)
{
    unsigned wrong = 0;
    for (uint32_t code = 1; code <= 0x10ffff; code++) {
        const bool pair = code >= 0x10000;
        const uint32_t high = 0xd800 + ((code - 0x10000) >> 10), low = 0xdc00 + (code & 0x3ff);
        const uint8_t utf16[4] = {(uint8_t)(pair ? high : code),
                                  (uint8_t)((pair ? high : code) >> 8), (uint8_t)low,
                                  (uint8_t)(low >> 8)};
        uint8_t back[4];
        size_t cb = sizeof back;
        char utf8[5];
        const core_status st = core_utf16_to_utf8(utf16, pair ? 4 : 2, utf8, sizeof utf8);
        if (code >= 0xd800 && code <= 0xdfff)
            wrong += st != ST_INVALID_ARGUMENT || utf8[0] != '\0';
        else
            wrong += st != ST_OK || !core_utf8_valid(utf8, strlen(utf8)) ||
                     core_utf8_to_utf16(utf8, back, &cb) != ST_OK || cb != (pair ? 4U : 2U) ||
                     memcmp(back, utf16, cb) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void utf16_refuses(void)
{
    char out[16];
    CU_ASSERT_EQUAL(core_utf16_to_utf8("a\0b", 3, out, sizeof out), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("a\0\0\0b\0", 6, out, sizeof out), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("\x00\xd8", 2, out, sizeof out), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("\x00\xdc\x00\xd8", 4, out, sizeof out),
                    ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("\x00\xd8\x00\xd8", 4, out, sizeof out),
                    ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8(NULL, 2, out, sizeof out), ST_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("a\0b\0", 4, out, 2), ST_BUFFER_TOO_SMALL);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_EQUAL(core_utf16_to_utf8("a\0b\0", 4, out, 3), ST_OK);
    CU_ASSERT_STRING_EQUAL(out, "ab");
    CU_ASSERT_EQUAL(core_utf16_to_utf8(NULL, 0, out, 1), ST_OK);
    CU_ASSERT_EQUAL(core_utf16_to_utf8("a\0", 2, out, 0), ST_BUFFER_TOO_SMALL);
    const char odd_address[] = "xa\0b";
    CU_ASSERT_EQUAL(core_utf16_to_utf8(odd_address + 1, 4, out, sizeof out), ST_OK);
    CU_ASSERT_STRING_EQUAL(out, "ab");
}

static void utf8_refuses(void)
{
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff",
                                      "\xe2\x82",
                                      "\xe2\x28\xa1",
                                      "ab\xc3"};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t cb = sizeof out;
        CU_ASSERT_FALSE(core_utf8_valid(bad[i], strlen(bad[i])));
        CU_ASSERT_EQUAL(core_utf8_to_utf16(bad[i], out, &cb), ST_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(cb, 0);
    }
    CU_ASSERT_FALSE(core_utf8_valid("a\0b", 3));
    CU_ASSERT_TRUE(core_utf8_valid("", 0));
}

static void utf8_tells_the_size(void)
{
    uint8_t out[8] = {0};
    size_t cb = 0;
    CU_ASSERT_EQUAL(core_utf8_to_utf16("a\xf0\x9f\x98\x80", NULL, &cb), ST_OK);
    CU_ASSERT_EQUAL(cb, 6);
    cb = 5;
    CU_ASSERT_EQUAL(core_utf8_to_utf16("a\xf0\x9f\x98\x80", out, &cb), ST_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(cb, 6);
    CU_ASSERT_EQUAL(out[0], 0);
    CU_ASSERT_EQUAL(core_utf8_to_utf16("a\xf0\x9f\x98\x80", out, &cb), ST_OK);
    CU_ASSERT_EQUAL(memcmp(out, "a\0\x3d\xd8\x00\xde", 6), 0);
}

static void printed_text_sanitized(void)
{
    static const struct {
        const char *text, *keep, *clean;
    } rows[] = {
        {"", "", ""},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91", "", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91"},
        {"a\nb\tc\rd", "", "a?b?c?d"},
        {"a\nb\tc\rd", "\n\t", "a\nb\tc?d"},
        {"\x1b[2J\x7f", "\n\t", "?[2J?"},
        {"\xc2\x9b"
         "31m\xc2\xa0",
         "", "??31m\xc2\xa0"},
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "", "??????\xe2\x80\xaa"},
        {"\xff\xe2\x82", "", "???"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s", rows[i].text);
        core_text_sanitize(text, rows[i].keep);
        CU_ASSERT_STRING_EQUAL(text, rows[i].clean);
        CU_ASSERT_EQUAL(core_text_is_clean(rows[i].text), strchr(rows[i].clean, '?') == NULL);
    }
}

static void compares_without_locale(void)
{
    CU_ASSERT_TRUE(core_ascii_equal_nocase("RSA_OAEP", "rsa_oaep"));
    CU_ASSERT_FALSE(core_ascii_equal_nocase("RSA_OAEP", "RSA_OAEP2"));
    CU_ASSERT_FALSE(core_ascii_equal_nocase("\xc3\x84", "\xc3\xa4"));
    CU_ASSERT_TRUE(core_ascii_prefix_nocase("PKCS11:token", "pkcs11:"));
    CU_ASSERT_FALSE(core_ascii_prefix_nocase("pkcs", "pkcs11:"));
    const uint16_t text[] = {'a', 'b', 0, 'c'};
    CU_ASSERT_EQUAL(core_utf16_length(text, 4), 2);
    CU_ASSERT_EQUAL(core_utf16_length(text, 1), 1);
}

static uint16_t lower(unsigned c)
{
    uint16_t unit = (uint16_t)c;
    core_utf16_lower(&unit, 1);
    return unit;
}

static void lower_known(void)
{
    static const uint16_t pairs[][2] = {
        {'A', 'a'},       {'Z', 'z'},       {'a', 'a'},       {'[', '['},       {0x00c4, 0x00e4},
        {0x00d7, 0x00d7}, {0x00df, 0x00df}, {0x0130, 0x0130}, {0x0131, 0x0131}, {0x0178, 0x00ff},
        {0x0391, 0x03b1}, {0x03a3, 0x03c3}, {0x03a2, 0x03a2}, {0x0410, 0x0430}, {0x0401, 0x0451},
        {0x0531, 0x0561}, {0x1e9e, 0x00df}, {0x1f08, 0x1f00}, {0xff21, 0xff41}, {0x0100, 0x0101},
        {0x0101, 0x0101}, {0xd83d, 0xd83d}, {0x4e00, 0x4e00}, {0x2126, 0x03c9}, {0x212a, 'k'},
        {0x212b, 0x00e5}, {0x2160, 0x2170}, {0x216f, 0x217f}, {0x24b6, 0x24d0}, {0x24cf, 0x24e9},
        {0x2183, 0x2184}, {0x2132, 0x214e}, {0x10a0, 0x2d00}, {0x2c00, 0x2c30}, {0x2c80, 0x2c81}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CU_ASSERT_EQUAL(lower(pairs[i][0]), pairs[i][1]);
}

/* Compared with the C library's table: if ours changes a letter, it changes it alike. */
static void lower_agrees_with_the_system(void)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    unsigned wrong = 0, changed = 0, missed = 0;
    if (utf8 == (locale_t)0)
        TEST_SKIP("no locale C.UTF-8 here");
    for (unsigned c = 1; c < 0x10000; c++) {
        const uint16_t mine = lower(c);
        changed += mine != c;
        wrong += mine != c && mine != towlower_l((wint_t)c, utf8);
        missed += mine == c && c < 0xa7c0 && c != 0x130 && towlower_l((wint_t)c, utf8) != c;
    }
    freelocale(utf8);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(missed, 0);
    CU_ASSERT_TRUE(changed > 800);
}

static void hex_both_ways(void)
{
    static const uint8_t bytes[] = {0x00, 0x9f, 0xff};
    char text[7];
    uint8_t back[4];
    size_t n = sizeof back;
    core_hex(bytes, 3, text);
    CU_ASSERT_STRING_EQUAL(text, "009fff");
    CU_ASSERT_EQUAL(core_unhex("0x009FfF", back, &n), ST_OK);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_EQUAL(memcmp(back, bytes, 3), 0);
    n = 2;
    CU_ASSERT_EQUAL(core_unhex("009fff", back, &n), ST_BUFFER_TOO_SMALL);
    n = 4;
    CU_ASSERT_EQUAL(core_unhex("009", back, &n), ST_FORMAT);
    n = 4;
    CU_ASSERT_EQUAL(core_unhex("0g", back, &n), ST_FORMAT);
    CU_ASSERT_EQUAL(n, 0);
}

static void str_grows_and_stops(void)
{
    core_str s = {.limit = 300};
    CU_ASSERT_STRING_EQUAL(core_str_get(&s), "");
    for (int i = 0; i < 30; i++)
        core_str_addf(&s, "%09d,", i);
    CU_ASSERT_FALSE(s.failed);
    CU_ASSERT_EQUAL(s.length, 300);
    core_str_add(&s, "x");
    CU_ASSERT_TRUE(s.failed);
    CU_ASSERT_EQUAL(s.length, 300);
    CU_ASSERT_EQUAL(strlen(core_str_get(&s)), 300);
    core_str_free(&s);
    CU_ASSERT_STRING_EQUAL(core_str_get(&s), "");
    CU_ASSERT_FALSE(s.failed);
}

static bool build_string(void *context)
{
    core_str s = {.limit = 10000};
    (void)context;
    for (int i = 0; i < 100; i++)
        core_str_add(&s, "0123456789");
    const bool whole = !s.failed && s.length == 1000;
    core_str_free(&s);
    return whole;
}

static void str_without_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(build_string, NULL, 20, 0) > 2);
}

/* Another parser reads our output: the same text, U+FFFD for invalid text. */
static void json_reads_back(void)
{
    char all[256];
    core_str s = {.limit = 4096};
    for (int c = 1; c < 128; c++)
        all[c - 1] = (char)c;
    (void)snprintf(all + 127, sizeof all - 127, "%s", "\xe2\x82\xac\xc2\x85\xc2\xa0\xe2\x80\xa8");
    core_str_json(&s, all);
    json_t *json = json_loads(core_str_get(&s), JSON_DECODE_ANY, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    CU_ASSERT_STRING_EQUAL(json_string_value(json), all);
    CU_ASSERT_TRUE(core_text_is_clean(core_str_get(&s)));
    json_decref(json);
    core_str_free(&s);

    core_str_json(&s, "a\xff\xc3");
    CU_ASSERT_STRING_EQUAL(core_str_get(&s), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    core_str_json(&s, NULL);
    CU_ASSERT_STRING_EQUAL(core_str_get(&s), "\"a\xef\xbf\xbd\xef\xbf\xbd\"null");
    core_str_free(&s);
}

/* Names that would break out of T-SQL, hide characters, or are too long. */
static void text_faults_distinguished(void)
{
    char most[CORE_NAME_UNITS + 2];
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"CEK_1", NULL},
        {"a b'c]d\"e$f(g)", NULL},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91 \xe2\x80\x8c", NULL},
        {"", "empty"},
        {"\xc3(", "UTF-8"},
        {"\xed\xa0\x80", "UTF-8"},
        {"a\nGO", "control"},
        {"a\xc2\x85GO", "control"},
        {"a\xe2\x80\xa8GO", "control"},
        {"\xe2\x80\xae"
         "dlrow",
         "direction"},
        {"\xe2\x81\xa6x", "direction"},
        {"\xd8\x9cx", "direction"},
        {"\xe2\x80\x8fx", "direction"},
        {"x$(SQLCMDPASSWORD)", "sqlcmd"},
        {"$(", "sqlcmd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *fault = core_text_fault(rows[i].text, CORE_NAME_UNITS);
        CU_ASSERT_EQUAL(fault == NULL, rows[i].fault == NULL);
        CU_ASSERT_TRUE(fault == NULL || rows[i].fault == NULL ||
                       strstr(fault, rows[i].fault) != NULL);
    }
    memset(most, 'x', sizeof most);
    most[CORE_NAME_UNITS] = '\0';
    CU_ASSERT_PTR_NULL(core_text_fault(most, CORE_NAME_UNITS));
    most[CORE_NAME_UNITS] = 'x';
    most[CORE_NAME_UNITS + 1] = '\0';
    CU_ASSERT_PTR_NOT_NULL(core_text_fault(most, CORE_NAME_UNITS));
    CU_ASSERT_PTR_NULL(core_text_fault("\xf0\x9f\x94\x91", 2)); /* two units, four bytes */
    CU_ASSERT_PTR_NOT_NULL(core_text_fault("\xf0\x9f\x94\x91", 1));
    CU_ASSERT_TRUE(core_text_is_ascii("plain") && !core_text_is_ascii("gr\xc3\xbc"));
}

static const test_case cases[] = {{"all_characters_round_trip", all_characters_round_trip},
                                  {"utf16_refuses", utf16_refuses},
                                  {"utf8_refuses", utf8_refuses},
                                  {"utf8_tells_the_size", utf8_tells_the_size},
                                  {"printed_text_sanitized", printed_text_sanitized},
                                  {"text_faults_distinguished", text_faults_distinguished},
                                  {"compares_without_locale", compares_without_locale},
                                  {"lower_known", lower_known},
                                  {"lower_agrees_with_the_system", lower_agrees_with_the_system},
                                  {"hex_both_ways", hex_both_ways},
                                  {"str_grows_and_stops", str_grows_and_stops},
                                  {"str_without_memory", str_without_memory},
                                  {"json_reads_back", json_reads_back},
                                  {NULL, NULL}};
const test_suite core_text_suite = {.name = "text", .cases = cases};
