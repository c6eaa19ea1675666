/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the fault proxy: that it counts, logs calls in order, reports each kind of violation,
 * and executes a plan. Runs under with-token --count on any token with RSA.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "raw.h"
#include "testing.h"

static raw_token token;
static unsigned long (*get)(const char *);
static unsigned long (*violations)(void);
static void (*reset)(void);
static const char *(*logged)(void);
static int (*plan)(const char *);

static bool bind_function(const char *name, void *pointer)
{
    void *found = dlsym(token.library, name);

    memcpy(pointer, &found, sizeof found);
    return found != NULL;
}

static int start(void)
{
    return raw_open(&token) && bind_function("p11count_get", (void *)&get) &&
                   bind_function("p11count_violations", (void *)&violations) &&
                   bind_function("p11count_reset", (void *)&reset) &&
                   bind_function("p11count_log", (void *)&logged) &&
                   bind_function("p11count_plan", (void *)&plan)
               ? 0
               : 1;
}

static int stop(void)
{
    raw_close(&token, true);
    return 0;
}

static bool log_has(const char *text)
{
    return strstr(logged(), text) != NULL;
}

static void counts(void)
{
    CK_BYTE bytes[8];

    reset();
    CU_ASSERT_EQUAL(get(NULL), 0);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(token.session, bytes, sizeof bytes), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(token.session, bytes, sizeof bytes), CKR_OK);
    CU_ASSERT_EQUAL(raw_find(&token, CKO_DATA, "no such thing"), 0);
    CU_ASSERT_EQUAL(get("C_GenerateRandom"), 2);
    CU_ASSERT_EQUAL(get("C_FindObjects"), 1);
    CU_ASSERT_EQUAL(get("C_Sign"), 0);
    CU_ASSERT_EQUAL(get(NULL), 5);
    CU_ASSERT_EQUAL(get("C_NoSuch"), (unsigned long)-1);
    CU_ASSERT_EQUAL(violations(), 0);
}

/* Each call has a line in the log, in order. */
static void order(void)
{
    static const char *const expected[] = {"C_GenerateKeyPair session=",
                                           "mechanism=0x0 ",
                                           "C_SignInit session=",
                                           "mechanism=0x1 ",
                                           " class=3 rv=0x0",
                                           "C_Sign session=",
                                           "C_DestroyObject session="};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
    CK_OBJECT_HANDLE public_key, private_key;
    CK_BYTE data[] = "x", signature[512];
    CK_ULONG length = sizeof signature;
    const char *at;

    reset();
    CU_ASSERT_EQUAL_FATAL(raw_generate_rsa(&token, "count", 2048, false, &public_key, &private_key),
                          CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_SignInit(token.session, &mechanism, private_key), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_Sign(token.session, data, 1, NULL, &length), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_Sign(token.session, data, 1, signature, &length), CKR_OK);
    (void)token.f->C_DestroyObject(token.session, private_key);
    (void)token.f->C_DestroyObject(token.session, public_key);
    at = logged();
    for (size_t i = 0; at && i < sizeof expected / sizeof expected[0]; i++) {
        at = strstr(at, expected[i]);
        CU_ASSERT_PTR_NOT_NULL(at);
    }
    CU_ASSERT_EQUAL(get("C_Sign"), 2);
    CU_ASSERT_EQUAL(violations(), 0); /* a size query does not end the operation */
}

static void operation_rules(void)
{
    CK_SESSION_HANDLE session = raw_session(&token), open = token.session;
    CK_OBJECT_HANDLE object;
    CK_ULONG n;

    reset();
    CU_ASSERT_EQUAL(token.f->C_FindObjectsInit(open, NULL, 0), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 0);
    (void)token.f->C_FindObjectsInit(open, NULL, 0); /* NSS accepts it */
    CU_ASSERT_EQUAL(violations(), 1);
    CU_ASSERT(log_has("an operation is active"));
    CU_ASSERT_EQUAL(token.f->C_FindObjects(open, &object, 1, &n), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_FindObjectsFinal(open), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 1);
    (void)token.f->C_FindObjects(open, &object, 1, &n);
    CU_ASSERT_EQUAL(violations(), 2);
    CU_ASSERT(log_has("no such operation is active"));

    CU_ASSERT_EQUAL(token.f->C_CloseSession(session), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 2);
    (void)token.f->C_CloseSession(session);
    CU_ASSERT_EQUAL(violations(), 3);
    CU_ASSERT(log_has("the session is not open"));
}

