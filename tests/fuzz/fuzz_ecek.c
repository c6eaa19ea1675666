/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target of the parser of encrypted column encryption keys. The first two bytes of the input
 * are the modulus length. The parts of an accepted value must cover the whole input, in order and
 * in bounds, with the lengths of the key; a refusal must have a reason and no pointer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmk/ecek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_ecek: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    core_err err = {0};
    cmk_ecek e;
    if (size < 2)
        return 0;
    const size_t k = (size_t)(data[0] | data[1] << 8);
    const uint8_t *blob = data + 2;
    const size_t length = size - 2;
    const core_status st = cmk_ecek_parse(blob, length, k, &e, &err);
    if (st != ST_OK) {
        require(st == ST_FORMAT && err.text[0] != '\0', "a refusal without a reason");
        require(e.path == NULL && e.ciphertext == NULL && e.signature == NULL, "half a result");
        return 0;
    }
    require(blob[0] == 1, "another version was taken");
    require(k == 0 || e.ciphertext_len == k, "the ciphertext does not fit the key");
    require(e.ciphertext_len != 0 && e.signature_len == e.ciphertext_len, "the signature does not");
    require(e.path == blob + CMK_ECEK_HEAD, "the path is not behind the header");
    require(e.ciphertext == e.path + e.path_len, "the ciphertext is not behind the path");
    require(e.signature == e.ciphertext + e.ciphertext_len, "nor the signature behind that");
    require(e.signed_len == (size_t)(e.signature - blob), "not all before it is signed");
    require(e.signed_len + e.signature_len == length, "something is left over");
    return 0;
}
