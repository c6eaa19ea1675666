/* SPDX-License-Identifier: Apache-2.0
 *
 * What another process does to a key reaches a provider that runs, within key_recheck_seconds, and
 * with one more Cryptoki call a key and period. A handle that names another key by now is never
 * used.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform.h"
#include "core/status.h"
#include "pkcs11/keys/keys_private.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/field/other.h"
#include "tests/unit/ekm_fixture.h"

enum { SIZE = 512, USAGE = 2069, EXPIRED = 2070, PERIOD_S = 10 };
#define CMK_USES (TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP)
#define RECHECK  "key_recheck_seconds = 10\nrsa_padding = oaep-sha1\nrsa_unwrap = oaep-sha1\n"

static fault_proxy proxy;
static SqlCpSession session;
static tok_context *ctx;
static tok_token *token;
static other outside;
static const char *log_path;
static uint8_t rsa[FX_THUMB], aes[FX_THUMB];
static uint8_t cached_pin[SIZE], cell[SIZE];
static size_t sealed_len, cell_len;
static const uint8_t plain[] = "a database encryption key, or so";

static SqlCpError seal(const uint8_t *thumb, uint8_t *out, size_t *length)
{
    *length = SIZE;
    return fx_encrypt(session, thumb, NULL, 0, plain, sizeof plain, out, length);
}

static SqlCpError seal_rsa(void)
{
    uint8_t out[SIZE];
    size_t length;
    return seal(rsa, out, &length);
}

static SqlCpError seal_aes(void)
{
    uint8_t out[SIZE];
    size_t length;
    return seal(aes, out, &length);
}

static SqlCpError unseal(const uint8_t *thumb, const uint8_t *in, size_t in_len)
{
    uint8_t out[SIZE] = {0};
    size_t length = sizeof out;
    SqlCpError e = fx_decrypt(session, thumb, NULL, 0, in, in_len, out, &length);
    bool right = length == sizeof plain && memcmp(out, plain, length) == 0;
    return e == scp_err_Success && !right ? scp_err_Failure : e;
}

static SqlCpError open_rsa(void)
{
    return unseal(rsa, cached_pin, sealed_len);
}

static SqlCpError open_aes(void)
{
    return unseal(aes, cell, cell_len);
}

static void begin(const char *policy)
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
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "RK", CORE_ALG_RSA_2048, 0, rsa), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_create(session, "SK", CORE_ALG_AES_256, 0, aes), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(seal(rsa, cached_pin, &sealed_len), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(seal(aes, cell, &cell_len), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(open_aes(), scp_err_Success);
    proxy.reset();
}

static bool ours(tok_key *key)
{
    const char *name = tok_key_info_of(key)->name;
    const size_t length = strlen(name);
    return length >= 2 && (strcmp(name + length - 2, "RK") == 0 ||
                           strcmp(name + length - 2, "SK") == 0 || strstr(name, "own-") != NULL);
}

/* Ends all keys of the test, whatever became of them. */
static void end(void)
{
    tok_key **keys = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (ours(keys[i]))
            CU_ASSERT_EQUAL(tok_key_destroy(keys[i], NULL), ST_OK);
    tok_key_list_free(keys, count);
    other_close(&outside);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    CU_ASSERT_EQUAL(SqlCryptFreeProvider(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.violations(), 0);
}

/* As if the period had passed since the keys were last looked at. */
static void period(void)
{
    const uint64_t by = UINT64_C(1000000) * PERIOD_S;

    core_mutex_lock(&token->lock);
    for (unsigned i = 0; i < TOK_KEY_BUCKETS; i++) {
        for (tok_key *key = token->keys[i]; key != NULL; key = key->next) {
            atomic_fetch_sub(&key->state_us, atomic_load(&key->state_us) > by ? by : 0);
            atomic_fetch_sub(&key->handles[0].proven_us,
                             atomic_load(&key->handles[0].proven_us) > by ? by : 0);
        }
    }
    core_mutex_unlock(&token->lock);
}

static CK_OBJECT_HANDLE private_key(const char *name)
{
    return other_find(&outside, CKO_PRIVATE_KEY, name);
}

static unsigned log_count(const char *wanted)
{
    size_t length = 0;
    unsigned count = 0;
    char *text = testing_read(log_path, &length);

    for (const char *at = text; at && (at = strstr(at, wanted)) != NULL; at++)
        count++;
    free(text);
    return count;
}

static void use_in_period_costs_no_call(void)
{
    size_t length = SIZE;

    begin(RECHECK);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(proxy.get(NULL), 20);
    period();
    proxy.reset();
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get(NULL), 11);
    period();
    proxy.reset();
    /* A question for a size asks nobody. */
    SqlCpKeyThumbprint t = {FX_THUMB, rsa};
    SqlCpData out = {0, NULL};
    CU_ASSERT_EQUAL(SqlCryptDecrypt(&session, &t, 1, NULL, 0,
                                    &(SqlCpData){(SqlCpUlong)sealed_len, cached_pin}, &out),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &t, 1, NULL, 0,
                                    &(SqlCpData){4, (SqlCpByte *)(uintptr_t)plain}, &out),
                    scp_err_InsufficientBuffer);
    CU_ASSERT_EQUAL(proxy.get(NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(seal(aes, cell, &length), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get(NULL), 11);
    end();
}

static void recheck_never_asks_nothing(void)
{
    begin("key_recheck_seconds = 0\n");
    period();
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(proxy.get(NULL), 2);
    end();
}

static void *open_much(void *arg)
{
    SqlCpError *e = arg;
    for (unsigned i = 0; i < 20 && *e == scp_err_Success; i++)
        *e = open_aes();
    return NULL;
}

static void threads_at_once_ask_once(void)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    SqlCpError results[THREADS] = {scp_err_Success};

    begin(RECHECK);
    period();
    proxy.reset();
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, open_much, &results[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
        CU_ASSERT_EQUAL(results[i], scp_err_Success);
    }
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    end();
}

