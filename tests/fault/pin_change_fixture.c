/* SPDX-License-Identifier: Apache-2.0
 *
 * See pin_change.h.
 */
#include "tests/fault/pin_change.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "core/platform.h"
#include "raw.h"
#include "tests/fault/another.h"

enum { THREADS = 4 };

fault_proxy proxy;
char pin[16];
bool rekeys;

void change_token_pin(const char *to)
{
    CU_ASSERT_FATAL(another_does("setpin", pin, to));
    snprintf(pin, sizeof pin, "%s", to);
}

void change_pin_in_process(const char *to)
{
    raw_token other;

    CU_ASSERT_FATAL(raw_open(&other));
    CU_ASSERT_EQUAL(other.f->C_SetPIN(other.session, (CK_BYTE *)pin, strlen(pin),
                                      (CK_BYTE *)(uintptr_t)to, strlen(to)),
                    CKR_OK);
    CU_ASSERT_EQUAL(other.f->C_CloseSession(other.session), CKR_OK);
    snprintf(pin, sizeof pin, "%s", to);
}

/* --- a context with one user, one key, and threads that decrypt --- */

tok_context *ctx;
tok_token *token;
static tok_key *rsa;
static uint8_t cipher[512];
static size_t cipher_len;
static pthread_t threads[THREADS];
static atomic_bool over;
atomic_uint good, failed;
static atomic_uint rounds[THREADS];

core_status pin_change_login(const char *with)
{
    core_err err = {0};
    core_status st = tok_token_login(token, with, strlen(with), &err);
    CU_ASSERT(st == ST_OK || strstr(err.text, with) == NULL);
    return st;
}

bool pin_change_begin(const char *more)
{
    tok_key_spec spec = {"pin change", CORE_ALG_RSA_2048, TOK_CAN_DECRYPT, true, false};
    core_err err = {0};

    proxy.plan("");
    cipher_len = sizeof cipher;
    bool open = tok_context_open(fault_proxy_config("pin.conf", more), &ctx, &err) == ST_OK &&
                tok_token_find(ctx, "main", &token, &err) == ST_OK &&
                tok_token_login(token, pin, strlen(pin), &err) == ST_OK &&
                tok_key_create(token, &spec, &rsa, &err) == ST_OK &&
                tok_encrypt(rsa, NULL, 0, plain, sizeof plain, cipher, &cipher_len, &err) == ST_OK;
    if (!open)
        fprintf(stderr, "%s\n", err.text);
    proxy.reset();
    return open;
}

void pin_change_end(unsigned more)
{
    CU_ASSERT_EQUAL(tok_key_destroy(rsa, NULL), ST_OK);
    tok_key_release(rsa);
    for (unsigned i = 0; i <= more; i++)
        tok_token_logout(token);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
    tok_token_release(token);
    tok_context_close(ctx);
}

core_status pin_change_decrypt(core_err *err)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(rsa, NULL, 0, cipher, cipher_len, out, &out_len, err);
    bool right = out_len == sizeof plain && memcmp(out, plain, sizeof plain) == 0;
    return st == ST_OK && !right ? ST_FAILURE : st;
}

static void *work(void *arg)
{
    atomic_uint *round = arg;
    for (; !atomic_load(&over); atomic_fetch_add(round, 1)) {
        core_err err = {0};
        if (pin_change_decrypt(&err) == ST_OK)
            atomic_fetch_add(&good, 1);
        else if (atomic_fetch_add(&failed, 1) < 5)
            fprintf(stderr, "failed: %s\n", err.text);
    }
    return NULL;
}

void load_start(void)
{
    atomic_store(&over, false);
    atomic_store(&good, 0);
    atomic_store(&failed, 0);
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &rounds[i]), 0);
    core_sleep_ms(LOAD_MS);
}

/* Waits until every thread has ended its current operation and a further one, which ran entirely in
 * the new state. */
static void wait_two_rounds(void)
{
    for (size_t i = 0; i < THREADS; i++) {
        unsigned seen = atomic_load(&rounds[i]);
        while (atomic_load(&rounds[i]) - seen < 2)
            core_sleep_ms(1);
    }
}

void load_skip_failures(void)
{
    wait_two_rounds();
    if (rekeys)
        printf("[%u failed before] ", atomic_exchange(&failed, 0));
}

void load_stop(unsigned before)
{
    core_sleep_ms(LOAD_MS);
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("[%u operations, %u failed, %lu C_Login] ", atomic_load(&good), atomic_load(&failed),
           proxy.get("C_Login"));
    CU_ASSERT(before > 0);
    CU_ASSERT(atomic_load(&good) > before);
    CU_ASSERT_EQUAL(atomic_load(&failed), 0);
}
