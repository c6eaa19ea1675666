/* SPDX-License-Identifier: Apache-2.0
 *
 * The C API of p11ekm_cmk.h, implemented with the key store (store.h). A p11ekm_cmk is a handle of
 * a store (handle.h).
 */
#include "cmk/p11ekm_cmk.h"

#include <stdio.h>
#include <string.h>
#include "cmk/handle.h"
#include "cmk/store.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"

unsigned p11ekm_cmk_version(void)
{
    return P11EKM_CMK_VERSION;
}

const char *p11ekm_cmk_provider_name(void)
{
    return CMK_PROVIDER_NAME;
}

const char *p11ekm_cmk_code_text(int code)
{
#define ROW(name, number, cls, text, next) {number, text "; " next},
    static const struct {
        int code;
        const char *text;
    } rows[] = {CORE_STATUS_LIST(ROW)};
#undef ROW
    if (code == P11EKM_CMK_OK)
        return core_status_text(ST_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i].text;
    return "unknown code";
}

/* Returns the code of a status and writes its text to `message` (`message_size` bytes). */
static int to_api_code(core_status st, const core_err *err, char *message, size_t message_size)
{
    if (message != NULL && message_size != 0 && st == ST_OK) {
        message[0] = '\0';
    } else if (message != NULL && message_size != 0) {
        (void)snprintf(message, message_size, "%s", core_err_text(err, st));
        size_t length = strlen(message);
        while (!core_utf8_valid(message, length)) /* cut within a character */
            message[--length] = '\0';
    }
    return (int)core_status_code(st);
}

static core_status null_argument(core_err *err, const char *what)
{
    return core_fail(err, ST_INVALID_ARGUMENT, "%s: it is NULL; see p11ekm_cmk.h", what);
}

/* Looks up the store of a handle and takes a reference, so that another thread may close the
 * handle. */
static core_status use_store(const p11ekm_cmk *handle, cmk_store **store, core_err *err)
{
    *store = NULL;
    if (handle == NULL)
        return null_argument(err, "store");
    *store = cmk_handle_use(handle);
    return *store != NULL ? ST_OK
                          : core_fail(err, ST_INVALID_ARGUMENT,
                                      "store: it is closed or not a store; use one that "
                                      "p11ekm_cmk_open returned");
}

/* Checks the arguments that all functions with a result share. Without a buffer *size counts as 0.
 */
static core_status check_call(const p11ekm_cmk *handle, const uint8_t *out, size_t *size,
                              cmk_store **store, core_err *err)
{
    core_status st = use_store(handle, store, err);
    if (st == ST_OK && size == NULL)
        return null_argument(err, "size of the result");
    if (st == ST_OK && out == NULL)
        *size = 0;
    return st;
}

/* Ends a call that check_call began. *size is 0 after every failure except ST_BUFFER_TOO_SMALL. */
static void clear_size_on_failure(core_status st, cmk_store *store, size_t *size)
{
    cmk_store_close(store);
    if (size != NULL && st != ST_OK && st != ST_BUFFER_TOO_SMALL)
        *size = 0;
}

/* Refuses unknown flags: a program may rely on those of a later version. */
static core_status check_flags(unsigned flags, core_err *err)
{
    if ((flags & ~P11EKM_CMK_ALLOW_SOFTWARE) == 0)
        return ST_OK;
    return core_fail(err, ST_INVALID_ARGUMENT, "flags: 0x%x is not known; see p11ekm_cmk.h", flags);
}

static cmk_where where_of(unsigned flags)
{
    return (flags & P11EKM_CMK_ALLOW_SOFTWARE) != 0 ? CMK_SOFTWARE_ALLOWED : CMK_IN_TOKEN;
}

/* An empty PIN does not select pin_file: it usually comes from a user who entered none. */
static core_status check_pin(const char *pin, size_t pin_size, core_err *err)
{
    if (pin == NULL || pin_size != 0)
        return ST_OK;
    return core_fail(err, ST_PIN_SOURCE,
                     "PIN: it is empty; give NULL to use pin_file of the configuration");
}

static core_status check_enclave(int enclave, core_err *err)
{
    if (enclave == 0 || enclave == 1)
        return ST_OK;
    return core_fail(err, ST_INVALID_ARGUMENT, "enclave: %d is neither 0 nor 1; see p11ekm_cmk.h",
                     enclave);
}

int p11ekm_cmk_open(const char *config, const char *token, const char *pin, size_t pin_size,
                    p11ekm_cmk **store, char *message, size_t message_size)
{
    core_err err = {0};
    cmk_store *opened = NULL;
    if (store == NULL)
        return to_api_code(null_argument(&err, "store"), &err, message, message_size);
    *store = NULL;
    core_status st = check_pin(pin, pin_size, &err);
    if (st == ST_OK)
        st = cmk_store_open(config, token, pin, pin_size, &opened, &err);
    if (st == ST_OK && (token != NULL || pin != NULL))
        st = cmk_store_login(opened, &err);
    if (st == ST_OK && (*store = cmk_handle_new(opened)) == NULL)
        st = core_fail(&err, ST_NO_MEMORY, "store: out of memory; free some");
    if (st != ST_OK) {
        core_log_status(CORE_LOG_WARNING, "p11ekm_cmk_open", st, &err);
        cmk_store_close(opened);
    }
    return to_api_code(st, &err, message, message_size);
}

