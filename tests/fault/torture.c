/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture test: for every operation of the token layer, makes each PKCS#11 call of it fail once
 * with each return value of rv_list.h. Each time, the operation must return (no crash, no hang),
 * obey the rules of PKCS#11, lose no key, leave no new key behind, and succeed when it is repeated.
 * Run it under with-token --count. `torture short` uses only the `telling` values of that list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key.h"
#include "tests/fault/fault_proxy.h"
#include "tests/fault/rv_list.h"
#include "testing.h"

static fault_proxy proxy;

typedef struct fixture {
    char config[512];
    tok_context *ctx;
    tok_token *token;
    tok_key *rsa;
    tok_key *aes;
    uint8_t rsa_thumb[TOK_THUMB_LEN];
    uint8_t cipher[512];
    size_t cipher_len;
    uint8_t wrapped[512];
    size_t wrapped_len;
    size_t keys; /* number on the token at the start */
} fixture;

static const uint8_t plain[] = "a database encryption key, or so";
enum { CKR_ALREADY = 0x191 };
enum { CMK = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP };

/* --- the operations: each leaves the fixture as it was --- */

/* Opens a context (loads and initializes the module), finds the token, logs in and out. */
static core_status do_start(fixture *w)
{
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    const char *pin = getenv("PIN");

    core_status st = tok_context_open(w->config, &ctx, NULL);
    if (st != ST_OK)
        return st;
    st = tok_token_find(ctx, "main", &token, NULL);
    if (st == ST_OK) {
        st = tok_token_login(token, pin, strlen(pin), NULL);
        if (st == ST_OK)
            tok_token_logout(token);
    }
    tok_token_release(token);
    tok_context_close(ctx);
    return st;
}

static core_status do_list(fixture *w)
{
    tok_key **keys = NULL;
    size_t count = 0;
    core_status st = tok_key_list(w->token, &keys, &count, NULL);
    tok_key_list_free(keys, count);
    return st;
}

static core_status do_name(fixture *w)
{
    tok_key *key = NULL;
    core_status st = tok_key_by_name(w->token, "torture-rsa", &key, NULL);
    tok_key_release(key);
    return st;
}

static core_status do_encrypt(fixture *w)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    return tok_encrypt(w->rsa, NULL, 0, plain, sizeof plain, out, &out_len, NULL);
}

static core_status do_decrypt(fixture *w)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    core_status st = tok_decrypt(w->rsa, NULL, 0, w->cipher, w->cipher_len, out, &out_len, NULL);
    if (st == ST_OK && (out_len != sizeof plain || memcmp(out, plain, sizeof plain) != 0))
        return ST_FAILURE;
    return st;
}

static core_status do_aes(fixture *w)
{
    static const uint8_t iv[16] = {1};
    uint8_t cipher[64];
    uint8_t back[64];
    size_t cipher_len = sizeof cipher;
    size_t back_len = sizeof back;
    core_status st = tok_encrypt(w->aes, iv, 16, plain, sizeof plain, cipher, &cipher_len, NULL);
    if (st == ST_OK)
        st = tok_decrypt(w->aes, iv, 16, cipher, cipher_len, back, &back_len, NULL);
    if (st == ST_OK && (back_len != sizeof plain || memcmp(back, plain, sizeof plain) != 0))
        return ST_FAILURE;
    return st;
}

static core_status do_sign(fixture *w)
{
    uint8_t sig[512];
    size_t sig_len = sizeof sig;
    return tok_rsa_sign(w->rsa, plain, sizeof plain, sig, &sig_len, NULL);
}

static core_status do_wrap(fixture *w)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    return tok_wrap_new(w->rsa, 32, out, &out_len, NULL);
}

static core_status do_rewrap(fixture *w)
{
    uint8_t out[512];
    size_t out_len = sizeof out;
    return tok_rewrap(w->rsa, w->rsa, w->wrapped, w->wrapped_len, 32, out, &out_len, NULL);
}

