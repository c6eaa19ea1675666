/* SPDX-License-Identifier: Apache-2.0
 *
 * The PIN in a file's bytes: the bytes that editors and shells add are not part of it, and a text
 * that cannot be a PIN is refused before it reaches a token.
 */
#include <string.h>
#include "core/memory.h"
#include "pkcs11/token.h"
#include "testing.h"

typedef struct row {
    const char *bytes;
    size_t length;
    const char *pin; /* or the text of the refusal */
    core_status st;
} row;
#define BYTES(text) text, sizeof(text) - 1

static void check(const row *r)
{
    core_secret secret = {0};
    core_err err = {0};

    CU_ASSERT_EQUAL_FATAL(core_secret_copy(&secret, r->bytes, r->length), ST_OK);
    CU_ASSERT_EQUAL(tok_pin_cut(&secret, "/pin", &err), r->st);
    if (r->st == ST_OK) {
        CU_ASSERT_EQUAL(secret.length, strlen(r->pin));
        CU_ASSERT(memcmp(secret.data, r->pin, secret.length) == 0);
        for (size_t i = secret.length; i < r->length; i++)
            CU_ASSERT_EQUAL(secret.data[i], 0);
    } else {
        CU_ASSERT(strncmp(err.text, "/pin: ", 6) == 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, r->pin));
    }
    core_secret_close(&secret);
}

static void first_line_is_the_pin(void)
{
    static const row rows[] = {
        {BYTES("1234"), "1234", ST_OK},
        {BYTES("1234\n"), "1234", ST_OK},
        {BYTES("1234\r\n"), "1234", ST_OK},
        {BYTES("1234\r"), "1234", ST_OK},
        {BYTES("1234\n\n"), "1234", ST_OK},
        {BYTES("1234\nof the HSM\xff\n"), "1234", ST_OK},
        {BYTES(" 12 34 \t\n"), " 12 34 \t", ST_OK},
        {BYTES("\xef\xbb\xbf"
               "1234\r\n"),
         "1234", ST_OK},
        {BYTES("\xef\xbb\xbf\xef\xbb\xbf"), "\xef\xbb\xbf", ST_OK},
        {BYTES("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f", ST_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

static void text_that_is_no_pin_refused(void)
{
    static const row rows[] = {
        {BYTES("\n"), "empty", ST_PIN_SOURCE},
        {BYTES("\n1234\n"), "empty", ST_PIN_SOURCE},
        {BYTES("\xef\xbb\xbf"), "empty", ST_PIN_SOURCE},
        {BYTES("\xef\xbb\xbf\r\n"), "empty", ST_PIN_SOURCE},
        {BYTES("\xef\xbb"), "UTF-8", ST_PIN_SOURCE},
        {BYTES("\xff\xfe\x31\0\x32\0"), "UTF-8", ST_PIN_SOURCE},
        {BYTES("1\0002\0003\0004\0"), "UTF-8", ST_PIN_SOURCE},
        {BYTES("gr\xfc\xdf\n"), "UTF-8", ST_PIN_SOURCE},
        {BYTES("\xc0\xb1"), "UTF-8", ST_PIN_SOURCE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
    core_secret none = {0};
    CU_ASSERT_EQUAL(tok_pin_cut(&none, "/pin", NULL), ST_PIN_SOURCE);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"first_line_is_the_pin", first_line_is_the_pin},
        {"text_that_is_no_pin_refused", text_that_is_no_pin_refused},
        {NULL, NULL},
    };
    static const test_suite suite = {.name = "pin", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
