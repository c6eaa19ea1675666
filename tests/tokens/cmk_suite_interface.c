/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store's two interfaces as their callers use them: the two arrays of the ODBC driver, with
 * its strings, memory and messages; and the C API.
 */
#include "tests/tokens/cmk_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmk/p11ekm_cmk.h"
#include "cmk/p11ekm_odbc.h"
#include "core/crypto.h"
#include "core/platform.h"
#include "core/text.h"

#define OWN "ae_own_2048.key.pem"
static const uint8_t sample_cek[CMK_CEK_LEN] = {0x0d, 0xbc};
static uint8_t ecek[1024];
static size_t ecek_len;

static int start(void)
{
    if (core_crypto_open() != ST_OK)
        return 1;
    const char *conf = suite_conf("front_end.conf", "", false);
    return conf == NULL || setenv("P11EKM_CONF", conf, 1) != 0;
}

/* The settings stay active in the process: this suite is the last. */
static int stop(void)
{
    CEKeystoreProvider2[0]->free();
    core_crypto_close();
    return 0;
}

static void make_sample(void)
{
    EVP_PKEY *key = vector_key(vectors_own(), OWN);
    ecek_len = suite_ecek(key, sample_cek, sizeof sample_cek, false, ecek);
    EVP_PKEY_free(key);
}

/* Messages passed to the driver. */
static unsigned messages;
static char message[2048];
static p11ekm_odbc_context context;

static void on_error(p11ekm_odbc_context *ctx, const uint16_t *text, ...)
{
    CU_ASSERT_PTR_EQUAL(ctx, &context);
    messages++;
    CU_ASSERT_EQUAL(
        core_utf16_to_utf8(text, 2 * core_utf16_length(text, 2000), message, sizeof message),
        ST_OK);
}

static void forget_messages(void)
{
    messages = 0;
    message[0] = '\0';
}

static const uint16_t *wide(const char *text)
{
    static uint16_t buffers[4][512];
    static unsigned turn;
    uint16_t *buffer = buffers[turn++ % 4];
    size_t cb = sizeof buffers[0] - 2;
    CU_ASSERT_EQUAL(core_utf8_to_utf16(text, buffer, &cb), ST_OK);
    buffer[cb / 2] = 0;
    return buffer;
}

static int write_text(const char *text)
{
    char copy[4096];
    forget_messages();
    (void)snprintf(copy, sizeof copy, "%s", text);
    return CEKeystoreProvider2[0]->write(&context, on_error, copy, (unsigned)strlen(copy));
}

static int write_good(void)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "token=main\npin=%s\n", getenv("PIN"));
    return write_text(text);
}

static int odbc_open(const char *path, const char *algorithm, unsigned char **cek,
                     unsigned short *length)
{
    forget_messages();
    *cek = (unsigned char *)(uintptr_t)1;
    *length = 99;
    return CEKeystoreProvider2[0]->decrypt_cek(&context, on_error, wide(path), wide(algorithm),
                                               ecek, (unsigned short)ecek_len, cek, length);
}

static void odbc_arrays(void)
{
    char name[64];
    CU_ASSERT_PTR_NULL(CEKeystoreProvider[0]); /* see cmk/odbc.c */
    CU_ASSERT_PTR_NOT_NULL_FATAL(CEKeystoreProvider2[0]);
    CU_ASSERT_PTR_NULL(CEKeystoreProvider2[1]);
    CU_ASSERT_EQUAL(sizeof(p11ekm_odbc_provider), 7 * sizeof(void *));
    CU_ASSERT_EQUAL(sizeof(p11ekm_odbc_provider2), 9 * sizeof(void *));
    const uint16_t *given = CEKeystoreProvider2[0]->name;
    CU_ASSERT_EQUAL(core_utf16_to_utf8(given, 2 * core_utf16_length(given, 60), name, sizeof name),
                    ST_OK);
    CU_ASSERT_STRING_EQUAL(name, "PKCS11_KEY_STORE");
    CU_ASSERT_STRING_EQUAL(name, P11EKM_ODBC_PROVIDER);
    CU_ASSERT_STRING_EQUAL(name, p11ekm_cmk_provider_name());
    CU_ASSERT_PTR_NOT_NULL(CEKeystoreProvider2[0]->verify_cmk_metadata);
    CU_ASSERT_PTR_NULL(CEKeystoreProvider2[0]->reserved);
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->init(&context, on_error), 1);
}

