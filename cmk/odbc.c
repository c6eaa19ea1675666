/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store interface of Microsoft's ODBC driver. The driver looks up two exported arrays and
 * calls the functions they contain. The process has one store, which is opened at the first use and
 * replaced by each write of settings. The driver may never call `Free`.
 */
#include "cmk/p11ekm_odbc.h"

#include <string.h>
#include "cmk/odbc_private.h"
#include "cmk/store.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"

/* WIDE_MAX: the longest string accepted from the driver, in UTF-16 units (a key path in a database
 * has at most 4,000). STATUS_MAX: the size of the status text, in bytes. */
enum { WIDE_MAX = 32767, STATUS_MAX = 4096 };

#define WIDE_(text) u"" text
#define WIDE(text)  WIDE_(text)
static const uint16_t provider_name[] = WIDE(CMK_PROVIDER_NAME);

/* When another connection loads the library, the driver calls `Free` and later `Init`, while other
 * threads use the store through their connections. `Free` therefore closes nothing: a store with
 * settings could not be opened again, because their text (with a PIN) is not kept. A store without
 * settings is closed by an `Init` that follows `Free` after more than this time; the next call
 * opens it again and reads a changed configuration. */
enum { RELOAD_AFTER_US = 1000000 };

/* `lock` guards the members below. */
struct odbc_state {
    core_lock lock;
    cmk_store *store;     /* the current store, a reference; NULL: none is open */
    bool has_settings;    /* opened by a write of settings */
    uint64_t freed_at_us; /* core_now_us() of the last `Free`; 0 after `Init` */
};
static struct odbc_state odbc; /* declared first: the attribute below names its lock */
static struct odbc_state odbc CORE_GUARDED_BY(odbc.lock) = {.lock = CORE_LOCK_INIT};

/* Makes a store that was opened by settings the current one, and closes the previous one. Takes
 * over the reference. */
static void odbc_store_set(cmk_store *fresh)
{
    core_lock_acquire(&odbc.lock);
    cmk_store *old = odbc.store;
    odbc.store = fresh;
    odbc.has_settings = true;
    core_lock_release(&odbc.lock);
    cmk_store_close(old);
}

static void note_free(void)
{
    core_lock_acquire(&odbc.lock);
    odbc.freed_at_us = core_now_us();
    core_lock_release(&odbc.lock);
}

static void note_init(void)
{
    cmk_store *old = NULL;
    core_lock_acquire(&odbc.lock);
    if (odbc.freed_at_us != 0 && !odbc.has_settings &&
        core_now_us() - odbc.freed_at_us > RELOAD_AFTER_US) {
        old = odbc.store;
        odbc.store = NULL;
    }
    odbc.freed_at_us = 0;
    core_lock_release(&odbc.lock);
    cmk_store_close(old);
}

/* The current store with a reference for the caller; NULL if there is none. */
static cmk_store *odbc_store_current(void)
{
    core_lock_acquire(&odbc.lock);
    cmk_store *store = odbc.store == NULL ? NULL : cmk_store_ref(odbc.store);
    core_lock_release(&odbc.lock);
    return store;
}

/* Returns the current store with a reference. If there is none, opens the default configuration. */
static core_status odbc_store_open(cmk_store **out, core_err *err)
{
    *out = odbc_store_current();
    if (*out != NULL)
        return ST_OK;
    cmk_store *fresh = NULL;
    const core_status st = cmk_store_open(NULL, NULL, NULL, 0, &fresh, err);
    if (st != ST_OK) {
        core_log_status(CORE_LOG_ERROR, "ODBC key store", st, err);
        return st;
    }
    core_lock_acquire(&odbc.lock);
    if (odbc.store == NULL)
        odbc.store = cmk_store_ref(fresh);
    *out = cmk_store_ref(odbc.store);
    core_lock_release(&odbc.lock);
    cmk_store_close(fresh);
    return ST_OK;
}

/* Reports one message. The driver formats it with FormatMessage, so '%' is doubled. Returns 0. */
static int fail(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, core_status st,
                const core_err *err)
{
    enum { UNITS = sizeof err->text + sizeof CMK_PROVIDER_NAME + 2 };
    uint16_t text[UNITS], doubled[2 * UNITS + 1];
    size_t cb = sizeof text, n = 0;
    core_str line = {.limit = UNITS};
    core_str_addf(&line, "%s: %s", CMK_PROVIDER_NAME, core_err_text(err, st));
    if (core_utf8_to_utf16(core_str_get(&line), text, &cb) != ST_OK)
        cb = 0;
    core_str_free(&line);
    for (size_t i = 0; i < cb / 2; i++) {
        doubled[n++] = text[i];
        if (text[i] == '%')
            doubled[n++] = '%';
    }
    doubled[n] = 0;
    if (on_error != NULL)
        on_error(ctx, doubled);
    return 0;
}

