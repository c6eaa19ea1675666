/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture at SQL Server's interface: for every operation of the EKM provider, every Cryptoki call
 * it makes fails once with every return value of a list, and every allocation of ours fails once.
 * Required each time: a documented and true code (no "internal error", no "not found" for an
 * existing object), no breach of Cryptoki's rules, no key lost and none left over, and the same
 * operation succeeds afterwards. Linked with the component libraries, because the built library
 * does not export the hook for allocations.
 *
 *   with-token --count KIND torture_ekm [short [OPERATION]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/group/group_private.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/rv_list.h"
#include "tests/unit/ekm_fixture.h"

enum { CKR_ALREADY = 0x191, WRONG_RESULT = 9999 };

static fault_proxy proxy;
static SqlCpSession session;
static uint8_t rsa[FX_THUMB];
static uint8_t aes[FX_THUMB];
static uint8_t rsa_cipher[256];
static size_t rsa_cipher_len = sizeof rsa_cipher;
static const uint8_t plain[] = "a database encryption key, or so";
static unsigned keys;
static unsigned long runs, refused, healed, failures;
static const char *operation = "set-up";

/* A failed assertion of the fixture fails the current operation. */
CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned line, const char *condition,
                                const char *file, const char *function, CU_BOOL fatal)
{
    (void)function;
    (void)fatal;
    if (!value) {
        failures++;
        printf("FAILED %s: %s:%u: %s\n", operation, file, line, condition);
    }
    return value;
}

/* --- the operations: each leaves the fixture as it was --- */

static SqlCpError do_provider(void)
{
    SqlCpSession first = NULL;
    SqlCpError e = SqlCryptInitializeProvider();

    if (e == scp_err_Success)
        e = fx_open("main", getenv("PIN"), &first);
    SqlCpError freed = SqlCryptFreeProvider();
    return e == scp_err_Success ? freed : e;
}

static SqlCpError do_session(void)
{
    SqlCpSession other = NULL;
    SqlCpError e = fx_open("main", getenv("PIN"), &other);

    if (e != scp_err_Success)
        return e;
    return SqlCryptCloseSession(&other, 0);
}

static SqlCpError do_wrong_pin(void)
{
    SqlCpSession other = NULL;
    SqlCpError e = fx_open("main", "not the PIN", &other);
    if (e == scp_err_Success)
        (void)SqlCryptCloseSession(&other, 0);
    if (e == scp_err_Success)
        return WRONG_RESULT;
    return e == scp_err_AuthFailure ? scp_err_Success : e;
}

static SqlCpError do_list(void)
{
    SqlCpKeyId id = 0;
    SqlCpError e;
    unsigned count = 0;

    while ((e = SqlCryptGetNextKeyId(&session, &id)) == scp_err_Success)
        count++;
    if (e != scp_err_NotFound)
        return e;
    return count == keys || keys == 0 ? scp_err_Success : WRONG_RESULT;
}

static SqlCpError do_info(void)
{
    fx_key key;
    SqlCpError e = fx_info(session, FX_BY_NAME, "torture-rsa", &key);

    if (e == scp_err_Success && memcmp(key.thumb, rsa, FX_THUMB) != 0)
        return WRONG_RESULT;
    if (e == scp_err_Success)
        e = fx_info(session, FX_BY_THUMB, aes, &key);
    return e;
}

static SqlCpError do_export(void)
{
    uint8_t bytes[600];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpKeyBlob blob = {sizeof bytes, bytes};
    return SqlCryptExportKey(&session, &key, NULL, scp_kb_PublicKeyBlob, &blob);
}

static SqlCpError do_wrap(void)
{
    uint8_t out[256];
    size_t out_len = sizeof out;
    return fx_encrypt(session, rsa, NULL, 0, plain, sizeof plain, out, &out_len);
}

static SqlCpError do_unwrap(void)
{
    uint8_t out[256];
    size_t out_len = sizeof out;
    SqlCpError e = fx_decrypt(session, rsa, NULL, 0, rsa_cipher, rsa_cipher_len, out, &out_len);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return e == scp_err_Success && !right ? (SqlCpError)WRONG_RESULT : e;
}

