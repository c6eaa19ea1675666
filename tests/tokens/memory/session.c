/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token's sessions, its login, and its PIN.
 */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include "login_quirk_private.h"

enum { MOST_WRONG = 10 };

mem_session *mem_session_find(CK_SESSION_HANDLE handle)
{
    for (size_t i = 0; handle != 0 && i < MEM_SESSIONS; i++)
        if (mem.sessions[i].handle == handle)
            return &mem.sessions[i];
    return NULL;
}

void mem_operation_end(mem_operation *operation)
{
    if (operation->key != NULL)
        mem_object_unref(operation->key);
    memset(operation, 0, sizeof *operation);
}

static bool is_of(const mem_object *object, CK_SESSION_HANDLE session)
{
    return object->owner == session;
}

static bool is_private_of_session(const mem_object *object, CK_SESSION_HANDLE session)
{
    (void)session;
    return object->owner != 0 && mem_object_is(object, CKA_PRIVATE);
}

static void end_login(void)
{
    mem_objects_drop(is_private_of_session, 0);
    mem_objects_renumber();
    mem.logged_in = mem_quirks.no_login != 0;
}

static void close_session(mem_session *s)
{
    mem_objects_drop(is_of, s->handle);
    for (size_t i = 0; i < MEM_KINDS; i++)
        mem_operation_end(&s->operations[i]);
    free(s->found);
    memset(s, 0, sizeof *s);
    if (--mem.sessions_open == 0)
        end_login();
}

void mem_sessions_close(void)
{
    for (size_t i = 0; i < MEM_SESSIONS; i++)
        if (mem.sessions[i].handle != 0)
            close_session(&mem.sessions[i]);
}

CK_RV mem_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                        CK_SESSION_HANDLE *out)
{
    CK_RV rv = CKR_SESSION_COUNT;

    (void)app;
    (void)notify;
    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    if ((flags & CKF_SERIAL_SESSION) == 0)
        return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    mem_lock();
    const bool full = (mem.limit != 0 && mem.sessions_open >= mem.limit) || mem_quirk_full(flags);
    for (size_t i = 0; i < MEM_SESSIONS && !full; i++) {
        if (mem.sessions[i].handle != 0)
            continue;
        mem.sessions[i].handle = *out = ++mem.last_session;
        mem.sessions[i].writes = (flags & CKF_RW_SESSION) != 0;
        mem.sessions_open++;
        rv = CKR_OK;
        break;
    }
    mem_unlock();
    return rv;
}

CK_RV mem_C_CloseSession(CK_SESSION_HANDLE handle)
{
    mem_lock();
    mem_session *s = mem_session_find(handle);
    if (s != NULL)
        close_session(s);
    mem_unlock();
    return s != NULL ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV mem_C_CloseAllSessions(CK_SLOT_ID slot)
{
    if (!mem_slot_there(slot))
        return CKR_SLOT_ID_INVALID;
    mem_lock();
    mem_sessions_close();
    mem_unlock();
    return CKR_OK;
}

CK_RV mem_C_GetSessionInfo(CK_SESSION_HANDLE handle, CK_SESSION_INFO *info)
{
    mem_lock();
    const mem_session *s = mem_session_find(handle);
    if (s != NULL) {
        info->slotID = MEM_SLOT;
        info->flags = CKF_SERIAL_SESSION | (s->writes ? CKF_RW_SESSION : 0);
        const bool in = mem.logged_in && !mem_quirks.no_login;
        info->state = s->writes ? (in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION)
                                : (in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION);
        info->ulDeviceError = 0;
    }
    mem_unlock();
    return s != NULL ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static CK_RV check_pin_locked(const CK_BYTE *pin, CK_ULONG n)
{
    if (mem.wrong_pins >= MOST_WRONG)
        return CKR_PIN_LOCKED;
    if (mem_quirks.keypad)
        return pin == NULL ? CKR_OK : CKR_ARGUMENTS_BAD;
    if (pin != NULL && n == strlen(mem.pin) && CRYPTO_memcmp(pin, mem.pin, n) == 0) {
        mem.wrong_pins = 0;
        return CKR_OK;
    }
    mem.wrong_pins += !mem_quirks.blind;
    return mem_quirks.wrong_pin_rv != CKR_OK ? mem_quirks.wrong_pin_rv : CKR_PIN_INCORRECT;
}

static CK_RV login_locked(CK_SESSION_HANDLE session, CK_USER_TYPE user, const CK_BYTE *pin,
                          CK_ULONG n)
{
    if (mem_session_find(session) == NULL)
        return CKR_SESSION_HANDLE_INVALID;
    if (user != CKU_USER && user != CKU_CONTEXT_SPECIFIC)
        return CKR_USER_TYPE_INVALID;
    if (user == CKU_CONTEXT_SPECIFIC && !mem.logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    if (user == CKU_USER && mem.logged_in && !mem_quirks.no_login)
        return CKR_USER_ALREADY_LOGGED_IN;
    CK_RV rv = mem_quirk_login(pin, n);
    if (rv == CKR_OK)
        rv = check_pin_locked(pin, n);
    if (user == CKU_CONTEXT_SPECIFIC)
        return rv;
    mem.logged_in |= rv == CKR_OK;
    mem.logins += rv == CKR_OK;
    return rv;
}

CK_RV mem_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG n)
{
    mem_quirk_delay();
    mem_lock();
    CK_RV rv = login_locked(session, user, pin, n);
    mem_unlock();
    return rv;
}

CK_RV mem_C_Logout(CK_SESSION_HANDLE session)
{
    CK_RV rv = CKR_OK;

    mem_lock();
    if (mem_session_find(session) == NULL)
        rv = CKR_SESSION_HANDLE_INVALID;
    else if (!mem.logged_in)
        rv = CKR_USER_NOT_LOGGED_IN;
    if (rv == CKR_OK)
        end_login();
    mem_unlock();
    return rv;
}

CK_RV mem_C_SetPIN(CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG n, CK_BYTE *next, CK_ULONG n2)
{
    CK_RV rv = CKR_OK;

    if (next == NULL || n2 < 4 || n2 >= sizeof mem.pin)
        return CKR_PIN_LEN_RANGE;
    mem_lock();
    const mem_session *s = mem_session_find(session);
    if (s == NULL)
        rv = CKR_SESSION_HANDLE_INVALID;
    else if (!s->writes)
        rv = CKR_SESSION_READ_ONLY;
    else
        rv = check_pin_locked(pin, n);
    if (rv == CKR_OK) {
        memcpy(mem.pin, next, n2);
        mem.pin[n2] = '\0';
    }
    mem_unlock();
    return rv;
}

static CK_RV need_session(CK_SESSION_HANDLE session)
{
    mem_lock();
    const bool known = mem_session_find(session) != NULL;
    mem_unlock();
    return known ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV mem_C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG n)
{
    (void)in;
    (void)n;
    const CK_RV rv = need_session(session);
    return rv == CKR_OK ? CKR_RANDOM_SEED_NOT_SUPPORTED : rv;
}

CK_RV mem_C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG n)
{
    const CK_RV rv = need_session(session);

    if (rv == CKR_OK && RAND_bytes(in, (int)n) != 1)
        return CKR_FUNCTION_FAILED;
    return rv;
}
