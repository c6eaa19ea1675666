/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the memory token: that it follows the rules on which other suites rely, and that calls
 * stop where a test wants them to. Runs under with-token memory.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "memory/memory.h"
#include "raw.h"
#include "testing.h"

static raw_token token;
static const CK_FUNCTION_LIST *f;
static int (*park)(const char *, int);
static int (*await)(int, unsigned);
static void (*go)(int, CK_RV);
static void (*limit)(unsigned);
static void (*unplug)(int);
static void (*get)(p11memory_state *);

static int start(void)
{
    const struct {
        const char *name;
        void *where;
    } functions[] = {{"p11memory_park", (void *)&park},     {"p11memory_await", (void *)&await},
                     {"p11memory_go", (void *)&go},         {"p11memory_limit", (void *)&limit},
                     {"p11memory_unplug", (void *)&unplug}, {"p11memory_get", (void *)&get}};
    if (!raw_open(&token))
        return 1;
    f = token.f;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *found = dlsym(token.library, functions[i].name);
        memcpy(functions[i].where, &found, sizeof found);
        if (found == NULL)
            return 1;
    }
    return 0;
}

static int stop(void)
{
    raw_close(&token, true);
    return 0;
}

static CK_SESSION_HANDLE session_of(CK_FLAGS flags)
{
    CK_SESSION_HANDLE s = 0;
    CU_ASSERT_EQUAL(f->C_OpenSession(token.slot, flags | CKF_SERIAL_SESSION, NULL, NULL, &s),
                    CKR_OK);
    return s;
}

static CK_RV login(CK_SESSION_HANDLE s, const char *pin)
{
    return f->C_Login(s, CKU_USER, (CK_BYTE *)(uintptr_t)pin, strlen(pin));
}

