/* SPDX-License-Identifier: Apache-2.0
 *
 * PIN tries through SQL Server's interface: the start-up wait repeats logins to a token that does
 * not answer and must not repeat a PIN that may be wrong. Also the codes for a wrong PIN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/field/login_fixture.h"
#include "tests/unit/ekm_fixture.h"

enum { RATIONED = 2063, NO_PIN = 2065 };

/* A provider on the memory token; the fixture's own context stays closed. */
static void provider_start(const char *globals)
{
    login_fixture w;

    fixture_open(&w, globals);
    fixture_close(&w);
    CU_ASSERT_EQUAL_FATAL(setenv("P11EKM_CONF", fixture_config(), 1), 0);
    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
}

static void startup_wait_vendor_code_sent_at_most_pin_tries(void)
{
    static const CK_RV codes[] = {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, 0x80000005UL};

    for (size_t i = 0; i < 2 * sizeof codes / sizeof codes[0]; i++) {
        SqlCpSession session = NULL;
        SqlCpError e = scp_err_Success;

        provider_start("startup_tries = 20\nstartup_interval_seconds = 0\n");
        memory.quirks(&(p11memory_quirks){.wrong_pin_rv = codes[i / 2], .blind = i % 2 == 1});
        for (unsigned k = 0; k < 5; k++) {
            e = fx_open("main", "9999", &session);
            CU_ASSERT_NOT_EQUAL(e, scp_err_Success);
        }
        CU_ASSERT_EQUAL((int)e, RATIONED);
        CU_ASSERT_EQUAL(fixture_wrong(), 2);
        CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    }
}

/* Code 5 if the PIN is known to be wrong, 2063 if the token has not checked it. */
static void wrong_pins_known_wrong_auth_failure(void)
{
    SqlCpSession first = NULL, other = NULL;

    provider_start("pin_tries = 2\n");
    CU_ASSERT_EQUAL(fx_open("main", "1234", &first), scp_err_Success);
    CU_ASSERT_EQUAL(fx_open("main", "0000", &other),
                    scp_err_AuthFailure); /* refused by the token */
    CU_ASSERT_EQUAL(fx_open("main", "0000", &other), scp_err_AuthFailure); /* refused from memory */
    CU_ASSERT_EQUAL(fx_open("main", "0001", &other), scp_err_AuthFailure);
    CU_ASSERT_EQUAL((int)fx_open("main", "0002", &other), RATIONED);
    CU_ASSERT_EQUAL(fx_open("main", "0001", &other), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(fx_open("main", "1234", &other), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&other, 0), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&first, 0), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);

    provider_start("pin_change = refuse\n"); /* differs from the PIN of the present login */
    CU_ASSERT_EQUAL(fx_open("main", "1234", &first), scp_err_Success);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(fx_open("main", "0003", &other), scp_err_AuthFailure);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&first, 0), scp_err_Success);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
}

static void rationed_pin_log_tells_the_seconds(void)
{
    SqlCpSession session = NULL;
    char line[600];
    char *log = NULL;
    size_t length = 0;

    (void)snprintf(line, sizeof line, "log = %s\npin_tries = 1\npin_retry_seconds = 77\n",
                   testing_path("rationed.log"));
    provider_start(line);
    CU_ASSERT_EQUAL(fx_open("main", "0000", &session), scp_err_AuthFailure);
    CU_ASSERT_EQUAL((int)fx_open("main", "1234", &session), RATIONED);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    log = testing_read(testing_path("rationed.log"), &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(log);
    CU_ASSERT(strstr(log, "sent in 77 s") != NULL || strstr(log, "sent in 76 s") != NULL);
    free(log);
}

static void pin_file_missing_or_unreadable_no_pin_and_logged(void)
{
    static const char *const files[] = {"/nonexistent/pin", "/"};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        SqlCpSession session = NULL;
        char line[700];
        size_t length = 0;

        (void)remove(testing_path("nopin.log"));
        (void)snprintf(line, sizeof line, "log = %s\npin_file = %s\n", testing_path("nopin.log"),
                       files[i]);
        provider_start(line);
        CU_ASSERT_EQUAL((int)fx_open("main", "", &session), NO_PIN);
        CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
        char *log = testing_read(testing_path("nopin.log"), &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(log);
        CU_ASSERT_PTR_NOT_NULL(strstr(log, i == 0 ? "/nonexistent/pin" : "PIN_SOURCE: /"));
        free(log);
    }
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"start-up wait, vendor code: sent at most pin_tries",
         startup_wait_vendor_code_sent_at_most_pin_tries},
        {"wrong PINs known to be wrong: authentication failure",
         wrong_pins_known_wrong_auth_failure},
        {"rationed PIN: the log tells the seconds", rationed_pin_log_tells_the_seconds},
        {"PIN file missing or unreadable: no PIN, and logged",
         pin_file_missing_or_unreadable_no_pin_and_logged},
        {NULL, NULL}};
    static const test_suite suite = {.name = "PIN EKM", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (!memory_load()) {
        printf("SKIPPED: no memory token: run it by tests/tokens/with-token memory\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