void p11ekm_cmk_close(p11ekm_cmk *store)
{
    cmk_store_close(cmk_handle_close(store));
}

static core_status decrypt(cmk_store *store, const char *path, const char *algorithm,
                           const uint8_t *ecek, size_t ecek_size, uint8_t *out, size_t *out_size,
                           core_err *err)
{
    uint8_t cek[CMK_CEK_LEN];
    const size_t size = *out_size;
    *out_size = CMK_CEK_LEN;
    if (size < CMK_CEK_LEN)
        return core_fail(err, ST_BUFFER_TOO_SMALL,
                         "column encryption key: it has %d bytes; give a larger buffer",
                         CMK_CEK_LEN);
    const core_status st = cmk_decrypt_cek(store, path, algorithm, ecek, ecek_size, cek, err);
    memset(out, 0, size);
    if (st == ST_OK)
        memcpy(out, cek, sizeof cek);
    core_wipe(cek, sizeof cek);
    return st;
}

int p11ekm_cmk_decrypt(p11ekm_cmk *handle, const char *key_path, const char *algorithm,
                       const uint8_t *ecek, size_t ecek_size, uint8_t *cek, size_t *cek_size,
                       char *message, size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = check_call(handle, cek, cek_size, &store, &err);
    if (st == ST_OK)
        st = decrypt(store, key_path, algorithm, ecek, ecek_size, cek, cek_size, &err);
    clear_size_on_failure(st, store, cek_size);
    return to_api_code(st, &err, message, message_size);
}

int p11ekm_cmk_encrypt(p11ekm_cmk *handle, const char *key_path, const char *algorithm,
                       const uint8_t *cek, size_t cek_size, uint8_t *ecek, size_t *ecek_size,
                       char *message, size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = check_call(handle, ecek, ecek_size, &store, &err);
    if (st == ST_OK)
        st = cmk_encrypt_cek(store, key_path, algorithm, cek, cek_size, ecek, ecek_size, &err);
    clear_size_on_failure(st, store, ecek_size);
    return to_api_code(st, &err, message, message_size);
}

int p11ekm_cmk_generate(p11ekm_cmk *handle, const char *key_path, const char *algorithm,
                        unsigned flags, uint8_t *ecek, size_t *ecek_size, char *message,
                        size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = check_call(handle, ecek, ecek_size, &store, &err);
    if (st == ST_OK)
        st = check_flags(flags, &err);
    if (st == ST_OK)
        st = cmk_generate_cek(store, key_path, algorithm, where_of(flags), ecek, ecek_size, &err);
    clear_size_on_failure(st, store, ecek_size);
    return to_api_code(st, &err, message, message_size);
}

int p11ekm_cmk_rewrap(p11ekm_cmk *handle, const char *old_key_path, const char *new_key_path,
                      const char *algorithm, unsigned flags, const uint8_t *old_ecek,
                      size_t old_ecek_size, uint8_t *ecek, size_t *ecek_size, char *message,
                      size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = check_call(handle, ecek, ecek_size, &store, &err);
    if (st == ST_OK)
        st = check_flags(flags, &err);
    if (st == ST_OK)
        st = cmk_rewrap_cek(store, old_key_path, new_key_path, algorithm, old_ecek, old_ecek_size,
                            where_of(flags), ecek, ecek_size, &err);
    clear_size_on_failure(st, store, ecek_size);
    return to_api_code(st, &err, message, message_size);
}

int p11ekm_cmk_sign(p11ekm_cmk *handle, const char *key_path, int enclave, uint8_t *signature,
                    size_t *signature_size, char *message, size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = check_call(handle, signature, signature_size, &store, &err);
    if (st == ST_OK)
        st = check_enclave(enclave, &err);
    if (st == ST_OK)
        st = cmk_sign_metadata(store, key_path, enclave != 0, signature, signature_size, &err);
    clear_size_on_failure(st, store, signature_size);
    return to_api_code(st, &err, message, message_size);
}

int p11ekm_cmk_verify(p11ekm_cmk *handle, const char *key_path, int enclave,
                      const uint8_t *signature, size_t signature_size, char *message,
                      size_t message_size)
{
    core_err err = {0};
    cmk_store *store = NULL;
    core_status st = use_store(handle, &store, &err);
    if (st == ST_OK)
        st = check_enclave(enclave, &err);
    if (st == ST_OK)
        st = cmk_verify_metadata(store, key_path, enclave != 0, signature, signature_size, &err);
    cmk_store_close(store);
    return to_api_code(st, &err, message, message_size);
}
