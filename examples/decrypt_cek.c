/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the encrypted value of a column encryption key with a column master key in a PKCS#11 token,
 * through the C API of p11ekm, and says whether that worked. Given no value, it makes a new column
 * encryption key inside the token, prints its encrypted value for CREATE COLUMN ENCRYPTION KEY, and
 * opens that.
 *
 *     cc decrypt_cek.c $(pkg-config --cflags --libs p11ekm) -o decrypt_cek
 *     ./decrypt_cek 'pkcs11:token=hsm;object=cmk-2026' [0x016E000001...]
 *
 * The token and its pin_file are those of the configuration file (p11ekm init makes one).
 */
#include <p11ekm_cmk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHM "RSA_OAEP"

static int complain(const char *what, int code, const char *message)
{
    fprintf(stderr, "%s: error %d: %s\n", what, code, message);
    return EXIT_FAILURE;
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, c | 0x20);
    return at == NULL ? -1 : (int)(at - digits);
}

/* 0 when it is no hex. */
static size_t read_hex(const char *text, uint8_t *out, size_t room)
{
    size_t n = 0;
    if (text[0] == '0' && (text[1] | 0x20) == 'x')
        text += 2;
    for (; text[0] != '\0'; text += 2) {
        const int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
        if (low < 0 || n == room)
            return 0;
        out[n++] = (uint8_t)(high << 4 | low);
    }
    return n;
}

static void print_hex(const uint8_t *bytes, size_t size)
{
    printf("0x");
    for (size_t i = 0; i < size; i++)
        printf("%02X", bytes[i]);
    printf("\n");
}

/* No compiler takes a store through a volatile pointer away. */
static void wipe(uint8_t *bytes, size_t size)
{
    volatile uint8_t *p = bytes;
    while (size-- > 0)
        *p++ = 0;
}

static int use_key(p11ekm_cmk *store, const char *path, uint8_t *ecek, size_t ecek_size)
{
    uint8_t cek[P11EKM_CMK_CEK_SIZE];
    size_t cek_size = sizeof cek;
    char message[512];
    const int code = p11ekm_cmk_decrypt(store, path, ALGORITHM, ecek, ecek_size, cek, &cek_size,
                                        message, sizeof message);
    if (code != P11EKM_CMK_OK)
        return complain("decrypt", code, message);
    /* A driver would now derive the keys of AEAD_AES_256_CBC_HMAC_SHA_256 from it. */
    printf("column encryption key: %zu bytes\n", cek_size);
    wipe(cek, sizeof cek);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static uint8_t ecek[8192];
    size_t ecek_size = sizeof ecek;
    char message[512];
    p11ekm_cmk *store;
    int code, status;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s KEY_PATH [ENCRYPTED_VALUE]\n", argv[0]);
        return 2;
    }
    code = p11ekm_cmk_open(NULL, NULL, NULL, 0, &store, message, sizeof message);
    if (code != P11EKM_CMK_OK)
        return complain("open", code, message);
    if (argc == 3) {
        ecek_size = read_hex(argv[2], ecek, sizeof ecek);
    } else {
        code = p11ekm_cmk_generate(store, argv[1], ALGORITHM, 0, ecek, &ecek_size, message,
                                   sizeof message);
        if (code == P11EKM_CMK_OK)
            print_hex(ecek, ecek_size);
    }
    status = code == P11EKM_CMK_OK ? use_key(store, argv[1], ecek, ecek_size)
                                   : complain("generate", code, message);
    p11ekm_cmk_close(store);
    return status;
}
