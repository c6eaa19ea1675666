/* SPDX-License-Identifier: Apache-2.0
 *
 * PIN files sealed by DPAPI: the code for Windows, built here over a replacement of the system's
 * functions. Real DPAPI blobs are opaque, and so are the replacement's: it accepts or refuses a
 * blob. Fuzzed is our own code: the mark, the blob's position and length, the handling of either
 * result, and the PIN in the plaintext. The replacement checks that every block it returns is
 * released, and that a plaintext is wiped before.
 *
 * The first byte of the input says what the rest is: a file, a blob after the mark, or a secret to
 * be sealed; the second, for a secret, which byte of its blob is changed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dpapi.h>
#include "core/platform_windows.h"
#include "pkcs11/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* The target's build renames core_file_create_sealed of Windows to this. */
core_status windows_create_sealed(const char *path, const void *bytes, size_t length,
                                  core_seal_scope scope, core_err *err);

enum { MOST = 4096, BLOCKS = 4, SEALED_MOST = 256, BAD_DATA = 13 };
static const char mark[] = "p11ekm DPAPI 1\n";
enum { MARK = sizeof mark - 1 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* --- the system --- */

static struct {
    uint8_t *bytes;
    size_t length;
    bool plain;
} blocks[BLOCKS];

static uint8_t *give(size_t length, bool plain)
{
    size_t at = 0;
    while (at < BLOCKS && blocks[at].bytes != NULL)
        at++;
    check(at < BLOCKS);
    blocks[at].bytes = malloc(length == 0 ? 1 : length);
    blocks[at].length = length;
    blocks[at].plain = plain;
    check(blocks[at].bytes != NULL);
    return blocks[at].bytes;
}

void *LocalFree(void *block)
{
    for (size_t i = 0; block != NULL && i < BLOCKS; i++) {
        if (blocks[i].bytes != block)
            continue;
        for (size_t n = 0; blocks[i].plain && n < blocks[i].length; n++)
            check(blocks[i].bytes[n] == 0);
        free(block);
        blocks[i].bytes = NULL;
        return NULL;
    }
    check(block == NULL);
    return NULL;
}

static bool nothing_held(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].bytes != NULL)
            return false;
    return true;
}

DWORD GetLastError(void)
{
    return BAD_DATA;
}

core_win_reason core_win_error(DWORD error)
{
    core_win_reason reason = {""};
    (void)snprintf(reason.text, sizeof reason.text, "error %u", error);
    return reason;
}

static uint8_t sum(const uint8_t *bytes, size_t length)
{
    uint8_t total = 0x5a;
    for (size_t i = 0; i < length; i++)
        total = (uint8_t)(total * 31 + bytes[i]);
    return total;
}

/* A blob: the bytes in reverse order, then their sum. */
BOOL CryptProtectData(DATA_BLOB *in, const wchar_t *name, DATA_BLOB *entropy, void *reserved,
                      void *prompt, DWORD flags, DATA_BLOB *out)
{
    check(name != NULL && entropy == NULL && reserved == NULL && prompt == NULL);
    check(flags == (CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN));
    out->cbData = in->cbData + 1;
    out->pbData = give(out->cbData, false);
    for (size_t i = 0; i < in->cbData; i++)
        out->pbData[i] = (uint8_t)~in->pbData[i];
    out->pbData[in->cbData] = sum(in->pbData, in->cbData);
    return 1;
}

BOOL CryptUnprotectData(DATA_BLOB *in, wchar_t **name, DATA_BLOB *entropy, void *reserved,
                        void *prompt, DWORD flags, DATA_BLOB *out)
{
    check(name == NULL && entropy == NULL && reserved == NULL && prompt == NULL);
    check(flags == CRYPTPROTECT_UI_FORBIDDEN && out->pbData == NULL);
    if (in->cbData == 0)
        return 0;
    const DWORD length = in->cbData - 1;
    uint8_t *plain = give(length, true);
    for (size_t i = 0; i < length; i++)
        plain[i] = (uint8_t)~in->pbData[i];
    if (sum(plain, length) != in->pbData[length]) {
        memset(plain, 0, length);
        (void)LocalFree(plain);
        return 0;
    }
    if (length == 0) { /* an empty blob is refused */
        (void)LocalFree(plain);
        plain = NULL;
    }
    *out = (DATA_BLOB){length, plain};
    return 1;
}