static CK_RV login(void)
{
    const char *pin = getenv("PIN");

    return token.f->C_Login(token.session, CKU_USER, (CK_BYTE *)(uintptr_t)pin, strlen(pin));
}

/* A logout would end another session's search. */
static void logout_rules(void)
{
    CK_SESSION_HANDLE other = raw_session(&token);
    CK_OBJECT_HANDLE object;
    CK_ULONG n;

    reset();
    CU_ASSERT_EQUAL(token.f->C_FindObjectsInit(other, NULL, 0), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_Logout(token.session), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 1);
    CU_ASSERT(log_has("others are at work"));
    (void)token.f->C_FindObjects(other, &object, 1, &n);
    (void)token.f->C_FindObjectsFinal(other);
    CU_ASSERT_EQUAL(login(), CKR_OK);

    reset();
    CU_ASSERT_EQUAL(token.f->C_Logout(token.session), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 0);
    CU_ASSERT_EQUAL(login(), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_CloseSession(other), CKR_OK);
}

static void plans(void)
{
    CK_BYTE bytes[8];
    CK_SESSION_HANDLE s = token.session;

    CU_ASSERT_EQUAL(plan("call=C_Nothing rv=1"), -1);
    CU_ASSERT_EQUAL(plan("rv=x call=C_Sign"), -1);
    CU_ASSERT_EQUAL(plan("call=C_GenerateRandom nth=2 times=2 rv=0x30; call=C_GetInfo delay=1"), 0);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_DEVICE_ERROR);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_DEVICE_ERROR);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_OK);

    memset(bytes, 0, sizeof bytes);
    CU_ASSERT_EQUAL(plan("call=C_GenerateRandom after rv=0x31"), 0);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_DEVICE_MEMORY);
    CU_ASSERT_NOT_EQUAL(memcmp(bytes, "\0\0\0\0\0\0\0", sizeof bytes),
                        0); /* the module was called */
    CU_ASSERT_EQUAL(plan(NULL), 0);
    CU_ASSERT_EQUAL(token.f->C_GenerateRandom(s, bytes, sizeof bytes), CKR_OK);
}

static void handles_used_again(void)
{
    CK_SESSION_HANDLE first, second;
    CK_SESSION_INFO info;

    CU_ASSERT_EQUAL(plan("reuse"), 0);
    first = raw_session(&token);
    CU_ASSERT_EQUAL(token.f->C_CloseSession(first), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_GetSessionInfo(first, &info), CKR_SESSION_HANDLE_INVALID);
    second = raw_session(&token);
    CU_ASSERT_EQUAL(first, second);
    CU_ASSERT_EQUAL(token.f->C_GetSessionInfo(second, &info), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_FindObjectsInit(second, NULL, 0), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_FindObjectsFinal(second), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_CloseSession(second), CKR_OK);
    CU_ASSERT_EQUAL(plan(NULL), 0);
    first = raw_session(&token);
    CU_ASSERT_NOT_EQUAL(first, second);
    CU_ASSERT_EQUAL(token.f->C_CloseSession(first), CKR_OK);
}

static void *end_search(void *session)
{
    (void)token.f->C_FindObjectsFinal(*(CK_SESSION_HANDLE *)session);
    return NULL;
}

/* Detects use of a stale session handle that has been reassigned: the caller continues an operation
 * that it did not start. */
static void operation_of_another_thread(void)
{
    pthread_t thread;

    reset();
    CU_ASSERT_EQUAL(token.f->C_FindObjectsInit(token.session, NULL, 0), CKR_OK);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, end_search, &token.session), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(violations(), 1);
    CU_ASSERT(log_has("the operation is another thread's"));
}

static CK_RV begin_signature(CK_BYTE *out, CK_ULONG *length)
{
    static CK_BYTE data[8];
    static CK_OBJECT_HANDLE public_key, key;
    CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};

    if (!key)
        CU_ASSERT_EQUAL(raw_generate_rsa(&token, "short", 2048, false, &public_key, &key), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_SignInit(token.session, &m, key), CKR_OK);
    return token.f->C_Sign(token.session, data, sizeof data, out, length);
}