/* As p11ekm key retire does it, in another process. */
static bool retire_outside(const char *name, const char *retired)
{
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY};
    unsigned done = 0;
    for (unsigned i = 0; i < 3; i++) {
        CK_OBJECT_HANDLE object = other_find(&outside, classes[i], name);
        done += object != 0 && other_text(&outside, object, CKA_LABEL, retired);
    }
    return done > 0;
}

static void retired_elsewhere_only_decrypts(void)
{
    fx_key info;

    begin(RECHECK);
    CU_ASSERT_TRUE(retire_outside("RK", "p11ekm-retired:2026-11-28T00:00:00Z:RK"));
    CU_ASSERT_TRUE(retire_outside("SK", "p11ekm-retired:2026-11-28T00:00:00Z:SK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(seal_aes(), USAGE);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "free name", &info), scp_err_NotFound);
    CU_ASSERT_EQUAL(log_count("free name"), 0);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "RK", &info), scp_err_NotFound);
    CU_ASSERT_EQUAL(log_count("key \"RK\" on token \"memory\" is retired since "
                              "2026-11-28T00:00:00Z; p11ekm key restore RK"),
                    1);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_THUMB, rsa, &info), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is retired and still decrypts"), 1);
    CU_ASSERT_EQUAL(log_count("\"SK\" on token \"memory\" is retired and still decrypts"), 1);
    /* Nor does a new login, after which all keys are searched again, end the decryption. */
    other_close(&outside);
    tok_token_logout(token);
    CU_ASSERT_EQUAL(SqlCryptCloseSession(&session, 0), scp_err_Success);
    CU_ASSERT_EQUAL_FATAL(fx_open("main", getenv("PIN"), &session), scp_err_Success);
    CU_ASSERT_EQUAL(tok_token_login(token, getenv("PIN"), strlen(getenv("PIN")), NULL), ST_OK);
    CU_ASSERT_TRUE_FATAL(other_open(&outside));
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(fx_info(session, FX_BY_NAME, "RK", &info), scp_err_NotFound);
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&session, &id), scp_err_NotFound);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    /* Restored, it is what it was as fast. */
    CU_ASSERT_TRUE(retire_outside("p11ekm-retired:2026-11-28T00:00:00Z:RK", "RK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    end();
}

static void disabled_elsewhere_refused_and_back(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = private_key("RK");
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_DECRYPT, false));
    /* The token refuses at once, and that makes the next use look at the key. */
    CU_ASSERT_EQUAL(open_rsa(), USAGE);
    proxy.reset();
    CU_ASSERT_EQUAL(open_rsa(), USAGE);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_DecryptInit"), 0);
    CU_ASSERT_EQUAL(seal_rsa(), USAGE);
    CU_ASSERT_EQUAL(proxy.get("C_GetAttributeValue"), 1);
    CU_ASSERT_EQUAL(proxy.get("C_EncryptInit"), 0);
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_DECRYPT, true));
    period();
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    end();
}