/* Converts a string of the driver to UTF-8; NULL becomes "". Release *out with core_free. */
static core_status utf16_to_utf8_alloc(const uint16_t *wide, const char *what, char **out,
                                       core_err *err)
{
    const size_t units = wide == NULL ? 0 : core_utf16_length(wide, WIDE_MAX + 1);
    *out = core_calloc(3 * units + 1, 1);
    if (*out == NULL)
        return core_fail(err, ST_NO_MEMORY, "%s: out of memory", what);
    const core_status st = units > WIDE_MAX
                               ? ST_INVALID_ARGUMENT
                               : core_utf16_to_utf8(wide, 2 * units, *out, 3 * units + 1);
    if (st == ST_OK)
        return st;
    core_free(*out);
    *out = NULL;
    return core_fail(err, st, "%s: it is too long or not UTF-16; check it in the database", what);
}

/* The strings and the store of one call, as the functions below need them. */
typedef struct odbc_call {
    cmk_store *store;
    char *path, *algorithm;
} odbc_call;

static core_status begin(odbc_call *call, const uint16_t *path, const uint16_t *algorithm,
                         core_err *err)
{
    *call = (odbc_call){0};
    core_status st = utf16_to_utf8_alloc(path, "key path", &call->path, err);
    if (st == ST_OK)
        st = utf16_to_utf8_alloc(algorithm, "encryption algorithm", &call->algorithm, err);
    if (st == ST_OK)
        st = odbc_store_open(&call->store, err);
    return st;
}

static void end(odbc_call *call)
{
    cmk_store_close(call->store);
    core_free(call->path);
    core_free(call->algorithm);
}

/* Copies a result to memory that the driver frees. */
static core_status copy_for_driver(const uint8_t *bytes, size_t length, unsigned char **out,
                                   unsigned short *out_len, core_err *err)
{
    if (bytes == NULL || length > UINT16_MAX || (*out = core_host_alloc(length)) == NULL)
        return core_fail(err, ST_NO_MEMORY, "column encryption key: out of memory");
    memcpy(*out, bytes, length);
    *out_len = (unsigned short)length;
    return ST_OK;
}

static int odbc_decrypt(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, const uint16_t *path,
                        const uint16_t *algorithm, unsigned char *ecek, unsigned short ecek_len,
                        unsigned char **cek_out, unsigned short *cek_len)
{
    uint8_t cek[CMK_CEK_LEN];
    core_err err = {0};
    odbc_call call;
    if (cek_out == NULL || cek_len == NULL)
        return fail(ctx, on_error, ST_INVALID_ARGUMENT, &err);
    *cek_out = NULL;
    *cek_len = 0;
    core_status st = begin(&call, path, algorithm, &err);
    if (st == ST_OK)
        st = cmk_decrypt_cek(call.store, call.path, call.algorithm, ecek, ecek_len, cek, &err);
    if (st == ST_OK)
        st = copy_for_driver(cek, sizeof cek, cek_out, cek_len, &err);
    core_wipe(cek, sizeof cek);
    end(&call);
    return st == ST_OK ? 1 : fail(ctx, on_error, st, &err);
}

static int odbc_encrypt(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, const uint16_t *path,
                        const uint16_t *algorithm, unsigned char *cek, unsigned short cek_len,
                        unsigned char **ecek_out, unsigned short *ecek_len)
{
    uint8_t *blob = NULL;
    size_t length = 0;
    core_err err = {0};
    odbc_call call;
    if (ecek_out == NULL || ecek_len == NULL)
        return fail(ctx, on_error, ST_INVALID_ARGUMENT, &err);
    *ecek_out = NULL;
    *ecek_len = 0;
    core_status st = begin(&call, path, algorithm, &err);
    if (st == ST_OK)
        st = cmk_encrypt_cek(call.store, call.path, call.algorithm, cek, cek_len, NULL, &length,
                             &err);
    if (st == ST_BUFFER_TOO_SMALL) {
        blob = core_calloc(length, 1);
        st = blob == NULL ? core_fail(&err, ST_NO_MEMORY, "column encryption key: out of memory")
                          : cmk_encrypt_cek(call.store, call.path, call.algorithm, cek, cek_len,
                                            blob, &length, &err);
    }
    if (st == ST_OK)
        st = copy_for_driver(blob, length, ecek_out, ecek_len, &err);
    core_free(blob);
    end(&call);
    return st == ST_OK ? 1 : fail(ctx, on_error, st, &err);
}

