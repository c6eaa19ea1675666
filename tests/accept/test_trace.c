/* SPDX-License-Identifier: Apache-2.0
 *
 * p11trace on a token: every export is called, then the recorded lines are read back. Each call has
 * its line with sizes, flags, thread and time; no line contains IDENTITY, SECRET or their sizes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include "testing.h"
#include "token_conf.h"
#include "tests/unit/ekm_fixture.h"

#define WRONG_SECRET "wrong-Secret-of-41-characters-0123456789x"
enum { WRONG_SECRET_CB = 2 * (sizeof WRONG_SECRET - 1), PLAIN = 48, IV = 16, DATA = 37 };

static json_t *lines; /* array of the objects recorded */
static char *recorded;

/* Calls all 17 exports, some successfully and some not. */
static void call_everything(void)
{
    SqlCpSession session = NULL;
    SqlCpSession refused = NULL;
    SqlCpWchar name[300];
    uint8_t rsa[FX_THUMB], aes[FX_THUMB], blob[scp_MaxKeyBlob], out[1024], back[1024];
    uint8_t plain[PLAIN] = {7}, iv[IV] = {9};
    size_t length = sizeof out, back_length = sizeof back;
    fx_key key;
    fx_text text;
    SqlCpKeyId id = 0;

    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
    SqlCpProviderInfo info = {.name = {0, NULL}};
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_InsufficientBuffer);
    info.name.ws = name;
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_Success);
    SqlCpAlgId algorithm = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextAlgorithmId(&algorithm), scp_err_Success);
    SqlCpAlgorithmInfo details = {.algTag = {sizeof name, name}};
    CU_ASSERT_EQUAL(SqlCryptGetAlgorithmInfo(algorithm, &details), scp_err_Success);
    CU_ASSERT_EQUAL(fx_open("test", WRONG_SECRET, &refused), scp_err_AuthFailure);
    CU_ASSERT_EQUAL_FATAL(fx_open("test", getenv("PIN"), &session), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "trace-rsa", CORE_ALG_RSA_2048, 0, rsa),
                          scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "trace-aes", CORE_ALG_AES_256, 0, aes),
                          scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&session, &id), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_ID, &id, &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, rsa, &key), scp_err_Success);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "trace-aes", &key), scp_err_Success);
    SqlCpKeyThumbprint thumb = {FX_THUMB, rsa};
    SqlCpKeyBlob exported = {sizeof blob, blob};
    CU_ASSERT_EQUAL(SqlCryptExportKey(&session, &thumb, NULL, scp_kb_PublicKeyBlob, &exported),
                    scp_err_Success);
    CU_ASSERT_EQUAL(
        SqlCryptImportKey(&session, fx_str(&text, "x"), NULL, scp_kb_PublicKeyBlob, 5, &exported),
        scp_err_NotSupported);
    CU_ASSERT_EQUAL(fx_encrypt(session, rsa, NULL, 0, plain, PLAIN, out, &length), scp_err_Success);
    CU_ASSERT_EQUAL(fx_decrypt(session, rsa, NULL, 0, out, length, back, &back_length),
                    scp_err_Success);
    length = sizeof out;
    CU_ASSERT_EQUAL(fx_encrypt(session, aes, iv, IV, plain, DATA, out, &length), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(session, rsa), scp_err_Success);
    CU_ASSERT_EQUAL(fx_drop(session, aes), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&session, 1), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
}

static int start(void)
{
    return token_conf_make("") && setenv("P11TRACE_FILE", testing_path("trace.jsonl"), 1) == 0 ? 0
                                                                                               : 1;
}

static void file_recorded_is_one_json_object_a_line(void)
{
    call_everything();
    size_t length = 0;
    recorded = testing_read(getenv("P11TRACE_FILE"), &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(recorded);
    lines = json_array();
    for (char *at = recorded; *at;) {
        char *end = strchr(at, '\n');
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        json_t *line = json_loadb(at, (size_t)(end - at), JSON_REJECT_DUPLICATES, NULL);
        CU_ASSERT_FATAL(json_is_object(line));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(line, "n")),
                        (json_int_t)json_array_size(lines) + 1);
        CU_ASSERT_EQUAL(json_array_append_new(lines, line), 0);
        at = end + 1;
    }
    CU_ASSERT(json_array_size(lines) > 17);
}

