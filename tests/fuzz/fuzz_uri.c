/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target of the PKCS#11 URI parser, compared with p11-kit's parser.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "uri_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *complaint;
    char text[1024];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    complaint = uri_oracle(text);
    if (complaint) {
        fprintf(stderr, "fuzz_uri: %s: %s\n", complaint, text);
        abort();
    }
    return 0;
}