/* A public object can be changed without the PIN. */
static void public_object_changes_nothing(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = other_find(&outside, CKO_PUBLIC_KEY, "RK");
    CU_ASSERT_TRUE(other_text(&outside, object, CKA_END_DATE, "20200101"));
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_VERIFY, false));
    CU_ASSERT_TRUE(other_text(&outside, object, CKA_LABEL, "p11ekm-retired:x:RK"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    end();
}

static void expired_elsewhere_denies_new_uses(void)
{
    begin(RECHECK);
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, "20200101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), EXPIRED);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is in use outside its dates"), 1);
    end();
    begin(RECHECK "expiry = deny\n");
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, "20200101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), EXPIRED);
    CU_ASSERT_EQUAL(open_rsa(), EXPIRED);
    end();
    begin(RECHECK "expiry = warn\n");
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_START_DATE, "22220101"));
    period();
    CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    end();
}

static void end_in_a_month_said_once_a_day(void)
{
    char soon[16];
    uint32_t date = core_utc_date();

    begin(RECHECK);
    (void)snprintf(soon, sizeof soon, "%08u", date);
    CU_ASSERT_TRUE(other_text(&outside, private_key("RK"), CKA_END_DATE, soon));
    period();
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
        CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    }
    CU_ASSERT_EQUAL(log_count("it still decrypts"), 1);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is valid to"), 1);
    /* A listing makes new descriptions, which do not say it again. */
    SqlCpKeyId id = 0;
    CU_ASSERT_EQUAL(SqlCryptGetNextKeyId(&session, &id), scp_err_Success);
    CU_ASSERT_EQUAL(open_rsa(), scp_err_Success);
    CU_ASSERT_EQUAL(log_count("\"RK\" on token \"memory\" is valid to"), 1);
    end();
}

/* --- handles that name another key --- */

static CK_OBJECT_HANDLE make_aes(const char *name, CK_OBJECT_HANDLE handle)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG length = 32;
    CK_OBJECT_HANDLE made = 0;
    CK_ATTRIBUTE t[] = {{CKA_TOKEN, &yes, 1},
                        {CKA_ENCRYPT, &yes, 1},
                        {CKA_DECRYPT, &yes, 1},
                        {CKA_VALUE_LEN, &length, sizeof length},
                        {CKA_LABEL, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)}};

    outside.next_handle(handle);
    return outside.f->C_GenerateKey(outside.session, &m, t, 5, &made) == CKR_OK ? made : 0;
}

static void reused_handle_encrypts_nothing(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = other_find(&outside, CKO_SECRET_KEY, "SK");
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, object), CKR_OK);
    CU_ASSERT_EQUAL(make_aes("other-SK", object), object);
    period();
    CU_ASSERT_EQUAL(seal_aes(), 2081);
    CU_ASSERT_NOT_EQUAL(open_aes(), scp_err_Success);
    /* It is known to be gone now. */
    CU_ASSERT_EQUAL(seal_aes(), scp_err_NotFound);
    end();
}

