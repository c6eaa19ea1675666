/* SPDX-License-Identifier: Apache-2.0
 *
 * See provider_fixture.h.
 */
#include "tests/field/provider_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/status.h"

fault_proxy proxy;
SqlCpSession session;
tok_context *ctx;
tok_token *token;
other outside;
const char *log_path;

void provider_open(const char *policy)
{
    const char *pin = getenv("PIN");
    const char *config = field_config(policy, &log_path);

    CU_ASSERT_EQUAL_FATAL(setenv("P11EKM_CONF", config, 1), 0);
    CU_ASSERT_EQUAL_FATAL(SqlCryptInitializeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_open("main", pin, &session), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(tok_context_open(config, &ctx, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "main", &token, NULL), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, pin, strlen(pin), NULL), ST_OK);
    CU_ASSERT_TRUE_FATAL(other_open(&outside));
}

void provider_close(void)
{
    other_close(&outside);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

int provider_main(int argc, char **argv, const test_suite *const *suites, size_t count)
{
    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, count);
}
