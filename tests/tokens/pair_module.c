/* SPDX-License-Identifier: Apache-2.0
 *
 * Two PKCS#11 libraries joined to one module, as a vendor's library shows two HSMs: slots and
 * sessions of the first have even numbers, those of the second odd ones. Each may fail to
 * initialise and then has no slots and no sessions until the next C_Initialize, like a network HSM
 * that does not answer. From the environment, with N 0 and 1:
 *
 *   P11PAIR_MODULE_N    the library (two files, since the same file would be loaded only once)
 *   P11PAIR_ADDRESS_N   the p11-kit server that it connects to
 *   P11PAIR_DELAY_US    delay of each call, as for an HSM on a slow network (0)
 *
 * Each library gets one call at a time, in the order of arrival: p11-kit's client (0.24) loses
 * threads when its server dies.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include "count_list.h"

#define EXPORT __attribute__((visibility("default")))

enum { HALVES = 2 };

static struct half {
    CK_FUNCTION_LIST *f;
    pthread_mutex_t lock; /* guards the tickets */
    pthread_cond_t called;
    unsigned long next, now; /* tickets: with a plain mutex busy threads would starve the others */
    bool alive;              /* initialised; guarded by the tickets */
} halves[HALVES] = {{.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER},
                    {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER}};

static void take_turn(struct half *half)
{
    pthread_mutex_lock(&half->lock);
    unsigned long mine = half->next++;
    while (half->now != mine)
        pthread_cond_wait(&half->called, &half->lock);
    pthread_mutex_unlock(&half->lock);
}

static void give_turn(struct half *half)
{
    pthread_mutex_lock(&half->lock);
    half->now++;
    pthread_cond_broadcast(&half->called);
    pthread_mutex_unlock(&half->lock);
}

static struct half *half_of(CK_ULONG outer)
{
    return &halves[outer & 1];
}

static CK_ULONG outer_of(const struct half *half, CK_ULONG inner)
{
    return inner << 1 | (half == &halves[1]);
}

static struct timespec line; /* the network delay */

static void wait_for_line(void)
{
    if (line.tv_nsec > 0)
        (void)nanosleep(&line, NULL);
}

/* One call of a half, in the order of the tickets. */
#define ASK(half, rv, call)         \
    do {                            \
        take_turn(half);            \
        if ((half)->alive) {        \
            wait_for_line();        \
            (rv) = (half)->f->call; \
        }                           \
        give_turn(half);            \
    } while (0)

#define AS_SESSION(name, verb, op, notes, parameters, arguments) \
    static CK_RV pair_##name parameters                          \
    {                                                            \
        struct half *half = half_of(s);                          \
        CK_RV rv = CKR_DEVICE_REMOVED;                           \
        s >>= 1;                                                 \
        ASK(half, rv, name arguments);                           \
        return rv;                                               \
    }
COUNT_LIST_SESSION(AS_SESSION)
COUNT_LIST_OBJECT(AS_SESSION)
COUNT_LIST_CRYPT(AS_SESSION)
COUNT_LIST_KEY(AS_SESSION)

#define OF_SLOT(name, parameters, arguments) \
    static CK_RV pair_##name parameters      \
    {                                        \
        struct half *half = half_of(slot);   \
        CK_RV rv = CKR_DEVICE_REMOVED;       \
        slot >>= 1;                          \
        ASK(half, rv, name arguments);       \
        return rv;                           \
    }
OF_SLOT(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO *info), (slot, info))
OF_SLOT(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO *info), (slot, info))
OF_SLOT(C_GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE *types, CK_ULONG *n),
        (slot, types, n))
OF_SLOT(C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info),
        (slot, type, info))
OF_SLOT(C_CloseAllSessions, (CK_SLOT_ID slot), (slot))

static CK_RV pair_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                                CK_SESSION_HANDLE *out)
{
    struct half *half = half_of(slot);
    CK_RV rv = CKR_DEVICE_REMOVED;

    ASK(half, rv, C_OpenSession(slot >> 1, flags, app, notify, out));
    if (rv == CKR_OK)
        *out = outer_of(half, *out);
    return rv;
}