static core_status do_create(fixture *w)
{
    tok_key_spec spec = {"torture-new", CORE_ALG_AES_256, 0, true, false};
    tok_key *key = NULL;
    core_status st = tok_key_create(w->token, &spec, &key, NULL);
    if (st == ST_OK)
        st = tok_key_destroy(key, NULL);
    /* The key was created, but tok_key_destroy failed: destroy it without faults, so that
     * keys_complete does not report it as left over. */
    if (st != ST_OK && key != NULL) {
        proxy.plan("");
        if (tok_key_destroy(key, NULL) != ST_OK)
            st = ST_OK; /* it was destroyed; only the result was lost */
    }
    tok_key_release(key);
    return st;
}

static core_status do_volatile(fixture *w)
{
    tok_key_spec spec = {"torture-volatile", CORE_ALG_AES_256, 0, false, false};
    tok_key *key = NULL;
    core_status st = tok_key_create(w->token, &spec, &key, NULL);
    tok_key_release(key);
    return st;
}

static tok_key *find_thumb(fixture *w, const uint8_t thumb[TOK_THUMB_LEN])
{
    tok_key **keys = NULL;
    size_t count = 0;
    tok_key *found = NULL;

    if (tok_key_list(w->token, &keys, &count, NULL) != ST_OK)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (found == NULL && memcmp(tok_key_info_of(keys[i])->thumb, thumb, TOK_THUMB_LEN) == 0)
            found = tok_key_ref(keys[i]);
    tok_key_list_free(keys, count);
    return found;
}

static core_status do_retire(fixture *w)
{
    uint8_t thumb[TOK_THUMB_LEN];
    memcpy(thumb, tok_key_info_of(w->aes)->thumb, sizeof thumb);

    core_status st = tok_key_retire(w->aes, NULL);
    proxy.plan("");
    tok_key *now = find_thumb(w, thumb);
    if (now == NULL)
        return ST_FAILURE; /* lost */
    if (tok_key_info_of(now)->retired && tok_key_restore(now, NULL) != ST_OK)
        st = ST_FAILURE;
    tok_key_release(now);
    now = find_thumb(w, thumb);
    if (now != NULL) {
        tok_key_release(w->aes);
        w->aes = now;
    }
    return st;
}

static const struct operation {
    const char *name;
    core_status (*run)(fixture *w);
} operations[] = {
    /* main() runs "start" first, before it opens the fixture, which all others need. */
    {"start", do_start},     {"list", do_list},         {"by name", do_name},
    {"encrypt", do_encrypt}, {"decrypt", do_decrypt},   {"AES", do_aes},
    {"sign", do_sign},       {"wrap", do_wrap},         {"rewrap", do_rewrap},
    {"create", do_create},   {"volatile", do_volatile}, {"retire", do_retire},
};

/* --- the loop --- */

typedef struct tally {
    unsigned long runs, refused, healed, failures;
} tally;

static void complain(tally *t, const char *operation, unsigned long nth, const char *rv,
                     const char *what)
{
    t->failures++;
    printf("FAILED %s, call %lu gives %s: %s\n", operation, nth, rv, what);
}

/* After a fault the same operation succeeds, at once or after the back-off that the fault began. */
static bool works_again(const struct operation *op, fixture *w)
{
    for (unsigned i = 0; i < 6; i++) {
        core_status st = op->run(w);
        if (st == ST_OK)
            return true;
        core_sleep_ms(100u << i);
    }
    return false;
}

static bool keys_complete(fixture *w)
{
    if (w->ctx == NULL)
        return true;
    tok_key **keys = NULL;
    size_t count = 0;
    bool good = tok_key_list(w->token, &keys, &count, NULL) == ST_OK && count == w->keys;
    tok_key_list_free(keys, count);
    return good;
}

static void fault_once(const struct operation *op, fixture *w, unsigned long nth,
                       const rv_entry *rv, tally *t)
{
    char plan[128];

    snprintf(plan, sizeof plan, "call=* nth=%lu rv=%lu", nth, rv->value);
    proxy.reset();
    if (proxy.plan(plan) != 0) {
        complain(t, op->name, nth, rv->name, "the plan is not understood");
        return;
    }
    core_status st = op->run(w);
    proxy.plan("");
    t->runs++;
    *(st == ST_OK ? &t->healed : &t->refused) += 1;
    if (proxy.violations() > 0) {
        complain(t, op->name, nth, rv->name, "Cryptoki's rules were broken");
        printf("%s\n", proxy.log());
    }
    if (st == ST_FAILURE)
        complain(t, op->name, nth, rv->name, "a wrong result");
    if (!works_again(op, w))
        complain(t, op->name, nth, rv->name, "does not work afterwards");
    if (!keys_complete(w))
        complain(t, op->name, nth, rv->name, "a key is lost or left over");
}