static SqlCpError do_cells(void)
{
    uint8_t cipher[100];
    uint8_t back[100];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;
    SqlCpError e = fx_encrypt(session, aes, NULL, 0, plain, sizeof plain, cipher, &cipher_len);

    if (e == scp_err_Success)
        e = fx_decrypt(session, aes, NULL, 0, cipher, cipher_len, back, &back_len);
    bool right = back_len == sizeof plain && memcmp(back, plain, sizeof plain) == 0;
    return e == scp_err_Success && !right ? (SqlCpError)WRONG_RESULT : e;
}

static SqlCpError create(SqlCpKeyFlags flags, core_algorithm algorithm)
{
    uint8_t thumb[FX_THUMB];
    SqlCpError e = fx_create(session, "torture-new", algorithm, flags, thumb);

    if (e != scp_err_Success)
        return e;
    e = fx_drop(session, thumb);
    if (e != scp_err_Success) {
        /* The test removes what the failed drop has left, which is not left over from a
         * creation. */
        proxy.plan("");
        core_set_alloc_hook(NULL);
        (void)fx_drop(session, thumb);
    }
    return e;
}

static SqlCpError do_create(void)
{
    return create(0, CORE_ALG_AES_256);
}

static SqlCpError do_create_rsa(void)
{
    return create(0, CORE_ALG_RSA_2048);
}

static SqlCpError do_volatile(void)
{
    return create(scp_kf_Volatile, CORE_ALG_AES_128);
}

static const struct action {
    const char *name;
    SqlCpError (*run)(void);
    bool slow; /* only in the long form, and only with the `telling` values */
} actions[] = {
    {"provider", do_provider, false}, /* first: the others need an open provider */
    {"session", do_session, false},   {"wrong PIN", do_wrong_pin, false},
    {"list", do_list, false},         {"info", do_info, false},
    {"export", do_export, false},     {"wrap", do_wrap, false},
    {"unwrap", do_unwrap, false},     {"cells", do_cells, false},
    {"create", do_create, false},     {"create RSA", do_create_rsa, true},
    {"volatile", do_volatile, false},
};

/* --- the loop --- */

static void complain(const char *fault, const char *what)
{
    failures++;
    printf("FAILED %s, %s: %s\n", operation, fault, what);
}

/* Codes of the list that an injected fault may cause. */
static bool documented(SqlCpError e)
{
#define CODE(name, code, class, text, next) code,
    static const SqlCpError codes[] = {CORE_STATUS_LIST(CODE)};
#undef CODE
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == e)
            return e != scp_err_Failure && e != scp_err_NotFound && e != scp_err_ProviderError &&
                   e != scp_err_InvalidArgument;
    return false;
}

static bool works_again(const struct action *a)
{
    for (unsigned i = 0; i < 6; i++) {
        if (a->run() == scp_err_Success)
            return true;
        core_sleep_ms(100u << i);
    }
    return false;
}

/* An object whose attributes cannot be read is not counted as ours: a list omits it. */
static bool left_out(const struct action *a, SqlCpError e, unsigned long rv)
{
    core_status st = tok_rv_status(rv, TOK_CALL_OTHER);
    return (st == ST_MECHANISM || st == ST_KEY_USAGE) &&
           ((a->run == do_list && e == (SqlCpError)WRONG_RESULT) ||
            (a->run == do_info && e == scp_err_NotFound));
}

static void check(const struct action *a, const char *fault, SqlCpError e)
{
    char text[64];

    runs++;
    *(e == scp_err_Success ? &healed : &refused) += 1;
    if (proxy.violations() > 0) {
        complain(fault, "Cryptoki's rules were broken");
        printf("%s\n", proxy.log());
    }
    if (!documented(e)) {
        snprintf(text, sizeof text, e == (SqlCpError)WRONG_RESULT ? "a wrong result" : "code %d",
                 (int)e);
        complain(fault, text);
    }
    if (!works_again(a))
        complain(fault, "does not work afterwards");
    if (session != NULL && do_list() != scp_err_Success)
        complain(fault, "a key is lost or left over");
}

