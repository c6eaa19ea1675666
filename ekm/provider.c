/* SPDX-License-Identifier: Apache-2.0
 *
 * The life cycle of the provider. SQL Server may load, initialize, free and unload it at any time,
 * also while other threads are in a call. Free admits no new call, waits for the running ones, then
 * closes all sessions and the token layer. Initialize and Free are idempotent, not counted, and run
 * one at a time.
 */
#include <string.h>
#include "core/text.h"
#include "ekm/ekm_private.h"

struct provider_state {
    core_lock lock;    /* guards the members below; calls enter and leave without it */
    core_cond changed; /* a call left, or Initialize or Free ended */
    /* A call counts itself in `calls`, then reads `context`. Free sets `context` to NULL, then
     * reads `calls`. All of this is sequentially consistent: Free waits for the call, or the call
     * finds no context. In the same way Free sets `busy` before it reads `calls`, and a call that
     * leaves reads it after: the last one sees that Free may be waiting. */
    _Atomic(tok_context *) context; /* NULL: not initialized */
    _Atomic unsigned calls;         /* between enter and leave */
    _Atomic bool busy;              /* Initialize or Free is running */
    bool closing;
};
static struct provider_state provider; /* for the next line to name its lock */
static struct provider_state provider CORE_GUARDED_BY(provider.lock) = {.lock = CORE_LOCK_INIT,
                                                                        .changed = CORE_COND_INIT};

static void wait_changed_locked(void) CORE_REQUIRES(provider.lock)
{
    core_lock_wait(&provider.lock, &provider.changed);
}

/* Waits until no other thread initializes or frees the provider. */
static void exclusive_acquire_locked(void) CORE_REQUIRES(provider.lock)
{
    while (provider.busy)
        wait_changed_locked();
    provider.busy = true;
}

static void exclusive_release_locked(void) CORE_REQUIRES(provider.lock)
{
    provider.busy = false;
    provider.closing = false;
    core_cond_broadcast(&provider.changed);
}

core_status ekm_provider_open(core_err *err)
{
    core_lock_acquire(&provider.lock);
    exclusive_acquire_locked();
    tok_context *context = provider.context;
    core_lock_release(&provider.lock);

    core_status st = ST_OK;
    if (!context) {
        st = tok_context_open(NULL, &context, err);
        if (st == ST_OK)
            core_log(CORE_LOG_INFO, "EKM provider %s initialized with %s", P11EKM_VERSION,
                     tok_context_config(context)->path);
        else
            context = NULL;
    }
    core_lock_acquire(&provider.lock);
    provider.context = context;
    exclusive_release_locked();
    core_lock_release(&provider.lock);
    return st;
}

void ekm_provider_close(void)
{
    core_lock_acquire(&provider.lock);
    exclusive_acquire_locked();
    tok_context *context = provider.context;
    provider.context = NULL;
    provider.closing = true;
    while (provider.calls > 0)
        wait_changed_locked();
    core_lock_release(&provider.lock);

    if (context) {
        ekm_handle_clear();
        ekm_startup_reset();
        core_log(CORE_LOG_INFO, "EKM provider freed");
        tok_context_close(context);
    }
    core_lock_acquire(&provider.lock);
    exclusive_release_locked();
    core_lock_release(&provider.lock);
}

/* The atomics are read without the lock; see provider_state. */
CORE_NO_ANALYSIS
core_status ekm_provider_enter(tok_context **context, core_err *err)
{
    *context = NULL;
    /* Not counted where there is no context yet: Free does not wait for such calls. */
    if (provider.context) {
        provider.calls++;
        *context = provider.context;
        if (!*context)
            ekm_provider_leave();
    }
    if (!*context)
        return core_fail(err, ST_PROVIDER_ERROR, "called before SqlCryptInitializeProvider");
    return ST_OK;
}

/* With the lock, Free is not between its look at `calls` and its wait. */
CORE_NO_ANALYSIS
void ekm_provider_leave(void)
{
    if (atomic_fetch_sub(&provider.calls, 1) != 1 || !provider.busy)
        return;
    core_lock_acquire(&provider.lock);
    core_cond_broadcast(&provider.changed);
    core_lock_release(&provider.lock);
}

/* Waits inside a call poll this, so that SqlCryptFreeProvider does not wait for them. */
bool ekm_provider_closing(void)
{
    core_lock_acquire(&provider.lock);
    bool closing = provider.closing;
    core_lock_release(&provider.lock);
    return closing;
}

/* SQL Server stores the GUID when the provider is registered, and refuses a library with another.
 * It never changes: {7807b56f-373f-4954-aa47-328a7a04c970}. tools/p11trace/identity.h, which the
 * build of p11trace includes before this file, defines another name and GUID. */
#ifndef P11EKM_PROVIDER_NAME
#define P11EKM_PROVIDER_NAME "p11ekm PKCS#11 EKM provider"
static const SqlCpGuid provider_guid = {
    0x7807b56f, 0x373f, 0x4954, {0xaa, 0x47, 0x32, 0x8a, 0x7a, 0x04, 0xc9, 0x70}};
#endif

/* SQL Server compares and stores the structure as a whole, so its padding is zeroed too. */
core_status ekm_provider_info(ekm_call *call, SqlCpProviderInfo *info)
{
    if (!info)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "info is NULL");
    uint8_t name[2 * sizeof P11EKM_PROVIDER_NAME];
    size_t length = sizeof name;
    core_status st = core_utf8_to_utf16(P11EKM_PROVIDER_NAME, name, &length);
    if (st != ST_OK)
        return st;
    SqlCpWchar *buffer = info->name.ws;
    if (!ekm_fits(buffer, info->name.cb, length)) {
        info->name.cb = (SqlCpUlong)length;
        return ST_BUFFER_TOO_SMALL;
    }
    const SqlCpKeyFlags support = scp_kf_Supported | scp_kf_Volatile | scp_kf_Exportable;
    memset(info, 0, sizeof *info);
    memcpy(buffer, name, length);
    info->name.ws = buffer;
    info->name.cb = (SqlCpUlong)length;
    info->guid = provider_guid;
    info->version.major = P11EKM_VERSION_MAJOR;
    info->version.minor = P11EKM_VERSION_MINOR;
    info->version.build = P11EKM_VERSION_PATCH;
    info->scpVersion.major = 1;
    info->scpVersion.minor = 1;
    info->authType = scp_auth_Basic;
    info->symmKeySupport = support;
    info->asymmKeySupport = support;
    info->cbKeyThumbLen = TOK_THUMB_LEN;
    info->fAcceptsKeyName = 1;
    return ST_OK;
}