/* --- the checks --- */

/* The expected length of the plaintext, or SIZE_MAX for a refusal. */
static size_t expect(const uint8_t *file, size_t length, uint8_t *out)
{
    if (length < MARK || memcmp(file, mark, MARK) != 0) {
        memcpy(out, file, length);
        return length;
    }
    if (length == MARK)
        return SIZE_MAX;
    const size_t plain = length - MARK - 1;
    for (size_t i = 0; i < plain; i++)
        out[i] = file[MARK + i] ^ 0xff;
    return sum(out, plain) == file[length - 1] ? plain : SIZE_MAX;
}

/* The PIN read from the file equals the PIN read from the plaintext. */
static void same_pin(core_secret *opened, const uint8_t *plain, size_t length)
{
    core_secret direct = {0};
    core_err err = {.status = ST_OK}, direct_err = {.status = ST_OK};

    check(core_secret_open(&direct, length + 1) == ST_OK);
    memcpy(direct.data, plain, length);
    direct.length = length;
    const core_status st = tok_pin_cut(opened, "pin", &err);
    check(tok_pin_cut(&direct, "pin", &direct_err) == st);
    check(strcmp(err.text, direct_err.text) == 0);
    check(st != ST_OK || (opened->length == direct.length &&
                          memcmp(opened->data, direct.data, direct.length) == 0));
    core_secret_close(&direct);
}

static void open_file(const uint8_t *file, size_t length)
{
    static uint8_t plain[2 * MOST];
    const size_t wanted = expect(file, length, plain);
    const bool marked = length >= MARK && memcmp(file, mark, MARK) == 0;
    core_secret secret = {0};
    core_err err = {.status = ST_OK};

    check(core_secret_open(&secret, length + 1) == ST_OK);
    memcpy(secret.data, file, length);
    secret.length = length;
    check(core_seal_marked(&secret) == marked);
    const core_status st = marked ? core_seal_open("pin", &secret, &err) : ST_OK;
    check(nothing_held());
    if (wanted == SIZE_MAX) {
        check(st == ST_PIN_SOURCE && strstr(err.text, "pin: ") == err.text);
        check(secret.length == length && memcmp(secret.data, file, length) == 0);
    } else {
        check(st == ST_OK && secret.length == wanted && secret.capacity > wanted);
        check(memcmp(secret.data, plain, wanted) == 0 && secret.data[wanted] == '\0');
        same_pin(&secret, plain, wanted);
    }
    core_secret_close(&secret);
}

/* Seals the secret and changes the blob as the input says; an unchanged blob opens again. */
static void seal(const uint8_t *secret, size_t length, size_t spoilt)
{
    static char path[64];
    static uint8_t file[MOST];
    core_err err = {.status = ST_OK};

    if (path[0] == '\0')
        (void)snprintf(path, sizeof path, "/dev/shm/fuzz_dpapi.%ld", (long)getpid());
    (void)unlink(path);
    const core_status st = windows_create_sealed(
        path, secret, length, length % 2 == 0 ? CORE_SEAL_MACHINE : CORE_SEAL_USER, &err);
    check(nothing_held());
    check(st == (length == 0 || length > SEALED_MOST ? ST_INVALID_ARGUMENT : ST_OK));
    FILE *in = fopen(path, "rb");
    check((in != NULL) == (st == ST_OK));
    if (in == NULL)
        return;
    size_t got = fread(file, 1, sizeof file, in);
    (void)fclose(in);
    (void)unlink(path);
    check(got == MARK + length + 1 && expect(file, got, file + MOST / 2) == length);
    check(memcmp(file + MOST / 2, secret, length) == 0);
    if (spoilt > 0)
        file[spoilt % got] ^= 1;
    open_file(file, got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[MARK + MOST];

    if (size < 2 || size > MOST)
        return 0;
    if (data[0] % 4 == 0) {
        open_file(data + 1, size - 1);
    } else if (data[0] % 4 == 1) {
        memcpy(file, mark, MARK);
        memcpy(file + MARK, data + 1, size - 1);
        open_file(file, MARK + size - 1);
    } else {
        seal(data + 2, size - 2, data[1]);
    }
    return 0;
}