static void odbc_opens(void)
{
    unsigned char *cek = NULL;
    unsigned short length = 0;
    make_sample();
    CU_ASSERT_EQUAL_FATAL(write_good(), 1);
    CU_ASSERT_EQUAL_FATAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 1);
    CU_ASSERT_EQUAL(messages, 0);
    CU_ASSERT_EQUAL(length, sizeof sample_cek);
    CU_ASSERT_EQUAL(memcmp(cek, sample_cek, sizeof sample_cek), 0);
    free(cek);
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->decrypt_cek(&context, on_error, wide(suite_path(OWN)),
                                                        wide("rsa-oaep"), ecek,
                                                        (unsigned short)ecek_len, &cek, &length),
                    1);
    free(cek);
}

static void odbc_refuses(void)
{
    unsigned char *cek = NULL;
    unsigned short length = 0;
    const struct {
        const char *path, *algorithm, *cause;
    } rows[] = {
        {"pkcs11:object=50%25%20of", "RSA_OAEP", "50%% of"},
        {"no uri", "RSA_OAEP", "key path"},
        {"", "RSA_OAEP", "key path"},
        {suite_path(OWN), "none", "algorithm \"none\""},
        {suite_path(KEY_A), "RSA_OAEP", "signature does not verify"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_EQUAL(odbc_open(rows[i].path, rows[i].algorithm, &cek, &length), 0);
        CU_ASSERT_PTR_NULL(cek);
        CU_ASSERT_EQUAL(length, 0);
        CU_ASSERT_EQUAL(messages, 1);
        CU_ASSERT_EQUAL(strncmp(message, "PKCS11_KEY_STORE: ", 18), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, rows[i].cause));
    }
    const p11ekm_odbc_provider2 *p = CEKeystoreProvider2[0];
    forget_messages();
    CU_ASSERT_EQUAL(p->decrypt_cek(&context, on_error, NULL, NULL, NULL, 0, &cek, &length), 0);
    CU_ASSERT_EQUAL(messages, 1);
    CU_ASSERT_EQUAL(p->decrypt_cek(&context, on_error, NULL, NULL, NULL, 0, NULL, NULL), 0);
    CU_ASSERT_EQUAL(p->decrypt_cek(&context, NULL, NULL, NULL, NULL, 0, &cek, &length), 0);
    const uint16_t lone[] = {0xd800, 0};
    CU_ASSERT_EQUAL(
        p->decrypt_cek(&context, on_error, lone, wide("RSA_OAEP"), ecek, 10, &cek, &length), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "UTF-16"));
}

static void odbc_makes_and_verifies(void)
{
    const p11ekm_odbc_provider2 *p = CEKeystoreProvider2[0];
    unsigned char *made = NULL, *cek = NULL;
    unsigned short made_len = 0, cek_len = 0;
    uint8_t copy[CMK_CEK_LEN], sig[512];
    size_t sig_len = sizeof sig;
    memcpy(copy, sample_cek, sizeof copy);
    forget_messages();
    CU_ASSERT_EQUAL_FATAL(p->encrypt_cek(&context, on_error, wide(suite_path(OWN)),
                                         wide("RSA_OAEP"), copy, sizeof copy, &made, &made_len),
                          1);
    CU_ASSERT_EQUAL(p->decrypt_cek(&context, on_error, wide(suite_path(OWN)), wide("RSA_OAEP"),
                                   made, made_len, &cek, &cek_len),
                    1);
    CU_ASSERT_TRUE(cek_len == sizeof copy && memcmp(cek, copy, sizeof copy) == 0);
    free(cek);
    free(made);
    CU_ASSERT_EQUAL(p->encrypt_cek(&context, on_error, wide(suite_path(OWN)), wide("RSA_OAEP"),
                                   copy, 31, &made, &made_len),
                    0);
    CU_ASSERT_PTR_NULL(made);
    CU_ASSERT_EQUAL(made_len, 0);
    cmk_store *store = NULL; /* of the same file, so that the login is shared */
    CU_ASSERT_EQUAL_FATAL(
        cmk_store_open(NULL, "main", getenv("PIN"), strlen(getenv("PIN")), &store, NULL), ST_OK);
    CU_ASSERT_EQUAL(cmk_sign_metadata(store, suite_path(OWN), true, sig, &sig_len, NULL), ST_OK);
    CU_ASSERT_EQUAL(p->verify_cmk_metadata(&context, on_error, wide(suite_path(OWN)), sig,
                                           (unsigned short)sig_len),
                    1);
    CU_ASSERT_EQUAL(cmk_sign_metadata(store, suite_path(OWN), false, sig, &sig_len, NULL), ST_OK);
    forget_messages();
    CU_ASSERT_EQUAL(p->verify_cmk_metadata(&context, on_error, wide(suite_path(OWN)), sig,
                                           (unsigned short)sig_len),
                    0);
    CU_ASSERT_EQUAL(messages, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "metadata does not verify"));
    cmk_store_close(store);
}