/* The driver calls this for enclave-enabled keys only and passes neither the flag nor the provider
 * name. */
static int odbc_verify(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, const uint16_t *path,
                       unsigned char *signature, unsigned short signature_len)
{
    core_err err = {0};
    odbc_call call;
    core_status st = begin(&call, path, NULL, &err);
    if (st == ST_OK)
        st = cmk_verify_metadata(call.store, call.path, true, signature, signature_len, &err);
    end(&call);
    return st == ST_OK ? 1 : fail(ctx, on_error, st, &err);
}

static int odbc_init(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error)
{
    (void)ctx;
    (void)on_error;
    note_init();
    return 1; /* the store is opened when it is needed: settings may be written before */
}

static core_status open_settings(const odbc_settings *settings, cmk_store **out, core_err *err)
{
    core_status st =
        cmk_store_open(settings->value[ODBC_CONFIG], settings->value[ODBC_TOKEN],
                       settings->value[ODBC_PIN], settings->length[ODBC_PIN], out, err);
    if (st == ST_OK && (settings->value[ODBC_TOKEN] != NULL || settings->value[ODBC_PIN] != NULL))
        st = cmk_store_login(*out, err);
    return st;
}

static int odbc_write(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, void *data,
                      unsigned int length)
{
    odbc_settings settings = {0};
    cmk_store *store = NULL;
    core_err err = {0};
    core_status st = odbc_settings_read(data, length, &settings, &err);
    if (st == ST_OK)
        st = open_settings(&settings, &store, &err);
    odbc_settings_wipe(&settings);
    if (st == ST_OK) {
        odbc_store_set(store);
    } else {
        core_log_status(CORE_LOG_WARNING, "ODBC settings", st, &err);
        cmk_store_close(store);
    }
    return st == ST_OK ? 1 : fail(ctx, on_error, st, &err);
}

static int odbc_read(p11ekm_odbc_context *ctx, p11ekm_odbc_error *on_error, void *data,
                     unsigned int *length)
{
    char text[STATUS_MAX] = "provider=" CMK_PROVIDER_NAME "\nversion=" P11EKM_VERSION "\n";
    core_err err = {0};
    cmk_store *store = odbc_store_current();
    if (store != NULL)
        cmk_store_status(store, text, sizeof text);
    cmk_store_close(store);
    const size_t needed = strlen(text);
    if (data == NULL || length == NULL || *length < needed)
        return fail(ctx, on_error,
                    core_fail(&err, ST_BUFFER_TOO_SMALL,
                              "status: it has %zu bytes; give a larger buffer", needed),
                    &err);
    memcpy(data, text, needed);
    *length = (unsigned int)needed;
    return 1;
}

static void odbc_free(void)
{
    note_free();
}

static const p11ekm_odbc_provider2 version2 = {.name = provider_name,
                                               .init = odbc_init,
                                               .read = odbc_read,
                                               .write = odbc_write,
                                               .decrypt_cek = odbc_decrypt,
                                               .encrypt_cek = odbc_encrypt,
                                               .verify_cmk_metadata = odbc_verify,
                                               .free = odbc_free};

/* For compilers without attributes the export list of the module makes these visible. */
#if defined(__GNUC__)
#define EXPORTED __attribute__((visibility("default")))
#else
#define EXPORTED
#endif
/* If a provider name appears in both arrays, the driver uses the version 1 entry. That entry cannot
 * verify a column master key, so the driver refuses every query that uses an enclave, or crashes
 * (msodbcsql 18.6). The version 1 array is therefore empty unless the build option is set, for
 * drivers before 17.4, which read no other. */
#ifdef P11EKM_ODBC_VERSION1
static const p11ekm_odbc_provider version1 = {.name = provider_name,
                                              .init = odbc_init,
                                              .read = odbc_read,
                                              .write = odbc_write,
                                              .decrypt_cek = odbc_decrypt,
                                              .encrypt_cek = odbc_encrypt,
                                              .free = odbc_free};
#define VERSION1 &version1,
#else
#define VERSION1
#endif
EXPORTED const p11ekm_odbc_provider *const CEKeystoreProvider[] = {VERSION1 NULL};
EXPORTED const p11ekm_odbc_provider2 *const CEKeystoreProvider2[] = {&version2, NULL};