static void sessions(void)
{
    CK_SESSION_HANDLE s = 0;
    CK_SESSION_INFO info;

    CU_ASSERT_EQUAL(f->C_OpenSession(token.slot, CKF_RW_SESSION, NULL, NULL, &s),
                    CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    CU_ASSERT_EQUAL(f->C_OpenSession(99, CKF_SERIAL_SESSION, NULL, NULL, &s), CKR_SLOT_ID_INVALID);
    limit(1);
    CU_ASSERT_EQUAL(f->C_OpenSession(token.slot, CKF_SERIAL_SESSION, NULL, NULL, &s),
                    CKR_SESSION_COUNT);
    limit(0);
    s = session_of(0);
    CU_ASSERT_EQUAL(f->C_GetSessionInfo(s, &info), CKR_OK);
    CU_ASSERT_EQUAL(info.state, CKS_RO_USER_FUNCTIONS);
    CU_ASSERT_EQUAL(f->C_CloseSession(s), CKR_OK);
    CU_ASSERT_EQUAL(f->C_CloseSession(s), CKR_SESSION_HANDLE_INVALID);
    CU_ASSERT_EQUAL(f->C_GetSessionInfo(s, &info), CKR_SESSION_HANDLE_INVALID);
    CU_ASSERT_EQUAL(f->C_GetOperationState(s, NULL, NULL), CKR_FUNCTION_NOT_SUPPORTED);
}

/* The login belongs to the process and ends with the last session. */
static void logins(void)
{
    p11memory_state state;
    const CK_SESSION_HANDLE s = token.session;

    CU_ASSERT_EQUAL(login(s, "1234"), CKR_USER_ALREADY_LOGGED_IN);
    CU_ASSERT_EQUAL(f->C_Logout(s), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Logout(s), CKR_USER_NOT_LOGGED_IN);
    CU_ASSERT_EQUAL(login(s, "12345"), CKR_PIN_INCORRECT);
    CU_ASSERT_EQUAL(login(s, "1234"), CKR_OK);
    CU_ASSERT_EQUAL(f->C_CloseAllSessions(token.slot), CKR_OK);
    get(&state);
    CU_ASSERT(state.sessions == 0 && !state.logged_in);
    token.session = raw_session(&token);
    CU_ASSERT_EQUAL(login(token.session, "1234"), CKR_OK);
}

static void objects(void)
{
    CK_OBJECT_HANDLE aes = 0;
    CK_OBJECT_HANDLE found = 0;
    CK_BYTE value[32];
    CK_ULONG number = 0;
    CK_ATTRIBUTE secret = {CKA_VALUE, value, sizeof value};
    CK_ATTRIBUTE unknown = {CKA_PRIME, value, sizeof value};
    CK_ATTRIBUTE small = {CKA_VALUE_LEN, value, 1};
    CK_ATTRIBUTE length = {CKA_VALUE_LEN, &number, sizeof number};
    const CK_SESSION_HANDLE reader = session_of(0);
    p11memory_state state;

    CU_ASSERT_EQUAL_FATAL(raw_generate_aes(&token, "kept", 256, true, &aes), CKR_OK);
    CU_ASSERT_EQUAL(f->C_GetAttributeValue(reader, aes, &secret, 1), CKR_ATTRIBUTE_SENSITIVE);
    CU_ASSERT_EQUAL(f->C_GetAttributeValue(reader, aes, &unknown, 1), CKR_ATTRIBUTE_TYPE_INVALID);
    CU_ASSERT_EQUAL(f->C_GetAttributeValue(reader, aes, &small, 1), CKR_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(small.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    CU_ASSERT_EQUAL(f->C_SetAttributeValue(token.session, aes, &length, 1),
                    CKR_ATTRIBUTE_READ_ONLY);
    CU_ASSERT_EQUAL(f->C_DestroyObject(reader, aes), CKR_SESSION_READ_ONLY);
    CU_ASSERT_EQUAL(f->C_Logout(reader), CKR_OK);
    CU_ASSERT_EQUAL(raw_find(&token, CKO_SECRET_KEY, "kept"), 0);
    CU_ASSERT_EQUAL(f->C_GetAttributeValue(reader, aes, &length, 1), CKR_OBJECT_HANDLE_INVALID);
    CU_ASSERT_EQUAL(login(reader, "1234"), CKR_OK);
    found = raw_find(&token, CKO_SECRET_KEY, "kept");
    CU_ASSERT_EQUAL(found, aes);
    CU_ASSERT_EQUAL(f->C_DestroyObject(token.session, aes), CKR_OK);
    CU_ASSERT_EQUAL(f->C_DestroyObject(token.session, aes), CKR_OBJECT_HANDLE_INVALID);

    /* An object of a session is destroyed with it. */
    const CK_SESSION_HANDLE mine = token.session;
    token.session = reader;
    CU_ASSERT_EQUAL(raw_generate_aes(&token, "kept", 256, true, &aes), CKR_SESSION_READ_ONLY);
    CU_ASSERT_EQUAL(raw_generate_aes(&token, "gone", 256, false, &aes), CKR_OK);
    token.session = mine;
    get(&state);
    CU_ASSERT_EQUAL(state.session_objects, 1);
    CU_ASSERT_EQUAL(f->C_CloseSession(reader), CKR_OK);
    CU_ASSERT_EQUAL(f->C_DestroyObject(mine, aes), CKR_OBJECT_HANDLE_INVALID);
}

static void operations(void)
{
    CK_BYTE iv[16] = {0};
    CK_BYTE in[20] = {1};
    CK_BYTE out[64];
    CK_ULONG n = 16;
    CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof iv};
    CK_MECHANISM no_iv = {CKM_AES_CBC_PAD, NULL, 0};
    CK_MECHANISM rsa = {CKM_RSA_PKCS, NULL, 0};
    CK_MECHANISM none = {CKM_AES_GCM, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    const CK_SESSION_HANDLE s = token.session;

    CU_ASSERT_EQUAL_FATAL(raw_generate_aes(&token, "aes", 128, false, &key), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Encrypt(s, in, sizeof in, out, &n), CKR_OPERATION_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &none, key), CKR_MECHANISM_INVALID);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &no_iv, key), CKR_MECHANISM_PARAM_INVALID);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &rsa, key), CKR_KEY_TYPE_INCONSISTENT);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &cbc, key + 1), CKR_KEY_HANDLE_INVALID);
    CU_ASSERT_EQUAL(f->C_SignInit(s, &cbc, key), CKR_MECHANISM_INVALID);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &cbc, key), CKR_OK);
    CU_ASSERT_EQUAL(f->C_EncryptInit(s, &cbc, key), CKR_OPERATION_ACTIVE);
    CU_ASSERT_EQUAL(f->C_Encrypt(s, in, sizeof in, NULL, &n), CKR_OK);
    n = 16;
    CU_ASSERT_EQUAL(f->C_Encrypt(s, in, sizeof in, out, &n), CKR_BUFFER_TOO_SMALL);
    CU_ASSERT_EQUAL(n, 32);
    CU_ASSERT_EQUAL(f->C_Encrypt(s, in, sizeof in, out, &n), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Encrypt(s, in, sizeof in, out, &n), CKR_OPERATION_NOT_INITIALIZED);

    /* A failure ends the operation, and so does the end of the login. */
    CU_ASSERT_EQUAL(f->C_DecryptInit(s, &cbc, key), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Decrypt(s, in, sizeof in, out, &n), CKR_ENCRYPTED_DATA_LEN_RANGE);
    CU_ASSERT_EQUAL(f->C_Decrypt(s, in, 16, out, &n), CKR_OPERATION_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(f->C_DecryptInit(s, &cbc, key), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Logout(s), CKR_OK);
    CU_ASSERT_EQUAL(f->C_Decrypt(s, in, 16, out, &n), CKR_USER_NOT_LOGGED_IN);
    CU_ASSERT_EQUAL(login(s, "1234"), CKR_OK);
}