static void odbc_settings(void)
{
    static const struct {
        const char *text, *cause;
    } bad[] = {{"nonsense", "no '='"},
               {"colour=red", "not a setting"},
               {"token=main\ntoken=main", "twice"},
               {"pin=", "empty"},
               {"token=\xff", "UTF-8"},
               {"config=/nonexistent/p11ekm.conf", "/nonexistent"},
               {"token=no-such-token\npin=1234", "no-such-token"}};
    unsigned char *cek = NULL;
    unsigned short length = 0;
    char text[4096], status[4096];
    unsigned status_len = sizeof status - 1;
    CU_ASSERT_EQUAL_FATAL(write_good(), 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(write_text(bad[i].text), 0);
        CU_ASSERT_EQUAL(messages, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, bad[i].cause));
    }
    CU_ASSERT_EQUAL(write_text("token=main\r\npin=7777"), 0);
    CU_ASSERT_PTR_NULL(strstr(message, "7777"));
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->write(&context, on_error, NULL, 0), 0);
    /* The previous settings are still active. */
    CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 1);
    free(cek);
    (void)snprintf(text, sizeof text, "config=%s\r\npin=%s\r\n\r\ntoken=%s", getenv("P11EKM_CONF"),
                   getenv("PIN"), getenv("TOKEN"));
    CU_ASSERT_EQUAL(write_text(text), 1);
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->read(&context, on_error, status, &status_len), 1);
    status[status_len] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(status, "provider=PKCS11_KEY_STORE\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(status, getenv("P11EKM_CONF")));
    CU_ASSERT_PTR_NULL(strstr(status, "pin"));
    (void)snprintf(text, sizeof text, "token=%s\n", getenv("TOKEN"));
    CU_ASSERT_PTR_NOT_NULL(strstr(status, text));
    status_len = 3;
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->read(&context, on_error, status, &status_len), 0);
}

/* What the driver does when another connection loads the library. */
static void load_again(unsigned after_ms)
{
    CEKeystoreProvider2[0]->free();
    core_sleep_ms(after_ms);
    CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->init(&context, on_error), 1);
}

/* Must be the first test: no write at all, so the default configuration and its pin_file are used.
 * They are read again after a Free and a later Init. */
static void odbc_opens_by_itself(void)
{
    enum { MEANT_MS = 1100 };
    make_sample();
    unsigned char *cek = NULL;
    unsigned short length = 0;
    const char *before = getenv("P11EKM_CONF");
    char *saved = strdup(before == NULL ? "" : before);
    CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "PIN"));
    load_again(MEANT_MS);
    (void)setenv("P11EKM_CONF", suite_conf("itself.conf", "", true), 1);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 1);
        free(cek);
        CEKeystoreProvider2[0]->free();
        load_again(MEANT_MS);
    }
    (void)setenv("P11EKM_CONF", "/nonexistent/p11ekm.conf", 1);
    CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "/nonexistent/p11ekm.conf"));
    (void)setenv("P11EKM_CONF", saved, 1);
    free(saved);
}

/* The settings stay, also for connections that are in use at that moment, however late the Init. */
static void odbc_loaded_again(void)
{
    unsigned char *cek = NULL;
    unsigned short length = 0;
    CU_ASSERT_EQUAL_FATAL(write_good(), 1);
    for (unsigned after_ms = 0; after_ms <= 1200; after_ms += 1200) {
        CEKeystoreProvider2[0]->free();
        core_sleep_ms(after_ms);
        CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 1);
        free(cek);
        CU_ASSERT_EQUAL(CEKeystoreProvider2[0]->init(&context, on_error), 1);
        CU_ASSERT_EQUAL(odbc_open(suite_path(OWN), "RSA_OAEP", &cek, &length), 1);
        free(cek);
    }
}