static CK_RV pair_C_Initialize(void *args)
{
    CK_RV rv = CKR_DEVICE_ERROR;

    for (unsigned i = 0; i < HALVES; i++) {
        take_turn(&halves[i]);
        halves[i].alive = halves[i].f->C_Initialize(args) == CKR_OK;
        rv = halves[i].alive ? CKR_OK : rv;
        give_turn(&halves[i]);
    }
    return rv;
}

static CK_RV pair_C_Finalize(void *reserved)
{
    for (unsigned i = 0; i < HALVES; i++) {
        CK_RV rv = CKR_OK;
        ASK(&halves[i], rv, C_Finalize(reserved));
        halves[i].alive = false;
        (void)rv;
    }
    return CKR_OK;
}

static CK_RV pair_C_GetInfo(CK_INFO *info)
{
    CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;
    for (unsigned i = 0; rv != CKR_OK && i < HALVES; i++)
        ASK(&halves[i], rv, C_GetInfo(info));
    return rv;
}

/* A half that does not answer has no slots. */
static CK_RV pair_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
    CK_ULONG room = slots != NULL ? *n : 0;
    CK_ULONG count = 0;
    CK_RV rv = CKR_OK;

    for (unsigned i = 0; i < HALVES; i++) {
        CK_ULONG here = slots != NULL ? room - count : 0;
        CK_RV one = CKR_DEVICE_REMOVED;
        ASK(&halves[i], one, C_GetSlotList(present, slots != NULL ? slots + count : NULL, &here));
        if (one == CKR_BUFFER_TOO_SMALL)
            rv = one;
        if (one != CKR_OK && one != CKR_BUFFER_TOO_SMALL)
            continue;
        for (CK_ULONG k = 0; slots != NULL && one == CKR_OK && k < here; k++)
            slots[count + k] = outer_of(&halves[i], slots[count + k]);
        count += here;
    }
    *n = count;
    return rv;
}

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

#define AS_MEMBER(name, verb, op, notes, p, a) .name = pair_##name,
static CK_FUNCTION_LIST functions = {.version = {2, 40},
                                     .C_Initialize = pair_C_Initialize,
                                     .C_Finalize = pair_C_Finalize,
                                     .C_GetInfo = pair_C_GetInfo,
                                     .C_GetFunctionList = C_GetFunctionList,
                                     .C_GetSlotList = pair_C_GetSlotList,
                                     .C_GetSlotInfo = pair_C_GetSlotInfo,
                                     .C_GetTokenInfo = pair_C_GetTokenInfo,
                                     .C_GetMechanismList = pair_C_GetMechanismList,
                                     .C_GetMechanismInfo = pair_C_GetMechanismInfo,
                                     .C_OpenSession = pair_C_OpenSession,
                                     .C_CloseAllSessions = pair_C_CloseAllSessions,
                                     COUNT_LIST_SESSION(AS_MEMBER) COUNT_LIST_OBJECT(AS_MEMBER)
                                         COUNT_LIST_CRYPT(AS_MEMBER) COUNT_LIST_KEY(AS_MEMBER)};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static CK_FUNCTION_LIST *load(const char *path, const char *address)
{
    void *library = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;
    CK_FUNCTION_LIST *list = NULL;

    if (address != NULL)
        (void)setenv("P11_KIT_SERVER_ADDRESS", address, 1);
    if (library != NULL)
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
    return get_list != NULL && get_list(&list) == CKR_OK ? list : NULL;
}

static void load_both(void)
{
    const char *delay = getenv("P11PAIR_DELAY_US");

    line.tv_nsec = delay != NULL ? strtol(delay, NULL, 10) % 1000000 * 1000 : 0;
    halves[0].f = load(getenv("P11PAIR_MODULE_0"), getenv("P11PAIR_ADDRESS_0"));
    halves[1].f = load(getenv("P11PAIR_MODULE_1"), getenv("P11PAIR_ADDRESS_1"));
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    (void)pthread_once(&once, load_both);
    if (list == NULL)
        return CKR_ARGUMENTS_BAD;
    *list = halves[0].f != NULL && halves[1].f != NULL ? &functions : NULL;
    return *list != NULL ? CKR_OK : CKR_GENERAL_ERROR;
}