static void *ask(void *out)
{
    CK_INFO info;
    *(CK_RV *)out = f->C_GetInfo(&info);
    return NULL;
}

static void stands_still(void)
{
    pthread_t thread;
    CK_RV rv = CKR_CANCEL;

    CU_ASSERT_EQUAL(park("C_Nothing", 0), -1);
    for (int after = 0; after < 2; after++) {
        const int place = park("C_GetInfo", after);
        CU_ASSERT_FATAL(place >= 0);
        CU_ASSERT_EQUAL(await(place, 10), 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, ask, &rv), 0);
        CU_ASSERT_EQUAL(await(place, 5000), 1);
        CU_ASSERT_EQUAL(rv, after ? CKR_DEVICE_ERROR : CKR_CANCEL); /* it has not returned */
        go(place, after ? CKR_OK : CKR_DEVICE_ERROR);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(rv, after ? CKR_OK : CKR_DEVICE_ERROR);
    }
    go(park("C_GetInfo", 0),
       CKR_DEVICE_ERROR); /* no call has stopped there, so none will be stopped */
    ask(&rv);
    CU_ASSERT_EQUAL(rv, CKR_OK);
}

static void unplugged(void)
{
    CK_TOKEN_INFO info;
    CK_ULONG n = 5;

    unplug(1);
    CU_ASSERT_EQUAL(f->C_GetTokenInfo(token.slot, &info), CKR_DEVICE_REMOVED);
    CU_ASSERT_EQUAL(f->C_GetSlotList(CK_TRUE, NULL, &n), CKR_OK);
    CU_ASSERT_EQUAL(n, 0);
    unplug(0);
    CU_ASSERT_EQUAL(f->C_GetTokenInfo(token.slot, &info), CKR_OK);
    CU_ASSERT_EQUAL(f->C_CloseSession(token.session), CKR_SESSION_HANDLE_INVALID);
    token.session = raw_session(&token);
    CU_ASSERT_EQUAL(login(token.session, "1234"), CKR_OK);
}

static void forked(void)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        CK_INFO info;
        _exit(f->C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED &&
                      f->C_Initialize(NULL) == CKR_OK && f->C_GetInfo(&info) == CKR_OK
                  ? 0
                  : 1);
    }
    CU_ASSERT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void locks_after_ten(void)
{
    CK_TOKEN_INFO info;

    CU_ASSERT_EQUAL(f->C_Logout(token.session), CKR_OK);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(login(token.session, "wrong"), CKR_PIN_INCORRECT);
    CU_ASSERT_EQUAL(login(token.session, "1234"), CKR_PIN_LOCKED);
    CU_ASSERT_EQUAL(f->C_GetTokenInfo(token.slot, &info), CKR_OK);
    CU_ASSERT(info.flags & CKF_USER_PIN_LOCKED);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {{"sessions", sessions},
                                      {"logins", logins},
                                      {"objects", objects},
                                      {"operations", operations},
                                      {"stands_still", stands_still},
                                      {"unplugged", unplugged},
                                      {"forked", forked},
                                      {"locks_after_ten", locks_after_ten}, /* last */
                                      {NULL, NULL}};
    static const test_suite suite = {"memory", cases, start, stop};
    static const test_suite *const suites[] = {&suite};

    return testing_main(argc, argv, suites, 1);
}