static void fail_calls(const struct action *a, bool brief)
{
    proxy.reset();
    SqlCpError e = a->run();
    unsigned long calls = proxy.get(NULL);

    if (e != scp_err_Success) {
        printf("code %u: ", (unsigned)e);
        complain("no fault", "fails");
        return;
    }
    for (unsigned long nth = 1; nth <= calls; nth++) {
        for (size_t i = 0; i < rv_count; i++) {
            char plan[128];
            /* The library cannot detect that C_Initialize returned
             * CKR_CRYPTOKI_ALREADY_INITIALIZED without reason. */
            bool lie = nth == 1 && a->run == do_provider && rv_list[i].value == CKR_ALREADY;
            if (((brief || a->slow) && !rv_list[i].telling) || lie)
                continue;
            snprintf(plan, sizeof plan, "call=* nth=%lu rv=%lu", nth, rv_list[i].value);
            proxy.reset();
            (void)proxy.plan(plan);
            e = a->run();
            proxy.plan("");
            snprintf(plan, sizeof plan, "call %lu gives %s", nth, rv_list[i].name);
            check(a, plan, left_out(a, e, rv_list[i].value) ? scp_err_Success : e);
        }
    }
}

static unsigned long allocation, failing;

static bool fail_one(size_t size)
{
    (void)size;
    return ++allocation != failing;
}

static void fail_allocations(const struct action *a)
{
    enum { MOST = 10000 };
    char fault[64];

    for (failing = 1; failing < MOST; failing++) {
        allocation = 0;
        proxy.reset();
        core_set_alloc_hook(fail_one);
        SqlCpError e = a->run();
        core_set_alloc_hook(NULL);
        snprintf(fault, sizeof fault, "allocation %lu fails", failing);
        if (allocation < failing) {
            if (e != scp_err_Success)
                complain("no fault", "fails");
            return;
        }
        check(a, fault, e);
    }
    complain("allocations", "they never end");
}

static void torture(const struct action *a, bool brief, const char *only)
{
    if ((only != NULL && strcmp(only, a->name) != 0) || (brief && a->slow))
        return;
    operation = a->name;
    fail_calls(a, brief);
    unsigned long calls = runs;
    fail_allocations(a);
    printf("%-10s so far %lu runs (%lu of allocations here), %lu refused, %lu healed, %lu "
           "failures\n",
           a->name, runs, runs - calls, refused, healed, failures);
}

static bool open_fixture(void)
{
    if (SqlCryptInitializeProvider() != scp_err_Success ||
        fx_open("main", getenv("PIN"), &session) != scp_err_Success ||
        fx_create(session, "torture-rsa", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_create(session, "torture-aes", CORE_ALG_AES_256, 0, aes) != scp_err_Success ||
        fx_encrypt(session, rsa, NULL, 0, plain, sizeof plain, rsa_cipher, &rsa_cipher_len) !=
            scp_err_Success)
        return false;
    SqlCpKeyId id = 0;
    while (SqlCryptGetNextKeyId(&session, &id) == scp_err_Success)
        keys++;
    return keys >= 2;
}

int main(int argc, char **argv)
{
    bool brief = argc > 1 && strcmp(argv[1], "short") == 0;
    const char *only = argc > 2 ? argv[2] : NULL;

    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    const char *config =
        fault_proxy_config("torture.conf", "drop = destroy\nserialize = no\naudit = none\n");
    if (config == NULL || setenv("P11EKM_CONF", config, 1) != 0) {
        printf("FAILED: no configuration\n");
        return 1;
    }
    torture(&actions[0], brief, only);
    if (!open_fixture()) {
        printf("FAILED: the token cannot be set up\n");
        return 1;
    }
    for (size_t i = 1; i < sizeof actions / sizeof actions[0]; i++)
        torture(&actions[i], brief, only);
    (void)SqlCryptFreeProvider();
    printf("%lu runs, %lu refused, %lu healed, %lu failures\n", runs, refused, healed, failures);
    return failures == 0 && runs > 0 ? 0 : 1;
}
