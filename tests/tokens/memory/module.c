/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token's function list: one entry for each function, made from the fault proxy's list,
 * and the module's initialisation and descriptions.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "login_quirk_private.h"

mem_state mem = {.lock = PTHREAD_MUTEX_INITIALIZER};

void mem_lock(void)
{
    (void)pthread_mutex_lock(&mem.lock);
}

void mem_unlock(void)
{
    (void)pthread_mutex_unlock(&mem.lock);
}

/* The result if the call cannot be served. A forked child is not initialised, and the lock may be
 * held by a thread that does not exist in it. */
static CK_RV ready(bool needs_token)
{
    CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;

    if (atomic_load(&mem.pid) != getpid())
        return rv;
    mem_lock();
    if (mem.initialised)
        rv = needs_token && mem.away ? CKR_DEVICE_REMOVED : CKR_OK;
    mem_unlock();
    return rv;
}

/* C_Initialize is called before initialisation; functions that ask for slots need no token. */
static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static CK_RV admit(const char *name)
{
    static const char *const slots[] = {"C_Finalize", "C_GetInfo", "C_GetSlotList",
                                        "C_GetSlotInfo"};
    CK_RV rv = mem_park(name, false, CKR_OK);

    if (rv != CKR_OK || strcmp(name, "C_Initialize") == 0)
        return rv;
    return ready(!is_one_of(name, slots, COUNT(slots)));
}

#define AS_ENTRY(name, v, o, notes, parameters, arguments)                       \
    static CK_RV entry_##name parameters                                         \
    {                                                                            \
        CK_RV rv = admit(#name);                                                 \
                                                                                 \
        if (rv == CKR_OK)                                                        \
            rv = mem_##name ? mem_##name arguments : CKR_FUNCTION_NOT_SUPPORTED; \
        return mem_park(#name, true, rv);                                        \
    }
COUNT_LIST(AS_ENTRY)

P11MEMORY_EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

#define AS_MEMBER(name, verb, op, notes, p, a) .name = entry_##name,
static CK_FUNCTION_LIST functions = {
    .version = {2, 40}, .C_GetFunctionList = C_GetFunctionList, COUNT_LIST(AS_MEMBER)};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    if (list == NULL)
        return CKR_ARGUMENTS_BAD;
    *list = &functions;
    return CKR_OK;
}

#define AS_NAME(name, verb, op, notes, p, a) #name,
bool mem_is_function(const char *name)
{
    static const char *const names[] = {COUNT_LIST(AS_NAME)};
    return is_one_of(name, names, COUNT(names));
}

/* --- life --- */

static void set_text(char *out, size_t size, const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);

    if (value == NULL || strlen(value) >= size)
        value = otherwise;
    memcpy(out, value, strlen(value) + 1);
}

CK_RV mem_C_Initialize(void *arguments)
{
    const CK_C_INITIALIZE_ARGS *args = arguments;
    CK_RV rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;

    if (args != NULL && args->CreateMutex != NULL && (args->flags & CKF_OS_LOCKING_OK) == 0)
        return CKR_CANT_LOCK;
    if (atomic_load(&mem.pid) != getpid()) {
        /* If initialised, it was by a parent process: its sessions and its lock are
         * invalid here. */
        (void)pthread_mutex_init(&mem.lock, NULL);
        mem.initialised = false;
        mem_sessions_close();
        atomic_store(&mem.pid, getpid());
    }
    mem_lock();
    if (!mem.initialised) {
        if (mem.pin[0] == '\0') /* the first time only: a PIN that was changed stays */
            set_text(mem.pin, sizeof mem.pin, "P11MEMORY_PIN", "1234");
        mem_quirk_start();
        if (mem.label[0] == '\0')
            set_text(mem.label, sizeof mem.label, "P11MEMORY_LABEL", "memory");
        mem.initialised = true;
        mem.initialisations++;
        rv = CKR_OK;
    }
    mem_unlock();
    return rv;
}

CK_RV mem_C_Finalize(void *reserved)
{
    if (reserved != NULL)
        return CKR_ARGUMENTS_BAD;
    mem_lock();
    mem_sessions_close();
    mem.initialised = false;
    mem_unlock();
    return CKR_OK;
}

/* --- about --- */

bool mem_slot_there(CK_SLOT_ID slot)
{
    return slot == MEM_SLOT || (slot == MEM_TWIN && mem.twin);
}

void p11memory_twin(int on)
{
    mem_lock();
    mem.twin = on != 0;
    mem_unlock();
}

static void blank(CK_UTF8CHAR *field, size_t size, const char *text)
{
    memset(field, ' ', size);
    memcpy(field, text, strlen(text) < size ? strlen(text) : size);
}

CK_RV mem_C_GetInfo(CK_INFO *info)
{
    memset(info, 0, sizeof *info);
    info->cryptokiVersion = (CK_VERSION){2, 40};
    info->libraryVersion = (CK_VERSION){1, 0};
    blank(info->manufacturerID, sizeof info->manufacturerID, "p11ekm tests");
    blank(info->libraryDescription, sizeof info->libraryDescription, "a token in memory");
    return CKR_OK;
}

CK_RV mem_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
    mem_lock();
    const CK_ULONG have = present && mem.away ? 0 : mem.twin ? 2 : 1;
    mem_unlock();
    const CK_ULONG room = *n;
    *n = have;
    if (slots == NULL)
        return CKR_OK;
    if (room < have)
        return CKR_BUFFER_TOO_SMALL;
    if (have > 0)
        slots[0] = MEM_SLOT;
    if (have > 1)
        slots[1] = MEM_TWIN;
    return CKR_OK;
}

CK_RV mem_C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    blank(info->slotDescription, sizeof info->slotDescription,
          slot == MEM_SLOT ? "memory" : "memory, the twin");
    blank(info->manufacturerID, sizeof info->manufacturerID, "p11ekm tests");
    mem_lock();
    info->flags = CKF_REMOVABLE_DEVICE | (mem.away ? 0 : CKF_TOKEN_PRESENT);
    mem_unlock();
    return CKR_OK;
}

CK_RV mem_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    static const struct {
        unsigned from;
        CK_FLAGS flag;
    } wrong[] = {
        {1, CKF_USER_PIN_COUNT_LOW}, {9, CKF_USER_PIN_FINAL_TRY}, {10, CKF_USER_PIN_LOCKED}};

    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    memset(info, 0, sizeof *info);
    blank(info->manufacturerID, sizeof info->manufacturerID, "p11ekm tests");
    blank(info->model, sizeof info->model, "memory");
    blank(info->serialNumber, sizeof info->serialNumber, "1");
    info->flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
    info->ulMinPinLen = 4;
    info->ulMaxPinLen = sizeof mem.pin - 1;
    info->ulTotalPublicMemory = info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulTotalPrivateMemory = info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    mem_lock();
    blank(info->label, sizeof info->label, mem.label);
    info->ulMaxSessionCount = info->ulMaxRwSessionCount = MEM_SESSIONS;
    info->ulSessionCount = info->ulRwSessionCount = mem.sessions_open;
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (mem.wrong_pins >= wrong[i].from)
            info->flags |= wrong[i].flag;
    mem_quirk_info(info);
    mem_unlock();
    return CKR_OK;
}
