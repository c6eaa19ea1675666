/* SPDX-License-Identifier: Apache-2.0
 *
 * Object handles that denote another key by now (test_recheck.c), and operations that search the
 * key each time: destroying, renaming, signing and wrapping.
 */
#include <stdio.h>
#include <string.h>
#include "tests/field/recheck_fixture.h"

/* --- handles that denote another key --- */

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
    /* The key is known to be lost now. */
    CU_ASSERT_EQUAL(seal_aes(), scp_err_NotFound);
    end();
}

/* Within the period, too: destroying and renaming search each time. */
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

/* The attack of a user without a PIN: a key with the same id and name and a known value. */
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

static void planted_key_under_handle_encrypts_nothing(void)
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

/* A user who may change attributes makes a protector look like a column master key, or the
 * reverse. */
static void key_turned_into_master_key_is_refused(void)
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
    /* A key that once had both uses stays refused. */
    CU_ASSERT_TRUE(other_flag(&outside, object, CKA_SIGN, false));
    period();
    CU_ASSERT_EQUAL(open_rsa(), POLICY);
    end();
}

/* A failed query is not taken for "not supported" on later rechecks. */
static void transient_failures_hide_no_retirement(void)
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

/* --- the named object, and no other, is retired or destroyed --- */

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

static void twins_destroyed_one_at_a_time(void)
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
    /* Two keys with one name: it is unknown which of them is meant. */
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

/* A key whose label could not be read when it was listed can still be destroyed. */
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

/* Anybody can plant a public object that cannot be destroyed. */
static void public_object_stays_key_is_destroyed(void)
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

/* --- signing and wrapping search the key each time --- */

static void retired_master_key_does_not_sign_or_wrap(void)
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

const test_case recheck_handle_cases[] = {
    {"reused_handle_encrypts_nothing", reused_handle_encrypts_nothing},
    {"reused_handle_is_not_destroyed_or_renamed", reused_handle_is_not_destroyed_or_renamed},
    {"moved_key_found_again", moved_key_found_again},
    {"planted_key_under_handle_encrypts_nothing", planted_key_under_handle_encrypts_nothing},
    {"key_turned_into_master_key_is_refused", key_turned_into_master_key_is_refused},
    {"transient_failures_hide_no_retirement", transient_failures_hide_no_retirement},
    {"twins_destroyed_one_at_a_time", twins_destroyed_one_at_a_time},
    {"key_listed_without_name_is_destroyed", key_listed_without_name_is_destroyed},
    {"public_object_stays_key_is_destroyed", public_object_stays_key_is_destroyed},
    {"retired_master_key_does_not_sign_or_wrap", retired_master_key_does_not_sign_or_wrap},
    {"longest_plaintext_decrypts_again", longest_plaintext_decrypts_again},
    {NULL, NULL}};