/* Within the period, too: what destroys or renames searches each time. */
static void reused_handle_is_not_destroyed_or_renamed(void)
{
    tok_key *key = NULL;
    core_err err = {0};

    begin("key_recheck_seconds = 3600\n");
    CU_ASSERT_EQUAL_FATAL(tok_key_by_thumb(token, aes, &key, &err), ST_OK);
    CK_OBJECT_HANDLE object = other_find(&outside, CKO_SECRET_KEY, "SK");
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, object), CKR_OK);
    CU_ASSERT_EQUAL(make_aes("own-key", object), object);
    CU_ASSERT_EQUAL(tok_key_retire(key, &err), ST_HANDLE_LOST);
    CU_ASSERT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-key"), object);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_HANDLE_LOST);
    CU_ASSERT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-key"), object);
    tok_key_release(key);
    end();
}

/* A key that moved to another handle is found again. */
static void moved_key_found_again(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE object = other_find(&outside, CKO_SECRET_KEY, "SK");
    CK_OBJECT_HANDLE own = make_aes("own-key", object + 1000);
    CU_ASSERT_NOT_EQUAL_FATAL(own, 0);
    outside.swap_handles(object, own);
    period();
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(seal(aes, cell, &cell_len), scp_err_Success);
    outside.swap_handles(object, own);
    period();
    CU_ASSERT_EQUAL(open_aes(), scp_err_Success);
    end();
}

/* What one who has no PIN puts there: a key of the same id and name, whose value he knows. */
static CK_OBJECT_HANDLE plant_aes(const char *name, CK_OBJECT_HANDLE like, bool private)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, guarded = private ? CK_TRUE : CK_FALSE;
    CK_OBJECT_HANDLE made = 0;
    uint8_t id[64], value[32] = {0x41};
    CK_ATTRIBUTE known = {CKA_ID, id, sizeof id};

    if (outside.f->C_GetAttributeValue(outside.session, like, &known, 1) != CKR_OK)
        return 0;
    CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof class},
                        {CKA_KEY_TYPE, &type, sizeof type},
                        {CKA_TOKEN, &yes, 1},
                        {CKA_PRIVATE, &guarded, 1},
                        {CKA_ENCRYPT, &yes, 1},
                        {CKA_DECRYPT, &yes, 1},
                        {CKA_VALUE, value, sizeof value},
                        {CKA_LABEL, (void *)(uintptr_t)name, (CK_ULONG)strlen(name)},
                        {CKA_ID, id, known.ulValueLen}};
    return outside.f->C_CreateObject(outside.session, t, 9, &made) == CKR_OK ? made : 0;
}

static void planted_key_behind_handle_encrypts_nothing(void)
{
    begin(RECHECK);
    CK_OBJECT_HANDLE real = other_find(&outside, CKO_SECRET_KEY, "SK");
    CK_OBJECT_HANDLE planted = plant_aes("SK", real, false);
    CU_ASSERT_NOT_EQUAL_FATAL(planted, 0);
    outside.swap_handles(real, planted);
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, planted), CKR_OK);
    period();
    CU_ASSERT_EQUAL(seal_aes(), 2081);
    CU_ASSERT_NOT_EQUAL(seal_aes(), scp_err_Success);
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, real), CKR_OK);
    end();
}

/* Who may change attributes makes a protector look like a column master key, or the reverse. */
static void key_that_becomes_master_key_is_withheld(void)
{
    enum { POLICY = 2071 };

    begin(RECHECK);
    CK_OBJECT_HANDLE object = private_key("RK");
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_SIGN, true));
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_UNWRAP, true));
    period();
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(open_rsa(), POLICY);
        CU_ASSERT_EQUAL(seal_rsa(), POLICY);
    }
    /* What it was able to do once, it stays. */
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_SIGN, false));
    period();
    CU_ASSERT_EQUAL(open_rsa(), POLICY);
    end();
}

/* An answer the device failed to give is not one it never gives. */
static void passing_failures_hide_no_retirement(void)
{
    const char *retired = "p11ekm-retired:2026-11-28T00:00:00Z:RK";
    char text[128];

    begin(RECHECK);
    for (unsigned nth = 2; nth <= 10; nth++) {
        period();
        (void)snprintf(text, sizeof text,
                       "call=C_GetAttributeValue rv=0x5; call=C_GetAttributeValue nth=%u rv=0x5",
                       nth);
        CU_ASSERT_EQUAL_FATAL(proxy.plan(text), 0);
        (void)seal_rsa();
        proxy.plan("");
        CU_ASSERT_TRUE(retire_outside("RK", retired));
        period();
        CU_ASSERT_EQUAL(seal_rsa(), USAGE);
        CU_ASSERT_TRUE(retire_outside(retired, "RK"));
        period();
        CU_ASSERT_EQUAL(seal_rsa(), scp_err_Success);
    }
    end();
}

