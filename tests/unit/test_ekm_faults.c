/* SPDX-License-Identifier: Apache-2.0
 *
 * The fault matrix: every status that every function of the token layer can return, in every export
 * that calls it. The engine must get the documented code, the token must not change, nothing may
 * leak, and the next call must work. And the same for each allocation that fails.
 */
#include <stdio.h>
#include <string.h>
#include "core/memory.h"
#include "tests/unit/ekm_fixture.h"
#include "tests/unit/fake_tok.h"

static SqlCpSession session;
static uint8_t rsa[FX_THUMB];
static uint8_t wrapped[256];

static SqlCpError run_open(void)
{
    SqlCpSession s = NULL;
    SqlCpError e = fx_open("alpha", "1234", &s);
    if (e == scp_err_Success)
        e = SqlCryptCloseSession(&s, 0);
    else
        CU_ASSERT_PTR_NULL(s);
    return e;
}

/* Leaves the token as it was, also on success. */
static SqlCpError create_and_drop(SqlCpKeyFlags flags)
{
    uint8_t thumb[FX_THUMB];
    SqlCpError e = fx_create(session, "made", CORE_ALG_AES_256, flags, thumb);
    if (e == scp_err_Success)
        fake_take_key(thumb);
    if (e == scp_err_Success && flags)
        e = fx_drop(session, thumb);
    return e;
}

static SqlCpError run_create(void)
{
    return create_and_drop(0);
}

static SqlCpError run_create_volatile(void)
{
    return create_and_drop(scp_kf_Volatile);
}

static SqlCpError run_drop(void)
{
    uint8_t thumb[FX_THUMB];
    fake_put_key("dropped", CORE_ALG_AES_256, thumb);
    uint64_t before = fake_state();
    SqlCpError e = fx_drop(session, thumb);
    CU_ASSERT((e == scp_err_Success) == (fake_state() != before));
    fake_purge("dropped");
    return e;
}

static SqlCpError run_list(void)
{
    SqlCpKeyId id = 0;
    return SqlCryptGetNextKeyId(&session, &id);
}

static SqlCpError run_by_name(void)
{
    fx_key key;
    return fx_info(session, FX_BY_NAME, "rsa", &key);
}

static SqlCpError run_by_thumb(void)
{
    fx_key key;
    return fx_info(session, FX_BY_THUMB, rsa, &key);
}

static SqlCpError run_by_id(void)
{
    fx_key key;
    SqlCpKeyId id = 1;
    return fx_info(session, FX_BY_ID, &id, &key);
}

static SqlCpError run_export(void)
{
    uint8_t bytes[600];
    SqlCpKeyBlob blob = {sizeof bytes, bytes};
    SqlCpKeyThumbprint thumb = {FX_THUMB, rsa};
    return SqlCryptExportKey(&session, &thumb, NULL, scp_kb_PublicKeyBlob, &blob);
}

static SqlCpError run_encrypt(void)
{
    uint8_t out[256];
    size_t len = sizeof out;
    return fx_encrypt(session, rsa, NULL, 0, "dek", 3, out, &len);
}

static SqlCpError run_decrypt(void)
{
    uint8_t out[256];
    size_t len = sizeof out;
    return fx_decrypt(session, rsa, NULL, 0, wrapped, sizeof wrapped, out, &len);
}

typedef struct fault_case {
    const char *name;
    SqlCpError (*run)(void);
    fake_function functions[3];
    unsigned count;
} fault_case;

static const fault_case cases[] = {
    {"open", run_open, {FAKE_tok_token_find, FAKE_tok_token_login}, 2},
    {"create", run_create, {FAKE_tok_key_create}, 1},
    {"create volatile", run_create_volatile, {FAKE_tok_key_create, FAKE_tok_key_by_name}, 2},
    {"drop", run_drop, {FAKE_tok_key_by_thumb, FAKE_tok_key_retire}, 2},
    {"list", run_list, {FAKE_tok_key_list}, 1},
    {"by name", run_by_name, {FAKE_tok_key_by_name}, 1},
    {"by thumb", run_by_thumb, {FAKE_tok_key_by_thumb}, 1},
    {"by id", run_by_id, {FAKE_tok_key_by_thumb}, 1},
    {"export", run_export, {FAKE_tok_key_by_thumb}, 1},
    {"encrypt", run_encrypt, {FAKE_tok_key_by_thumb, FAKE_tok_encrypt}, 2},
    {"decrypt", run_decrypt, {FAKE_tok_key_by_thumb, FAKE_tok_decrypt}, 2},
};

