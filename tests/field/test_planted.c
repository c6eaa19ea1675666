/* SPDX-License-Identifier: Apache-2.0
 *
 * Planted objects on real tokens: a process without the PIN plants public objects, then another one
 * encrypts and wraps with the key that they imitate.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/crypto.h"
#include "tests/tokens/raw.h"
#include "tests/tokens/token_conf.h"
#include "pkcs11/key.h"
#include "testing.h"

enum { BLOCK = 256 };

/* Shared by the processes: the victim's modulus, and how many objects could be planted. */
typedef struct shared {
    uint8_t modulus[BLOCK];
    bool made;
    unsigned planted;
} shared;
static shared *common;

static CK_OBJECT_CLASS class_public = CKO_PUBLIC_KEY;
static CK_KEY_TYPE type_rsa = CKK_RSA;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void make_victim(void)
{
    raw_token raw;
    CK_OBJECT_HANDLE public, private;
    CK_ATTRIBUTE modulus = {CKA_MODULUS, common->modulus, BLOCK};

    if (!raw_open(&raw))
        return;
    common->made = raw_generate_rsa(&raw, "victim", BLOCK * 8, true, &public, &private) == CKR_OK &&
                   raw.f->C_GetAttributeValue(raw.session, public, &modulus, 1) == CKR_OK;
    raw_close(&raw, true);
}

/* An initialised module and a session with the token without a login. */
static bool open_without_pin(CK_FUNCTION_LIST **f, CK_SESSION_HANDLE *session)
{
    void *library = dlopen(getenv("MODULE"), RTLD_NOW);
    CK_C_INITIALIZE_ARGS args[2] = {{.flags = CKF_OS_LOCKING_OK, .pReserved = getenv("INIT_ARGS")}};
    CK_C_GetFunctionList get;
    CK_SLOT_ID slots[16];
    CK_ULONG count = 16;

    if (library == NULL)
        return false;
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    if (args[0].pReserved != NULL && *(char *)args[0].pReserved == '\0')
        args[0].pReserved = NULL;
    if (get(f) != CKR_OK || (*f)->C_Initialize(args) != CKR_OK ||
        (*f)->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
        return false;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        const char *label = getenv("TOKEN");
        if ((*f)->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            strncmp((const char *)info.label, label, strlen(label)) == 0)
            return (*f)->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                       session) == CKR_OK;
    }
    return false;
}

static void plant(void)
{
    static const uint8_t exponents[][3] = {{1}, {3}, {1, 0, 1}};
    static const CK_ULONG lengths[] = {1, 1, 3};
    CK_FUNCTION_LIST *f = NULL;
    CK_SESSION_HANDLE session;
    uint8_t own[BLOCK];
    char label[] = "victim";

    if (!open_without_pin(&f, &session))
        return;
    memset(own, 0xc5, sizeof own);
    for (unsigned i = 0; i < 20; i++) {
        const bool like = i % 3 != 2;
        CK_OBJECT_HANDLE object;
        own[1] = (uint8_t)i;
        CK_ATTRIBUTE t[] = {
            {CKA_CLASS, &class_public, sizeof class_public},
            {CKA_KEY_TYPE, &type_rsa, sizeof type_rsa},
            {CKA_TOKEN, &yes, sizeof yes},
            {CKA_PRIVATE, &no, sizeof no},
            {CKA_ENCRYPT, &yes, sizeof yes},
            {CKA_WRAP, &yes, sizeof yes},
            {CKA_LABEL, label, sizeof label - 1},
            {CKA_MODULUS, like ? common->modulus : own, BLOCK},
            {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponents[i % 3], lengths[i % 3]},
        };
        common->planted += f->C_CreateObject(session, t, sizeof t / sizeof t[0], &object) == CKR_OK;
    }
    (void)f->C_Finalize(NULL);
}

static void in_child(void (*act)(void))
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        act();
        _exit(0);
    }
    CU_ASSERT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* The ciphertext of exponent 1 is the padded block itself. */
static bool anybody_reads(const uint8_t *cipher)
{
    static const char *const hashes[] = {"SHA1", "SHA256"};
    bool reads = false;

    for (size_t i = 0; i < 2; i++) {
        uint8_t block[BLOCK], out[BLOCK];
        size_t out_len = sizeof out;
        memcpy(block, cipher, sizeof block);
        reads |= core_oaep_open(hashes[i], block, BLOCK, BLOCK, out, &out_len) == ST_OK;
    }
    return reads;
}

static void planted_objects_are_not_used(void)
{
    static const char secret[] = "DATABASE ENCRYPTION KEY 32 bytes";
    uint8_t cipher[BLOCK], back[BLOCK], wrapped[BLOCK];
    size_t cipher_len = BLOCK, back_len = BLOCK, wrapped_len = BLOCK;
    const char *pin = getenv("PIN");
    core_err err = {0};
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    tok_key *key = NULL;

    in_child(make_victim);
    CU_ASSERT_TRUE_FATAL(common->made);
    in_child(plant);
    printf("planted %u ... ", common->planted);
    if (common->planted == 0)
        TEST_SKIP("this token takes no public objects without a PIN");
    CU_ASSERT_TRUE_FATAL(token_conf_make(""));
    CU_ASSERT_EQUAL_FATAL(tok_context_open(token_conf_path(), &ctx, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_find(ctx, "test", &token, &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_token_login(token, pin, strlen(pin), &err), ST_OK);
    CU_ASSERT_EQUAL_FATAL(tok_key_by_name(token, "victim", &key, &err), ST_OK);
    CU_ASSERT_EQUAL(
        tok_encrypt(key, NULL, 0, (const uint8_t *)secret, 32, cipher, &cipher_len, &err), ST_OK);
    CU_ASSERT_FALSE(anybody_reads(cipher));
    CU_ASSERT_EQUAL(tok_decrypt(key, NULL, 0, cipher, cipher_len, back, &back_len, &err), ST_OK);
    CU_ASSERT(back_len == 32 && memcmp(back, secret, 32) == 0);
    core_status st = tok_wrap_new(key, 32, wrapped, &wrapped_len, &err);
    CU_ASSERT(st == ST_OK || st == ST_KEY_USAGE);
    if (st == ST_OK)
        CU_ASSERT_FALSE(anybody_reads(wrapped));
    CU_ASSERT_EQUAL(tok_key_destroy(key, &err), ST_OK);
    tok_key_release(key);
    tok_token_logout(token);
    tok_token_release(token);
    tok_context_close(ctx);
    token_conf_remove();
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"planted_objects_are_not_used", planted_objects_are_not_used}, {NULL, NULL}};
    static const test_suite suite = {.name = "field_planted", .cases = cases};
    static const test_suite *const suites[] = {&suite};

    if (getenv("MODULE") == NULL) {
        printf("SKIPPED: no token: run it by tests/tokens/with-token\n");
        return 77;
    }
    common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return common == MAP_FAILED ? 1 : testing_main(argc, argv, suites, 1);
}