static int stop(void)
{
    json_decref(lines);
    free(recorded);
    token_conf_remove();
    return 0;
}

/* The last line of a function with this result; NULL if there is none. */
static json_t *line_of(const char *function, SqlCpError result)
{
    json_t *found = NULL;
    json_t *line = NULL;
    size_t index = 0;
    json_array_foreach(lines, index, line)
    {
        if (strcmp(json_string_value(json_object_get(line, "call")), function) == 0 &&
            json_integer_value(json_object_get(line, "result")) == (json_int_t)result)
            found = line;
    }
    return found;
}

static json_int_t number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    CU_ASSERT(json_is_integer(value));
    return json_integer_value(value);
}

static void check_buffer(const json_t *line, const char *key, json_int_t cb, bool null)
{
    const json_t *buffer = json_object_get(line, key);
    CU_ASSERT_EQUAL(number(buffer, "cb"), cb);
    CU_ASSERT_EQUAL(json_is_true(json_object_get(buffer, "null")), null);
}

static void export_called_has_line_with_thread_and_time(void)
{
    static const char *const names[] = {
#define NAME(state, name, parameters) #name,
        SQLCP_EXPORTS(NAME)
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *line = line_of(names[i], scp_err_Success);
        line = line ? line : line_of(names[i], scp_err_NotSupported);
        CU_ASSERT_PTR_NOT_NULL_FATAL(line);
        CU_ASSERT_EQUAL(number(line, "pid"), getpid());
        CU_ASSERT_EQUAL(number(line, "thread"), getpid()); /* the first thread */
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "impersonation")), "none");
        CU_ASSERT_EQUAL(number(line, "inside"), 0);
        CU_ASSERT(number(line, "us") >= 0 && number(line, "at_us") > 0);
        CU_ASSERT(number(line, "stack_left") > 0);
        CU_ASSERT(number(line, "stack_left") < number(line, "stack_size"));
    }
    CU_ASSERT(number(line_of("SqlCryptCreateKey", scp_err_Success), "us") > 0);
}

static void data_call_has_sizes_flags_and_iv_length(void)
{
    json_t *line = line_of("SqlCryptEncrypt", scp_err_InsufficientBuffer);
    check_buffer(line, "ciphertext", 0, true);
    line = line_of("SqlCryptEncrypt", scp_err_Success); /* the AES key's is the last */
    CU_ASSERT_EQUAL(number(line, "final"), 1);
    check_buffer(line, "plaintext", DATA, false);
    check_buffer(line, "thumb", FX_THUMB, false);
    const json_t *params = json_object_get(line, "params");
    CU_ASSERT_EQUAL(number(params, "count"), 1);
    const json_t *first = json_array_get(json_object_get(params, "list"), 0);
    CU_ASSERT_EQUAL(number(first, "type"), scp_ep_IV);
    CU_ASSERT_EQUAL(number(first, "cb"), IV);
    line = line_of("SqlCryptDecrypt", scp_err_Success);
    check_buffer(line, "ciphertext", 256, false);
    check_buffer(line, "plaintext_after", PLAIN, false);
    CU_ASSERT_EQUAL(number(json_object_get(line, "params"), "count"), 0);
    line = line_of("SqlCryptImportKey", scp_err_NotSupported);
    CU_ASSERT_EQUAL(number(line, "flags"), 5);
    CU_ASSERT(json_is_null(json_object_get(line, "decryptor")));
    CU_ASSERT_EQUAL(number(line_of("SqlCryptCloseSession", scp_err_Success), "abort"), 1);
}

