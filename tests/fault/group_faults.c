/* SPDX-License-Identifier: Apache-2.0
 *
 * Fails one Cryptoki call after the other in a group, with one return value after the other. A
 * device failure is covered by the other token, any other code is the result; the next operation
 * works, and the rules of Cryptoki are kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/group.h"
#include "tests/fault/rv_list.h"

static grp_fixture w;
static fault_proxy proxy;

static core_status do_decrypt(core_err *err)
{
    return grp_decrypt(&w, err);
}

static core_status do_encrypt(core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    return tok_encrypt(w.rsa, NULL, 0, (const uint8_t *)"x", 1, out, &out_len, err);
}

static core_status do_sign(core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    return tok_rsa_sign(w.rsa, (const uint8_t *)"x", 1, out, &out_len, err);
}

static core_status do_find(core_err *err)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(w.group, "shared", &key, err);
    tok_key_release(key);
    return st;
}

static core_status do_list(core_err *err)
{
    tok_key **keys = NULL;
    size_t count = 0;
    core_status st = tok_key_list(w.group, &keys, &count, err);
    tok_key_list_free(keys, count);
    return st == ST_OK && count != 1 ? ST_FAILURE : st;
}

static core_status do_login(core_err *err)
{
    core_status st = grp_login(w.group, getenv("PIN"), err);
    if (st == ST_OK)
        tok_token_logout(w.group);
    return st;
}

static const struct {
    const char *name;
    core_status (*run)(core_err *err);
} operations[] = {
    {"decrypt", do_decrypt}, {"encrypt", do_encrypt}, {"sign", do_sign},
    {"find", do_find},       {"list", do_list},       {"login", do_login},
};

/* One operation with one failing call. */
static void fail_once(size_t op, unsigned long nth, const rv_entry *rv, unsigned *covered)
{
    char plan[80];
    core_err err = {0};

    snprintf(plan, sizeof plan, "call=* nth=%lu rv=0x%lx", nth, rv->value);
    CU_ASSERT_EQUAL_FATAL(proxy.plan(plan), 0);
    core_status st = operations[op].run(&err);
    CU_ASSERT_EQUAL(proxy.plan(""), 0);
    bool away = core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
    if (away || st == ST_FAILURE || st == ST_NOT_FOUND) {
        printf("%s, call %lu, %s: %s\n", operations[op].name, nth, rv->name, err.text);
        CU_FAIL("one call that fails is no outage of a group");
    }
    err = (core_err){0};
    st = operations[op].run(&err);
    CU_ASSERT_EQUAL(st, ST_OK);
    if (st != ST_OK)
        printf("after %s, call %lu, %s: %s\n", operations[op].name, nth, rv->name, err.text);
    if (!grp_served_by(&w, "pair-0")) {
        (*covered)++;
        CU_ASSERT(grp_until(&w, "pair-0", GRP_BACK_MS) >= 0);
    }
}

static void failing_call_covered_or_reported(void)
{
    unsigned runs = 0;
    unsigned covered = 0;

    if (!fault_proxy_load(&proxy))
        TEST_SKIP("no fault proxy: run it by with-token --count");
    CU_ASSERT_FATAL(grp_open_with(&w, "module_loader = direct\n", ""));
    for (size_t op = 0; op < sizeof operations / sizeof operations[0]; op++) {
        proxy.reset();
        CU_ASSERT_EQUAL(operations[op].run(NULL), ST_OK);
        unsigned long calls = proxy.get(NULL);
        for (unsigned long nth = 1; nth <= calls; nth++)
            for (size_t r = 0; r < sizeof rv_list / sizeof rv_list[0]; r++)
                if (rv_list[r].telling) {
                    fail_once(op, nth, &rv_list[r], &covered);
                    runs++;
                }
    }
    printf("[%u runs, %u times the other token served] ", runs, covered);
    CU_ASSERT(runs > 100);
    CU_ASSERT(covered > 0);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
    if (proxy.violations() > 0)
        printf("%s\n", proxy.log());
    grp_close(&w);
}

static const test_case faults_cases[] = {
    {"failing_call_covered_or_reported", failing_call_covered_or_reported},
    {NULL, NULL},
};
const test_suite suite_faults = {.name = "faults", .cases = faults_cases};