/* --- what is retired or destroyed is the object that was named --- */

static tok_key *listed_as(const char *name)
{
    tok_key **keys = NULL;
    tok_key *found = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(tok_key_list(token, &keys, &count, NULL), ST_OK);
    for (size_t i = 0; i < count; i++)
        if (found == NULL && strcmp(tok_key_info_of(keys[i])->name, name) == 0)
            found = tok_key_ref(keys[i]);
    tok_key_list_free(keys, count);
    return found;
}

static void twins_end_one_at_a_time(void)
{
    core_err err = {0};

    begin(RECHECK);
    CK_OBJECT_HANDLE like = other_find(&outside, CKO_SECRET_KEY, "SK");
    CU_ASSERT_NOT_EQUAL_FATAL(plant_aes("own-a", like, true), 0);
    CU_ASSERT_NOT_EQUAL_FATAL(plant_aes("own-b", like, true), 0);
    tok_key *key = listed_as("own-b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(tok_key_retire(key, &err), ST_OK);
    CU_ASSERT_NOT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-a"), 0);
    CU_ASSERT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-b"), 0);
    tok_key_release(key);
    key = listed_as("own-a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    CU_ASSERT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-a"), 0);
    tok_key_release(key);
    /* Of two that bear one name it is not known which is meant. */
    CU_ASSERT_NOT_EQUAL_FATAL(plant_aes("own-c", like, true), 0);
    CK_OBJECT_HANDLE second = plant_aes("own-c", like, true);
    CU_ASSERT_NOT_EQUAL_FATAL(second, 0);
    key = listed_as("own-c");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_KEY_AMBIGUOUS);
    CU_ASSERT_EQUAL(tok_key_retire(key, &err), ST_KEY_AMBIGUOUS);
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, second), CKR_OK);
    tok_key_release(key);
    end();
}

/* A label that was not told once does not keep the key from its end. */
static void key_listed_without_name_is_destroyed(void)
{
    core_err err = {0};

    begin(RECHECK);
    CK_OBJECT_HANDLE like = other_find(&outside, CKO_SECRET_KEY, "SK");
    CK_OBJECT_HANDLE object = plant_aes("", like, true);
    CU_ASSERT_NOT_EQUAL_FATAL(object, 0);
    tok_key *key = listed_as("");
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_TRUE(other_text(&outside, object, CKA_LABEL, "own-named"));
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    CU_ASSERT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "own-named"), 0);
    CU_ASSERT_NOT_EQUAL(other_find(&outside, CKO_SECRET_KEY, "SK"), 0);
    tok_key_release(key);
    end();
}