static void lengths(void)
{
    CK_BYTE out[256], data[8] = {0};
    CK_ULONG n = sizeof out;

    CU_ASSERT_EQUAL(plan("call=C_Sign times=0 short=3"), 0);
    CU_ASSERT_EQUAL(begin_signature(out, &n), CKR_OK);
    CU_ASSERT_EQUAL(n, 253);
    CU_ASSERT_EQUAL(plan("call=C_Sign times=0 consume"), 0);
    CU_ASSERT_EQUAL(begin_signature(NULL, &n), CKR_OK);
    CU_ASSERT_EQUAL(n, 256);
    CU_ASSERT_EQUAL(token.f->C_Sign(token.session, data, sizeof data, out, &n),
                    CKR_OPERATION_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(plan(NULL), 0);
    CU_ASSERT_EQUAL(begin_signature(NULL, &n), CKR_OK);
    CU_ASSERT_EQUAL(token.f->C_Sign(token.session, data, sizeof data, out, &n), CKR_OK);
}

static void absent_mechanism(void)
{
    CK_MECHANISM_INFO info;

    CU_ASSERT(raw_has(&token, CKM_RSA_PKCS));
    CU_ASSERT_EQUAL(plan("call=* mechanism=0x1 times=0 absent"), 0);
    CU_ASSERT_FALSE(raw_has(&token, CKM_RSA_PKCS));
    CU_ASSERT_EQUAL(token.f->C_GetMechanismInfo(token.slot, CKM_RSA_PKCS, &info),
                    CKR_MECHANISM_INVALID);
    CU_ASSERT_EQUAL(plan(NULL), 0);
    CU_ASSERT(raw_has(&token, CKM_RSA_PKCS));
}

static void *get_info(void *done)
{
    CK_INFO info;

    (void)token.f->C_GetInfo(&info);
    __atomic_store_n((bool *)done, true, __ATOMIC_SEQ_CST);
    return NULL;
}

static void a_call_that_hangs(void)
{
    pthread_t thread;
    bool done = false;

    CU_ASSERT_EQUAL(plan("call=C_GetInfo hang"), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, get_info, &done), 0);
    (void)usleep(100000);
    CU_ASSERT_FALSE(__atomic_load_n(&done, __ATOMIC_SEQ_CST));
    CU_ASSERT_EQUAL(plan(NULL), 0);
    pthread_join(thread, NULL);
    CU_ASSERT(done);
}

/* A forked child must call C_Initialize first: any other call is a violation. */
static void forked_child(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        CK_INFO info;

        reset();
        (void)token.f->C_GetInfo(&info);
        _exit(violations() == 1 ? 0 : 1);
    }
    CU_ASSERT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void finalized(void)
{
    CK_INFO info;

    reset();
    CU_ASSERT_EQUAL(token.f->C_Finalize(NULL), CKR_OK);
    CU_ASSERT_EQUAL(violations(), 0);
    (void)token.f->C_GetInfo(&info);
    CU_ASSERT_EQUAL(violations(), 1);
    CU_ASSERT(log_has("the module is not initialised"));
    token.session = 0;
    CU_ASSERT_EQUAL_FATAL(start(), 0);
    CU_ASSERT_EQUAL(violations(), 1);
}

int main(int argc, char **argv)
{
    static const test_case cases[] = {{"counts", counts},
                                      {"order", order},
                                      {"operation_rules", operation_rules},
                                      {"logout_rules", logout_rules},
                                      {"plans", plans},
                                      {"handles_used_again", handles_used_again},
                                      {"operation_of_another_thread", operation_of_another_thread},
                                      {"lengths", lengths},
                                      {"absent_mechanism", absent_mechanism},
                                      {"a_call_that_hangs", a_call_that_hangs},
                                      {"forked_child", forked_child},
                                      {"finalized", finalized},
                                      {NULL, NULL}};
    static const test_suite suite = {"count", cases, start, stop};
    static const test_suite *const suites[] = {&suite};

    return testing_main(argc, argv, suites, 1);
}