static void open_session_has_no_size_of_credential(void)
{
    static const char *const allowed[] = {
        "n",      "call",       "pid",        "thread",       "impersonation", "account",
        "fiber",  "stack_size", "stack_left", "inside",       "at_us",         "us",
        "result", "credential", "session",    "session_after"};
    const SqlCpError results[] = {scp_err_Success, scp_err_AuthFailure};
    for (size_t i = 0; i < 2; i++) {
        json_t *line = line_of("SqlCryptOpenSession", results[i]);
        const char *key = NULL;
        json_t *value = NULL;
        CU_ASSERT_PTR_NOT_NULL_FATAL(line);
        json_object_foreach(line, key, value)
        {
            bool known = false;
            for (size_t j = 0; j < sizeof allowed / sizeof allowed[0]; j++)
                known = known || strcmp(key, allowed[j]) == 0;
            CU_ASSERT(known);
            /* Time, thread and stack may have any value; the secret's size would be in another
             * field. */
            if (strcmp(key, "session") == 0)
                CU_ASSERT_EQUAL(json_integer_value(value), 0);
        }
        CU_ASSERT(json_is_true(json_object_get(line, "credential")));
    }
}

static bool holds(const char *text, size_t length)
{
    size_t all = strlen(recorded);
    for (size_t at = 0; at + length <= all; at++)
        if (memcmp(recorded + at, text, length) == 0)
            return true;
    return false;
}

static void trace_holds_no_identity_secret_or_handle(void)
{
    char size[32];
    CU_ASSERT_FALSE(holds(WRONG_SECRET, sizeof WRONG_SECRET - 1));
    CU_ASSERT_FALSE(holds("wrong-Secret", 12));
    CU_ASSERT_FALSE(holds("\"test\"", 6));
    int length = snprintf(size, sizeof size, ":%d", WRONG_SECRET_CB);
    char *line = strstr(recorded, "\"call\":\"SqlCryptOpenSession\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    char *end = strchr(line, '\n');
    for (char *at = line; (at = strstr(at, size)) && at < end; at++)
        CU_ASSERT(at[length] != ',' && at[length] != '}');
    /* A handle has 64 bits; the recorded form has 16. */
    json_t *opened = line_of("SqlCryptOpenSession", scp_err_Success);
    CU_ASSERT(number(opened, "session_after") <= 0xffff);
}

static void provider_has_guid_of_its_own(void)
{
    static const uint8_t p11ekm[] = {0x6f, 0xb5, 0x07, 0x78, 0x3f, 0x37, 0x54, 0x49,
                                     0xaa, 0x47, 0x32, 0x8a, 0x7a, 0x04, 0xc9, 0x70};
    SqlCpWchar name[300];
    SqlCpProviderInfo info = {.name = {sizeof name, name}};
    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_Success);
    CU_ASSERT(memcmp(&info.guid, p11ekm, sizeof p11ekm) != 0);
    CU_ASSERT_EQUAL(info.guid.data1, 0x36e445d0);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
}

static void file_not_writable_changes_no_result(void)
{
    SqlCpWchar name[300];
    SqlCpProviderInfo info = {.name = {sizeof name, name}};
    CU_ASSERT_EQUAL(setenv("P11TRACE_FILE", "/nonexistent/folder/trace", 1), 0);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptGetProviderInfo(&info), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
}

static const test_case cases[] = {
    {"file_recorded_is_one_json_object_a_line", file_recorded_is_one_json_object_a_line},
    {"export_called_has_line_with_thread_and_time", export_called_has_line_with_thread_and_time},
    {"data_call_has_sizes_flags_and_iv_length", data_call_has_sizes_flags_and_iv_length},
    {"open_session_has_no_size_of_credential", open_session_has_no_size_of_credential},
    {"trace_holds_no_identity_secret_or_handle", trace_holds_no_identity_secret_or_handle},
    {"provider_has_guid_of_its_own", provider_has_guid_of_its_own},
    {"file_not_writable_changes_no_result", file_not_writable_changes_no_result},
    {NULL, NULL},
};
static const test_suite suite = {.name = "trace", .cases = cases, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    const test_suite *const suites[] = {&suite};
    return testing_main(argc, argv, suites, 1);
}