/* Anybody can put a public object there that refuses to go. */
static void key_is_destroyed_whatever_its_public_object_does(void)
{
    tok_key *key = NULL;
    core_err err = {0};

    begin(RECHECK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_thumb(token, rsa, &key, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(proxy.plan("call=C_DestroyObject nth=2 rv=0x1b"), 0);
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    proxy.plan("");
    CU_ASSERT_EQUAL(private_key("RK"), 0);
    CU_ASSERT_EQUAL(log_count("its public object was not destroyed"), 1);
    tok_key_release(key);
    CK_OBJECT_HANDLE left = other_find(&outside, CKO_PUBLIC_KEY, "RK");
    CU_ASSERT_EQUAL(outside.f->C_DestroyObject(outside.session, left), CKR_OK);
    end();
}

/* --- signing and wrapping search each time --- */

static void retired_master_key_signs_and_wraps_no_more(void)
{
    const tok_key_spec spec = {"own-cmk", CORE_ALG_RSA_2048, CMK_USES, true, false};
    tok_key *key = NULL;
    uint8_t out[SIZE];
    size_t length = sizeof out;
    core_err err = {0};

    begin("key_recheck_seconds = 3600\n");
    CU_ASSERT_EQUAL_FATAL(tok_key_create(token, &spec, &key, &err), ST_OK);
    CU_ASSERT_EQUAL(tok_rsa_sign(key, plain, sizeof plain, out, &length, &err), ST_OK);
    length = sizeof out;
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, out, &length, &err), ST_OK);
    CU_ASSERT_TRUE(retire_outside("own-cmk", "p11ekm-retired:2026-11-28T00:00:00Z:own-cmk"));
    length = sizeof out;
    CU_ASSERT_EQUAL(tok_rsa_sign(key, plain, sizeof plain, out, &length, &err), ST_KEY_USAGE);
    length = sizeof out;
    CU_ASSERT_EQUAL(tok_wrap_new(key, 32, out, &length, &err), ST_KEY_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is retired"));
    tok_key_release(key);
    end();
}

/* --- sizes --- */

static void longest_plaintext_decrypts_again(void)
{
    enum { MOST = 1 << 20, ROOM = MOST + 64 };
    static uint8_t in[ROOM], sealed_big[ROOM], out[ROOM];
    SqlCpKeyThumbprint t = {FX_THUMB, aes};
    const size_t sizes[] = {MOST - 17, MOST - 16, MOST - 15, MOST - 1, MOST};

    begin(RECHECK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(in, (int)i + 1, sizes[i]);
        SqlCpData cipher = {ROOM, sealed_big}, clear = {ROOM, out};
        CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &t, 1, NULL, 0,
                                        &(SqlCpData){(SqlCpUlong)sizes[i], in}, &cipher),
                        scp_err_Success);
        CU_ASSERT_EQUAL(SqlCryptDecrypt(&session, &t, 1, NULL, 0, &cipher, &clear),
                        scp_err_Success);
        CU_ASSERT_TRUE(clear.cb == sizes[i] && memcmp(in, out, clear.cb) == 0);
    }
    SqlCpData cipher = {ROOM, sealed_big};
    CU_ASSERT_EQUAL(SqlCryptEncrypt(&session, &t, 1, NULL, 0, &(SqlCpData){MOST + 1, in}, &cipher),
                    scp_err_InvalidArgument);
    end();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"use_in_period_costs_no_call", use_in_period_costs_no_call},
        {"recheck_never_asks_nothing", recheck_never_asks_nothing},
        {"threads_at_once_ask_once", threads_at_once_ask_once},
        {"retired_elsewhere_only_decrypts", retired_elsewhere_only_decrypts},
        {"disabled_elsewhere_refused_and_back", disabled_elsewhere_refused_and_back},
        {"public_object_changes_nothing", public_object_changes_nothing},
        {"expired_elsewhere_denies_new_uses", expired_elsewhere_denies_new_uses},
        {"end_in_a_month_said_once_a_day", end_in_a_month_said_once_a_day},
        {"reused_handle_encrypts_nothing", reused_handle_encrypts_nothing},
        {"reused_handle_is_not_destroyed_or_renamed", reused_handle_is_not_destroyed_or_renamed},
        {"moved_key_found_again", moved_key_found_again},
        {"planted_key_behind_handle_encrypts_nothing", planted_key_behind_handle_encrypts_nothing},
        {"key_that_becomes_master_key_is_withheld", key_that_becomes_master_key_is_withheld},
        {"passing_failures_hide_no_retirement", passing_failures_hide_no_retirement},
        {"twins_end_one_at_a_time", twins_end_one_at_a_time},
        {"key_listed_without_name_is_destroyed", key_listed_without_name_is_destroyed},
        {"key_is_destroyed_whatever_its_public_object_does",
         key_is_destroyed_whatever_its_public_object_does},
        {"retired_master_key_signs_and_wraps_no_more", retired_master_key_signs_and_wraps_no_more},
        {"longest_plaintext_decrypts_again", longest_plaintext_decrypts_again},
        {NULL, NULL}};
    static const test_suite suite = {.name = "recheck", .cases = cases};
    const test_suite *suites[] = {&suite};

    if (!fault_proxy_load(&proxy)) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    return testing_main(argc, argv, suites, 1);
}