static void torture(const struct operation *op, fixture *w, bool brief, tally *t)
{
    proxy.reset();
    core_status st = op->run(w);
    unsigned long calls = proxy.get(NULL);
    if (st == ST_MECHANISM) {
        printf("SKIPPED %s: the token cannot do it\n", op->name);
        return;
    }
    if (st != ST_OK) {
        complain(t, op->name, 0, "nothing", core_status_name(st));
        return;
    }
    for (unsigned long nth = 1; nth <= calls; nth++) {
        for (size_t i = 0; i < rv_count; i++) {
            /* The library cannot detect that C_Initialize returned
             * CKR_CRYPTOKI_ALREADY_INITIALIZED without reason. */
            bool lie = nth == 1 && op->run == do_start && rv_list[i].value == CKR_ALREADY;
            if ((!brief || rv_list[i].telling) && !lie)
                fault_once(op, w, nth, &rv_list[i], t);
        }
    }
    printf("%-10s %3lu calls, so far %lu runs, %lu refused, %lu healed, %lu failures\n", op->name,
           calls, t->runs, t->refused, t->healed, t->failures);
}

static tok_key *make(fixture *w, const char *name, core_algorithm algorithm, unsigned can)
{
    tok_key_spec spec = {name, algorithm, can, true, false};
    tok_key *key = NULL;
    core_err err = {0};
    if (tok_key_create(w->token, &spec, &key, &err) != ST_OK)
        printf("%s\n", err.text);
    return key;
}

static bool open_fixture(fixture *w)
{
    const char *pin = getenv("PIN");
    tok_key **keys = NULL;

    if (tok_context_open(w->config, &w->ctx, NULL) != ST_OK ||
        tok_token_find(w->ctx, "main", &w->token, NULL) != ST_OK ||
        tok_token_login(w->token, pin, strlen(pin), NULL) != ST_OK)
        return false;
    w->rsa = make(w, "torture-rsa", CORE_ALG_RSA_2048, CMK);
    w->aes = make(w, "torture-aes", CORE_ALG_AES_256, 0);
    w->cipher_len = sizeof w->cipher;
    w->wrapped_len = sizeof w->wrapped;
    if (w->rsa == NULL || w->aes == NULL ||
        tok_encrypt(w->rsa, NULL, 0, plain, sizeof plain, w->cipher, &w->cipher_len, NULL) !=
            ST_OK ||
        tok_key_list(w->token, &keys, &w->keys, NULL) != ST_OK)
        return false;
    tok_key_list_free(keys, w->keys);
    if (tok_wrap_new(w->rsa, 32, w->wrapped, &w->wrapped_len, NULL) != ST_OK)
        w->wrapped_len = 0;
    return true;
}

int main(int argc, char **argv)
{
    static fixture w;
    tally t = {0};
    bool brief = argc > 1 && strcmp(argv[1], "short") == 0;
    const char *only = argc > 2 ? argv[2] : NULL;

    if (getenv("MODULE") == NULL || !fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    const char *config = fault_proxy_config("torture.conf", "serialize = no");
    if (config == NULL) {
        printf("FAILED: no configuration\n");
        return 1;
    }
    snprintf(w.config, sizeof w.config, "%s", config);
    if (only == NULL || strcmp(only, "start") == 0)
        torture(&operations[0], &w, brief, &t);
    if (!open_fixture(&w)) {
        printf("FAILED: the token cannot be set up\n");
        return 1;
    }
    for (size_t i = 1; i < sizeof operations / sizeof operations[0]; i++)
        if (only == NULL || strcmp(only, operations[i].name) == 0)
            torture(&operations[i], &w, brief, &t);
    tok_key_release(w.rsa);
    tok_key_release(w.aes);
    tok_token_logout(w.token);
    tok_token_release(w.token);
    tok_context_close(w.ctx);
    printf("%lu runs, %lu refused, %lu healed, %lu failures\n", t.runs, t.refused, t.healed,
           t.failures);
    return t.failures == 0 && t.runs > 0 ? 0 : 1;
}
