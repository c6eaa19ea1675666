/* SPDX-License-Identifier: Apache-2.0
 *
 * Any sequence of calls of SQL Server's interface, with every structure built from the input. The
 * memory of a pointer has exactly the length its `cb` states, unless that length must be refused
 * unread; so the address sanitizer detects any access beyond it. The token layer is the fake one:
 * afterwards all must be released and nothing misused.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "ekm/sqlcp.h"
#include "tests/unit/fake_tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 3, KEYS = 4, BLOCKS = 12, MAX_CALLS = 64, OUTPUT_MAX = 4096 };

typedef struct run {
    const uint8_t *next;
    size_t left;
    SqlCpSession sessions[SESSIONS]; /* open, open, closed */
    uint8_t keys[KEYS][16];
    void *blocks[BLOCKS]; /* of the current call */
    unsigned used;
} run;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t take(run *r, unsigned bytes)
{
    uint32_t value = 0;
    for (; bytes > 0 && r->left > 0; bytes--, r->left--)
        value = value << 8 | *r->next++;
    return value;
}

/* A block of exactly `size` bytes, filled from the input as far as it goes. */
static void *block(run *r, size_t size)
{
    uint8_t *b = malloc(size ? size : 1);
    check(b && r->used < BLOCKS);
    r->blocks[r->used++] = b;
    size_t n = size < r->left ? size : r->left;
    memset(b, 0, size ? size : 1);
    memcpy(b, r->next, n);
    r->next += n;
    r->left -= n;
    return b;
}

typedef struct span {
    SqlCpUlong cb;
    void *bytes;
} span;

/* Memory to be read through a pointer. */
static span input(run *r)
{
    span s = {0, NULL};
    uint32_t form = take(r, 1);
    if (form % 8 == 0) {
        s.cb = take(r, 4);
    } else if (form % 8 == 1) {
        s.cb = 0x80000000U | take(r, 4);
        s.bytes = block(r, 8);
    } else {
        s.cb = form % 8 == 2 ? take(r, 2) % OUTPUT_MAX : take(r, 1);
        s.bytes = block(r, s.cb);
    }
    return s;
}

/* Memory to be written: NULL, or of the stated length. */
static span output(run *r)
{
    span s = {0, NULL};
    uint32_t form = take(r, 1);
    s.cb = take(r, form % 4 == 1 ? 1 : 2) % OUTPUT_MAX;
    if (form % 4 != 0)
        s.bytes = block(r, s.cb);
    return s;
}

static SqlCpStr text(run *r)
{
    span s = input(r);
    return (SqlCpStr){s.cb, s.bytes};
}

static SqlCpData bytes(run *r)
{
    span s = input(r);
    return (SqlCpData){s.cb, s.bytes};
}

static SqlCpData room(run *r)
{
    span s = output(r);
    return (SqlCpData){s.cb, s.bytes};
}

/* Mostly an existing key. */
static SqlCpData thumb(run *r)
{
    uint32_t which = take(r, 1);
    if (which % 8 >= KEYS)
        return which % 8 == 7 ? bytes(r) : (SqlCpData){16, r->keys[which % KEYS]};
    return (SqlCpData){16, r->keys[which % KEYS]};
}

/* Mostly an open session. */
static SqlCpSession *session(run *r, SqlCpSession *scratch)
{
    uint32_t which = take(r, 1);
    if (which % 16 == 15)
        return NULL;
    *scratch = r->sessions[which % SESSIONS];
    if (which % 16 == 14) {
        uint64_t value = (uint64_t)take(r, 4) << 32 | take(r, 4);
        memcpy(scratch, &value, sizeof value);
    }
    return scratch;
}

static void known(SqlCpError e)
{
    check(e <= scp_err_ProviderError || (e >= scp_err_FirstOwn && e < 2049 + 64));
}

static void call_info(run *r, unsigned which)
{
    SqlCpSession s;
    SqlCpSession *handle = session(r, &s);
    span name = output(r);
    span print = output(r);
    SqlCpKeyInfo info = {.name = {name.cb, name.bytes}, .thumb = {print.cb, print.bytes}};
    SqlCpError e = scp_err_Failure;
    if (which == 0) {
        e = SqlCryptGetKeyInfoByKeyId(handle, take(r, 1), &info);
    } else if (which == 1) {
        SqlCpData t = thumb(r);
        e = SqlCryptGetKeyInfoByThumb(handle, &t, &info);
    } else {
        SqlCpStr wanted = text(r);
        e = SqlCryptGetKeyInfoByName(handle, &wanted, &info);
    }
    known(e);
    check(info.name.ws == name.bytes && info.thumb.pb == print.bytes);
    check(e != scp_err_Success || (info.name.cb <= name.cb && info.thumb.cb == 16));
}