static void begin(void)
{
    SqlCpKeyId id = 0;
    size_t len = sizeof wrapped;
    session = fx_begin(NULL);
    fake_put_key("rsa", CORE_ALG_RSA_2048, rsa);
    CU_ASSERT_EQUAL_FATAL(fx_encrypt(session, rsa, NULL, 0, "dek", 3, wrapped, &len),
                          scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(SqlCryptGetNextKeyId(&session, &id), scp_err_Success);
}

/* The code of the documented table, except for the lookup of a free name, where absence is success
 * and two keys with the name count as one that is taken. */
static SqlCpError expected(const fault_case *c, fake_function f, core_status st)
{
    bool free_name = c->run == run_create_volatile && f == FAKE_tok_key_by_name;
    if (free_name && st == ST_NOT_FOUND)
        return scp_err_Success;
    return core_status_code(free_name && st == ST_KEY_AMBIGUOUS ? ST_KEY_EXISTS : st);
}

static void test_fault_matrix(void)
{
    begin();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        CU_ASSERT_EQUAL(cases[c].run(), scp_err_Success);
        for (unsigned f = 0; f < cases[c].count; f++) {
            for (int st = ST_OK + 1; st < ST_COUNT_; st++) {
                /* The fixture would take it for the result of a size query. */
                if (st == ST_BUFFER_TOO_SMALL)
                    continue;
                uint64_t state = fake_state();
                unsigned live = fake_live();
                fake_fail(cases[c].functions[f], (core_status)st, 0);
                SqlCpError e = cases[c].run();
                fake_fail(cases[c].functions[f], ST_OK, 0);
                SqlCpError want = expected(&cases[c], cases[c].functions[f], (core_status)st);
                if (e != want)
                    printf("%s, fault %d: %u instead of %u\n", cases[c].name, st, e, want);
                CU_ASSERT_EQUAL(e, want);
                CU_ASSERT_EQUAL(fake_state(), state);
                CU_ASSERT_EQUAL(fake_live(), live);
            }
        }
        CU_ASSERT_EQUAL(cases[c].run(), scp_err_Success);
    }
    fx_end();
}

/* Fails the nth allocation from now on, once. */
static long countdown;

static bool fail_one(size_t size)
{
    (void)size;
    return countdown-- != 0;
}

static void test_allocation_failures(void)
{
    begin();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        bool failed = true;
        long n = 0;
        for (; failed; n++) {
            uint64_t state = fake_state();
            unsigned live = fake_live();
            countdown = n;
            core_set_alloc_hook(fail_one);
            SqlCpError e = cases[c].run();
            core_set_alloc_hook(NULL);
            failed = countdown < 0;
            if (e != scp_err_Success && e != 2060)
                printf("%s, allocation %ld: %u\n", cases[c].name, n, e);
            /* Some allocations are optional. */
            CU_ASSERT(e == scp_err_Success || (failed && e == 2060));
            CU_ASSERT_EQUAL(fake_state(), state);
            CU_ASSERT_EQUAL(fake_live(), live);
        }
        CU_ASSERT(n > 1);
    }
    fx_end();
}

static void test_initialise_faults(void)
{
    fake_reset(NULL);
    for (int st = ST_OK + 1; st < ST_COUNT_; st++) {
        fake_fail(FAKE_tok_context_open, (core_status)st, 0);
        CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), core_status_code((core_status)st));
        CU_ASSERT_EQUAL(fake_live(), 0);
    }
    fake_fail(FAKE_tok_context_open, ST_OK, 0);
    CU_ASSERT_EQUAL(SqlCryptInitializeProvider(), scp_err_Success);
    fx_end();
}

void add_fault_suite(void)
{
    CU_pSuite suite = CU_add_suite("faults", NULL, NULL);
    CU_ADD_TEST(suite, test_fault_matrix);
    CU_ADD_TEST(suite, test_allocation_failures);
    CU_ADD_TEST(suite, test_initialise_faults);
}
