/* SPDX-License-Identifier: Apache-2.0
 *
 * Chaos through SQL Server's interface: what a database engine does with its key encryption key.
 */
#include <stdlib.h>
#include <string.h>
#include "chaos.h"
#include "tests/unit/ekm_fixture.h"

static uint8_t rsa[FX_THUMB];
static uint8_t sealed[256];
static SqlCpByte secret[] = "a database encryption key, or so";
static unsigned keys;

static bool decrypts(chaos_worker *w, const uint8_t *in, int *code)
{
    uint8_t out[256];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpData from = {sizeof sealed, (SqlCpByte *)(uintptr_t)in};
    SqlCpData to = {sizeof out, out};

    *code = (int)SqlCryptDecrypt(&w->session, &key, 1, NULL, 0, &from, &to);
    if (*code == scp_err_Success)
        chaos_served(w);
    return *code != scp_err_Success ||
           (to.cb == sizeof secret && memcmp(out, secret, sizeof secret) == 0);
}

static bool opens_sealed(chaos_worker *w, int *code)
{
    return decrypts(w, sealed, code);
}

static bool seals_and_opens(chaos_worker *w, int *code)
{
    uint8_t cipher[256];
    SqlCpKeyThumbprint key = {FX_THUMB, rsa};
    SqlCpData from = {sizeof secret, secret};
    SqlCpData to = {sizeof cipher, cipher};

    *code = (int)SqlCryptEncrypt(&w->session, &key, 1, NULL, 0, &from, &to);
    return *code != scp_err_Success || decrypts(w, cipher, code);
}

static bool refuses_junk(chaos_worker *w, int *code)
{
    enum { DECRYPT_FAILED = 2073 };
    uint8_t junk[sizeof sealed];
    memcpy(junk, sealed, sizeof junk);
    junk[w->rounds % sizeof junk] ^= 1;
    (void)decrypts(w, junk, code);
    if (*code == scp_err_Success)
        return false;
    if (*code == DECRYPT_FAILED)
        *code = scp_err_Success;
    return true;
}

static bool finds(chaos_worker *w, int *code)
{
    fx_key key;
    *code = (int)fx_info(w->session, FX_BY_NAME, "chaos-rsa", &key);
    return *code != scp_err_Success || memcmp(key.thumb, rsa, FX_THUMB) == 0;
}

static unsigned count_keys(SqlCpSession session, int *code)
{
    SqlCpKeyId id = 0;
    unsigned count = 0;
    while ((*code = (int)SqlCryptGetNextKeyId(&session, &id)) == scp_err_Success)
        count++;
    if (*code == scp_err_NotFound)
        *code = scp_err_Success;
    return count;
}

static bool lists(chaos_worker *w, int *code)
{
    unsigned count = count_keys(w->session, code);
    return *code != scp_err_Success || count == keys;
}

static bool other_session(chaos_worker *w, int *code)
{
    SqlCpSession other = NULL;
    SqlCpSession closing;

    *code = (int)fx_open("test", "no PIN of this", &other);
    if (*code != scp_err_AuthFailure)
        return chaos_says_away(*code);
    *code = (int)fx_open("test", getenv("PIN"), &other);
    if (*code != scp_err_Success)
        return true;
    closing = w->session;
    w->session = other;
    bool good = decrypts(w, sealed, code);
    (void)SqlCryptCloseSession(&closing, 0);
    return good;
}

static bool open_front_end(chaos_worker *w)
{
    return fx_open("test", getenv("PIN"), &w->session) == scp_err_Success;
}

static void close_front_end(chaos_worker *w)
{
    (void)SqlCryptCloseSession(&w->session, 0);
}

static bool prepare(chaos_worker *w)
{
    size_t cipher_len = sizeof sealed;
    int code;

    if (fx_create(w->session, "chaos-rsa", CORE_ALG_RSA_2048, 0, rsa) != scp_err_Success ||
        fx_encrypt(w->session, rsa, NULL, 0, secret, sizeof secret, sealed, &cipher_len) !=
            scp_err_Success)
        return false;
    keys = count_keys(w->session, &code);
    return code == scp_err_Success && keys > 0;
}

static unsigned lost(void)
{
    chaos_worker w = {.kind = CHAOS_TDE};
    int code = 0;

    if (!open_front_end(&w))
        return keys;
    bool there = opens_sealed(&w, &code) && code == scp_err_Success;
    unsigned count = count_keys(w.session, &code);
    close_front_end(&w);
    return (there ? 0 : 1) + (count < keys ? keys - count : 0);
}

static const chaos_work works[CHAOS_WORKS] = {
    {"opens a sealed key", opens_sealed},
    {"seals one and opens it", seals_and_opens},
    {"opens a sealed key", opens_sealed},
    {"refuses a changed one", refuses_junk},
    {"opens a sealed key", opens_sealed},
    {"finds the key by name", finds},
    {"lists the keys", lists},
    {"another session", other_session},
};
const chaos_front_end chaos_tde = {"TDE", works, open_front_end, close_front_end, prepare, lost};
