/* SPDX-License-Identifier: Apache-2.0
 *
 * See login_quirk.h. All of it runs under the memory token's lock.
 */
#include "login_quirk_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

p11memory_quirks mem_quirks;
static p11memory_tries tries;

void p11memory_set_quirks(const p11memory_quirks *quirks)
{
    mem_lock();
    if (mem_quirks.no_login)
        mem.logged_in = false;
    mem_quirks = quirks != NULL ? *quirks : (p11memory_quirks){0};
    tries = (p11memory_tries){0};
    if (mem_quirks.no_login)
        mem.logged_in = true;
    mem_unlock();
}

void p11memory_set_pin(const char *pin)
{
    mem_lock();
    mem.wrong_pins = 0;
    memset(mem.pin, 0, sizeof mem.pin);
    memcpy(mem.pin, pin, strlen(pin) < sizeof mem.pin ? strlen(pin) : sizeof mem.pin - 1);
    mem_unlock();
}

void p11memory_lose_oldest(void)
{
    CK_SESSION_HANDLE oldest = 0;

    mem_lock();
    for (size_t i = 0; i < MEM_SESSIONS; i++) {
        const CK_SESSION_HANDLE handle = mem.sessions[i].handle;
        if (handle != 0 && (oldest == 0 || handle < oldest))
            oldest = handle;
    }
    mem_unlock();
    if (oldest != 0)
        (void)mem_C_CloseSession(oldest);
}

void p11memory_get_tries(p11memory_tries *out)
{
    mem_lock();
    *out = tries;
    mem_unlock();
}

void mem_quirk_delay(void)
{
    mem_lock();
    const struct timespec time = {(time_t)(mem_quirks.login_ms / 1000),
                                  (long)(mem_quirks.login_ms % 1000) * 1000000};
    mem_unlock();
    if (time.tv_sec > 0 || time.tv_nsec > 0)
        (void)nanosleep(&time, NULL);
}

CK_RV mem_quirk_login(const CK_BYTE *pin, CK_ULONG n)
{
    const bool right = mem_quirks.keypad
                           ? pin == NULL
                           : pin != NULL && n == strlen(mem.pin) && memcmp(pin, mem.pin, n) == 0;

    tries.all++;
    tries.right += right;
    tries.wrong += !right;
    if (mem_quirks.no_login)
        return CKR_FUNCTION_NOT_SUPPORTED;
    if (mem_quirks.login_rv == CKR_OK)
        return CKR_OK;
    const CK_RV rv = mem_quirks.login_rv;
    if (mem_quirks.login_times > 0 && --mem_quirks.login_times == 0)
        mem_quirks.login_rv = CKR_OK;
    return rv;
}

void mem_quirk_start(void)
{
    const char *flags = getenv("P11MEMORY_FLAGS");

    if (flags != NULL)
        mem_quirks.set |= strtoul(flags, NULL, 0);
}

void mem_quirk_info(CK_TOKEN_INFO *info)
{
    const p11memory_quirks *q = &mem_quirks;

    info->flags = (info->flags | q->set) & ~q->clear;
    if (q->min_pin != 0)
        info->ulMinPinLen = q->min_pin;
    if (q->max_pin != 0)
        info->ulMaxPinLen = q->max_pin;
    if (q->max_sessions != 0)
        info->ulMaxSessionCount = q->max_sessions;
    if (q->max_rw != 0)
        info->ulMaxRwSessionCount = q->max_rw;
}

bool mem_quirk_full(CK_FLAGS flags)
{
    unsigned writing = 0;

    for (size_t i = 0; i < MEM_SESSIONS; i++)
        writing += mem.sessions[i].handle != 0 && mem.sessions[i].writes;
    return mem_quirks.limit_rw > 0 && (flags & CKF_RW_SESSION) != 0 &&
           writing >= mem_quirks.limit_rw;
}
