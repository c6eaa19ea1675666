/* SPDX-License-Identifier: Apache-2.0
 *
 * PKCS#7 padding: every length, every way to make it invalid.
 */
#include <string.h>
#include "pkcs11/base/pad_private.h"
#include "testing.h"

static const size_t blocks[] = {8, 16};

static void round_trips(void)
{
    uint8_t data[64];
    for (size_t b = 0; b < 2; b++) {
        for (size_t length = 0; length <= 32; length++) {
            memset(data, 0xaa, sizeof data);
            size_t padded = tok_pkcs7_pad(data, length, blocks[b]);
            CU_ASSERT(padded > length && padded % blocks[b] == 0 && padded - length <= blocks[b]);
            CU_ASSERT_EQUAL(data[padded - 1], padded - length);
            CU_ASSERT_EQUAL(data[padded], 0xaa);
            CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, padded, blocks[b]), length);
        }
    }
}

static void finds_each_changed_byte(void)
{
    uint8_t data[32];
    for (size_t length = 16; length < 32; length++) {
        memset(data, 0x33, sizeof data);
        size_t padded = tok_pkcs7_pad(data, length, 16);
        for (size_t at = length; at < padded; at++) {
            uint8_t was = data[at];
            data[at] = (uint8_t)(was ^ 0x80);
            CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, padded, 16), SIZE_MAX);
            data[at] = was;
        }
        data[length - 1] ^= 0xff; /* the plaintext does not matter */
        CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, padded, 16), length);
    }
}

static void refuses_bad_lengths(void)
{
    uint8_t data[32] = {0};
    CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, 0, 16), SIZE_MAX);
    CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, 15, 16), SIZE_MAX);
    CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, 16, 16), SIZE_MAX); /* a padding of 0 */
    for (unsigned pad = 17; pad < 256; pad++) {
        memset(data, (int)pad, sizeof data);
        CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, 32, 16), SIZE_MAX);
    }
    memset(data, 9, sizeof data);
    CU_ASSERT_EQUAL(tok_pkcs7_unpad(data, 32, 8), SIZE_MAX);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"round trips", round_trips},
        {"finds each changed byte", finds_each_changed_byte},
        {"refuses bad lengths", refuses_bad_lengths},
        {NULL, NULL},
    };
    static const test_suite suite = {.name = "pad", .cases = cases};
    static const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