static void api_works(void)
{
    p11ekm_cmk *store = NULL;
    char text[512] = "old";
    uint8_t made[1024], moved[1024], cek[64], sig[512];
    size_t made_len = 0, moved_len = sizeof moved, cek_len = 0, sig_len = sizeof sig;
    const char *a = suite_path(OWN), *b = suite_path("ae_own_3072.key.pem");
    CU_ASSERT_EQUAL(p11ekm_cmk_version(), P11EKM_CMK_VERSION);
    CU_ASSERT_EQUAL_FATAL(p11ekm_cmk_open(NULL, "main", getenv("PIN"), strlen(getenv("PIN")),
                                          &store, text, sizeof text),
                          P11EKM_CMK_OK);
    CU_ASSERT_STRING_EQUAL(text, "");
    CU_ASSERT_EQUAL(p11ekm_cmk_generate(store, a, "RSA_OAEP", 0, NULL, &made_len, NULL, 0),
                    P11EKM_CMK_BUFFER_TOO_SMALL);
    CU_ASSERT_TRUE_FATAL(made_len > 0 && made_len <= sizeof made);
    CU_ASSERT_EQUAL(p11ekm_cmk_generate(store, a, "RSA_OAEP", 0, made, &made_len, text, 512),
                    P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, a, "RSA_OAEP", made, made_len, NULL, &cek_len, text, sizeof text),
        P11EKM_CMK_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(cek_len, P11EKM_CMK_CEK_SIZE);
    cek_len = sizeof cek;
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, a, "RSA_OAEP", made, made_len, cek, &cek_len, text, sizeof text),
        P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(cek_len, P11EKM_CMK_CEK_SIZE);
    CU_ASSERT_EQUAL(p11ekm_cmk_rewrap(store, a, b, "RSA_OAEP", 0, made, made_len, moved, &moved_len,
                                      text, sizeof text),
                    P11EKM_CMK_OK);
    uint8_t again[CMK_CEK_LEN];
    size_t again_len = sizeof again;
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, b, "RSA_OAEP", moved, moved_len, again, &again_len, NULL, 0),
        P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(memcmp(again, cek, sizeof again), 0);
    made_len = sizeof made;
    CU_ASSERT_EQUAL(p11ekm_cmk_encrypt(store, a, "RSA_OAEP", cek, 32, made, &made_len, text, 512),
                    P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(p11ekm_cmk_sign(store, a, 1, sig, &sig_len, text, 512), P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(p11ekm_cmk_verify(store, a, 1, sig, sig_len, text, 512), P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(p11ekm_cmk_verify(store, a, 0, sig, sig_len, text, 512),
                    P11EKM_CMK_SIGNATURE_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "does not verify"));
    p11ekm_cmk_close(store);
}

static void api_refuses(void)
{
    p11ekm_cmk *store = (p11ekm_cmk *)(uintptr_t)1;
    char text[512], tiny[12];
    uint8_t cek[CMK_CEK_LEN] = {0};
    size_t length = sizeof cek;
    CU_ASSERT_EQUAL(p11ekm_cmk_open("/nonexistent/p11ekm.conf", NULL, NULL, 0, &store, text, 512),
                    2049);
    CU_ASSERT_PTR_NULL(store);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "/nonexistent/p11ekm.conf"));
    CU_ASSERT_EQUAL(p11ekm_cmk_open("/nonexistent/p11ekm.conf", NULL, NULL, 0, &store, tiny, 12),
                    2049);
    CU_ASSERT_EQUAL(strlen(tiny), 11);
    CU_ASSERT_EQUAL(p11ekm_cmk_open(NULL, NULL, NULL, 0, NULL, text, 512),
                    P11EKM_CMK_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(p11ekm_cmk_open(NULL, "main", "9998", 4, &store, text, 512),
                    P11EKM_CMK_AUTH_FAILED);
    CU_ASSERT_EQUAL(p11ekm_cmk_decrypt(NULL, "p", "RSA_OAEP", cek, 1, cek, &length, text, 512),
                    P11EKM_CMK_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(length, 0);
    CU_ASSERT_EQUAL(p11ekm_cmk_verify(NULL, "p", 1, cek, 1, text, 512),
                    P11EKM_CMK_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL_FATAL(
        p11ekm_cmk_open(NULL, "main", getenv("PIN"), strlen(getenv("PIN")), &store, text, 512),
        P11EKM_CMK_OK);
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, suite_path(OWN), "RSA_OAEP", cek, 32, cek, NULL, text, 512),
        P11EKM_CMK_INVALID_ARGUMENT);
    length = sizeof cek;
    CU_ASSERT_EQUAL(p11ekm_cmk_decrypt(store, NULL, NULL, NULL, 0, cek, &length, text, 512),
                    P11EKM_CMK_INVALID_ARGUMENT);
    length = 31;
    CU_ASSERT_EQUAL(
        p11ekm_cmk_decrypt(store, suite_path(OWN), "RSA_OAEP", cek, 32, cek, &length, text, 512),
        P11EKM_CMK_BUFFER_TOO_SMALL);
    length = sizeof cek;
    CU_ASSERT_EQUAL(
        p11ekm_cmk_generate(store, suite_path(OWN), "RSA_OAEP", 2, cek, &length, text, 512),
        P11EKM_CMK_INVALID_ARGUMENT);
    p11ekm_cmk_close(store);
    p11ekm_cmk_close(NULL);
}