static void call_crypt(run *r, bool encrypt)
{
    SqlCpSession s;
    SqlCpSession *handle = session(r, &s);
    SqlCpData key = thumb(r);
    SqlCpBoolean final = (SqlCpBoolean)(take(r, 1) != 7);
    SqlCpEncryptionParam params[2];
    uint32_t count = take(r, 1) % 4;
    for (unsigned n = 0; n < 2; n++) {
        SqlCpData iv = count > n ? bytes(r) : (SqlCpData){0, NULL};
        params[n] = (SqlCpEncryptionParam){
            take(r, 1) == 9 ? (SqlCpEncryptionParamType)1 : scp_ep_IV, iv.cb, iv.pb};
    }
    SqlCpData in = bytes(r);
    SqlCpData out = room(r);
    SqlCpData before = out;
    SqlCpError e = (encrypt ? SqlCryptEncrypt : SqlCryptDecrypt)(
        handle, &key, final, count == 3 ? NULL : params, count, &in, &out);
    known(e);
    check(out.pb == before.pb && (e != scp_err_Success || out.cb <= before.cb));
}

static void call_keys(run *r, unsigned which)
{
    SqlCpSession s;
    SqlCpSession *handle = session(r, &s);
    SqlCpData key = thumb(r);
    if (which == 0) {
        SqlCpStr name = text(r);
        SqlCpData made = room(r);
        SqlCpAlgId algorithm = take(r, 1);
        known(SqlCryptCreateKey(handle, &name, algorithm, take(r, 1), &made));
    } else if (which == 1) {
        known(SqlCryptDropKey(handle, &key));
    } else if (which == 2) {
        SqlCpKeyId id = take(r, 1) % 8 ? take(r, 1) : take(r, 4);
        known(SqlCryptGetNextKeyId(handle, &id));
    } else if (which == 3) {
        SqlCpData other = take(r, 1) % 2 ? (SqlCpData){0, NULL} : thumb(r);
        SqlCpData blob = room(r);
        SqlCpUlong cb = blob.cb;
        SqlCpError e =
            SqlCryptExportKey(handle, &key, &other, (SqlCpKeyBlobType)(take(r, 1) % 3), &blob);
        known(e);
        check(e != scp_err_Success || blob.cb <= cb);
    } else {
        SqlCpStr name = text(r);
        SqlCpData other = thumb(r);
        SqlCpData blob = bytes(r);
        check(SqlCryptImportKey(handle, &name, &other, (SqlCpKeyBlobType)(take(r, 1) % 3),
                                take(r, 1), &blob) != scp_err_Success);
    }
}

static void call_provider(run *r, unsigned which)
{
    SqlCpSession s = NULL;
    if (which == 0) {
        SqlCpCredential credential = {text(r), text(r)};
        SqlCpError e = SqlCryptOpenSession(&credential, &s);
        known(e);
        check((e == scp_err_Success) == (s != NULL));
    } else if (which == 1) {
        SqlCpSession *handle = session(r, &s);
        known(SqlCryptCloseSession(handle, (SqlCpBoolean)take(r, 1)));
    } else if (which == 2) {
        span name = output(r);
        SqlCpProviderInfo info = {.name = {name.cb, name.bytes}};
        known(SqlCryptGetProviderInfo(&info));
        check(info.name.ws == name.bytes);
    } else if (which == 3) {
        SqlCpAlgId id = take(r, 4);
        known(SqlCryptGetNextAlgorithmId(&id));
    } else {
        span tag = output(r);
        SqlCpAlgorithmInfo info = {.algTag = {tag.cb, tag.bytes}};
        known(SqlCryptGetAlgorithmInfo(take(r, 1), &info));
        check(info.algTag.ws == tag.bytes);
    }
}

static void open_session(SqlCpSession *out)
{
    SqlCpWchar name[] = {'a', 'l', 'p', 'h', 'a'};
    SqlCpWchar pin[] = {'1', '2', '3', '4'};
    SqlCpCredential credential = {{sizeof name, name}, {sizeof pin, pin}};
    check(SqlCryptOpenSession(&credential, out) == scp_err_Success);
}

static void begin(run *r)
{
    fake_reset(NULL);
    check(SqlCryptInitializeProvider() == scp_err_Success);
    for (unsigned n = 0; n < SESSIONS; n++)
        open_session(&r->sessions[n]);
    SqlCpSession closed = r->sessions[SESSIONS - 1];
    check(SqlCryptCloseSession(&closed, 0) == scp_err_Success);
    fake_put_key("rsa", CORE_ALG_RSA_2048, r->keys[0]);
    fake_put_key("aes", CORE_ALG_AES_256, r->keys[1]);
    fake_put_key("des", CORE_ALG_3DES, r->keys[2]);
    fake_put_key("unknown", CORE_ALG_COUNT, r->keys[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run r = {.next = data, .left = size};
    begin(&r);
    for (unsigned n = 0; n < MAX_CALLS && r.left > 0; n++) {
        uint32_t call = take(&r, 1) % 16;
        if (call < 2)
            call_crypt(&r, call == 0);
        else if (call < 5)
            call_info(&r, call - 2);
        else if (call < 10)
            call_keys(&r, call - 5);
        else if (call < 15)
            call_provider(&r, call - 10);
        else
            check(SqlCryptInitializeProvider() == scp_err_Success);
        while (r.used > 0)
            free(r.blocks[--r.used]);
    }
    check(SqlCryptFreeProvider() == scp_err_Success);
    check(fake_live() == 0 && fake_misuses() == 0);
    fake_reset(NULL);
    return 0;
}