/* A closed store is an error for every function, also when another one has been opened since. */
static void api_closed_store_is_refused(void)
{
    p11ekm_cmk *store = NULL, *other = NULL;
    char text[512];
    uint8_t out[1024];
    const char *pin = getenv("PIN"), *path = suite_path(OWN);
    CU_ASSERT_EQUAL_FATAL(p11ekm_cmk_open(NULL, "main", pin, strlen(pin), &store, NULL, 0), 0);
    p11ekm_cmk_close(store);
    p11ekm_cmk_close(store);
    CU_ASSERT_EQUAL_FATAL(p11ekm_cmk_open(NULL, "main", pin, strlen(pin), &other, NULL, 0), 0);
    CU_ASSERT_PTR_NOT_EQUAL(store, other);
    p11ekm_cmk_close(store);
    for (unsigned i = 0; i < 6; i++) {
        size_t length = sizeof out;
        const int code =
            i == 0   ? p11ekm_cmk_decrypt(store, path, "RSA_OAEP", out, 9, out, &length, text, 512)
            : i == 1 ? p11ekm_cmk_encrypt(store, path, "RSA_OAEP", out, 32, out, &length, text, 512)
            : i == 2 ? p11ekm_cmk_generate(store, path, "RSA_OAEP", 0, out, &length, text, 512)
            : i == 3 ? p11ekm_cmk_rewrap(store, path, path, "RSA_OAEP", 0, out, 9, out, &length,
                                         text, 512)
            : i == 4 ? p11ekm_cmk_sign(store, path, 1, out, &length, text, 512)
                     : p11ekm_cmk_verify(store, path, 1, out, 9, text, 512);
        CU_ASSERT_EQUAL(code, P11EKM_CMK_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "closed"));
        CU_ASSERT_EQUAL(length, i == 5 ? sizeof out : 0);
    }
    size_t length = sizeof out;
    CU_ASSERT_EQUAL(p11ekm_cmk_generate(other, path, "RSA_OAEP", 0, out, &length, text, 512), 0);
    p11ekm_cmk_close(other);
}

static void api_codes(void)
{
    static const struct {
        int code;
        core_status st;
    } rows[] = {{P11EKM_CMK_OK, ST_OK},
                {P11EKM_CMK_BUFFER_TOO_SMALL, ST_BUFFER_TOO_SMALL},
                {P11EKM_CMK_NOT_FOUND, ST_NOT_FOUND},
                {P11EKM_CMK_AUTH_FAILED, ST_AUTH_FAILED},
                {P11EKM_CMK_INVALID_ARGUMENT, ST_INVALID_ARGUMENT},
                {P11EKM_CMK_DEVICE, ST_DEVICE},
                {P11EKM_CMK_MECHANISM, ST_MECHANISM},
                {P11EKM_CMK_DECRYPT_FAILED, ST_DECRYPT_FAILED},
                {P11EKM_CMK_SIGNATURE_INVALID, ST_SIGNATURE_INVALID},
                {P11EKM_CMK_FORMAT, ST_FORMAT},
                {P11EKM_CMK_UNTRUSTED_PATH, ST_UNTRUSTED_PATH}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_EQUAL(rows[i].code, (int)core_status_code(rows[i].st));
        CU_ASSERT_PTR_NOT_NULL(
            strstr(p11ekm_cmk_code_text(rows[i].code), core_status_text(rows[i].st)));
    }
    CU_ASSERT_STRING_EQUAL(p11ekm_cmk_code_text(-5), "unknown code");
}

static const test_case cases[] = {{"odbc_opens_by_itself", odbc_opens_by_itself},
                                  {"odbc_arrays", odbc_arrays},
                                  {"odbc_opens", odbc_opens},
                                  {"odbc_refuses", odbc_refuses},
                                  {"odbc_makes_and_verifies", odbc_makes_and_verifies},
                                  {"odbc_settings", odbc_settings},
                                  {"odbc_loaded_again", odbc_loaded_again},
                                  {"api_works", api_works},
                                  {"api_refuses", api_refuses},
                                  {"api_closed_store_is_refused", api_closed_store_is_refused},
                                  {"api_codes", api_codes},
                                  {NULL, NULL}};
const test_suite cmk_interface_suite = {
    .name = "cmk_interface", .cases = cases, .start = start, .stop = stop};
