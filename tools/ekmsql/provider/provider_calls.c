/* SPDX-License-Identifier: Apache-2.0
 *
 * One function for each call of the interface. Variable outputs are queried twice: the first call
 * gets empty buffers and must return InsufficientBuffer, set every size and set no pointer; the
 * second gets buffers of those sizes. A provider that does anything else violates the interface.
 */
#include "tools/ekmsql/provider/provider_private.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

void sql_cp_trace(const sql_provider *p, const char *function, SqlCpError result, uint64_t start)
{
    if (p->trace) {
        fprintf(stderr, "trace: %s %s %u (%s) %llu us\n", p->name, function, (unsigned)result,
                sql_code_meaning(result), (unsigned long long)(host_microseconds() - start));
    }
}

static SqlCpError broken(const sql_provider *p, const char *function, const char *what)
{
    fprintf(stderr, "ekmsql: provider '%s' broke the interface in %s: %s\n", p->name, function,
            what);
    return SQL_CP_BROKEN;
}

/* One variable output of any C type: pointers are only compared as addresses. */
typedef struct output {
    const char *what;
    SqlCpUlong *cb;
    const void *ours; /* value before the call */
    const void *now;  /* value after the call */
    SqlCpUlong most;
    bool text;
    bool may_be_empty;
} output;

/* Checks the result of the size call. */
static SqlCpError check_sizes(const sql_provider *p, const char *function, SqlCpError rc,
                              const output *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (out[i].now != NULL) {
            return broken(p, function, "it put a pointer of its own into our structure");
        }
    }
    if (rc == scp_err_Success) {
        return broken(p, function, "it answered Success to the size call, without our buffers");
    }
    for (size_t i = 0; rc == scp_err_InsufficientBuffer && i < count; i++) {
        if (*out[i].cb == 0 && !out[i].may_be_empty) {
            return broken(p, function, "it answered InsufficientBuffer without setting every size");
        }
        if (*out[i].cb > out[i].most || (out[i].text && *out[i].cb % 2 != 0)) {
            return broken(p, function, "it asked for a size outside the interface's limits");
        }
    }
    return rc;
}

/* Checks the result of the second call: capacity[i] is the size that was allocated. */
static SqlCpError check_filled(const sql_provider *p, const char *function, SqlCpError rc,
                               const output *out, const SqlCpUlong *capacity, size_t count)
{
    if (rc == scp_err_InsufficientBuffer) {
        return broken(p, function, "the size it asked for was not enough");
    }
    for (size_t i = 0; i < count; i++) {
        if (out[i].now != out[i].ours) {
            return broken(p, function, "it put a pointer of its own into our structure");
        }
        if (rc == scp_err_Success &&
            (*out[i].cb > capacity[i] || (out[i].text && *out[i].cb % 2 != 0))) {
            return broken(p, function, "it set a size beyond our buffer");
        }
    }
    return rc;
}

/* A NULL secret or name is an empty string. */
static SqlCpStr wide(sql_buf *store, const char *text, size_t len)
{
    sql_utf16_from_utf8(store, text, len);
    sql_buf_text(store);
    SqlCpStr s = {(SqlCpUlong)store->len, NULL};
    void *bytes = store->p;
    s.ws = bytes;
    return s;
}

static SqlCpData data(const sql_buf *buf)
{
    return (SqlCpData){(SqlCpUlong)buf->len, buf->p};
}

SqlCpError sql_cp_open_session(sql_provider *p, const char *identity, const sql_buf *secret,
                               SqlCpSession *session)
{
    SqlCpError rc = SQL_CP_BROKEN;
    sql_buf name = {0};
    sql_buf password = {0};
    SqlCpCredential credential = {0};
    credential.name = wide(&name, identity, strlen(identity));
    credential.password = wide(&password, (const char *)secret->p, secret->len);
    *session = NULL;
    SQL_CP_CALL(rc, p, SqlCryptOpenSession, (&credential, session));
    sql_buf_free(&name);
    sql_buf_free(&password);
    return rc;
}

void sql_cp_close_session(sql_provider *p, SqlCpSession *session)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptCloseSession, (session, 0));
    (void)rc;
}

SqlCpError sql_cp_get_info(sql_provider *p)
{
    static const char fn[] = "SqlCryptGetProviderInfo";
    SqlCpError rc = SQL_CP_BROKEN;
    SqlCpProviderInfo info = {0};
    SQL_CP_CALL(rc, p, SqlCryptGetProviderInfo, (&info));
    output out = {"name", &info.name.cb, NULL, info.name.ws, scp_MaxProviderName, true, false};
    rc = check_sizes(p, fn, rc, &out, 1);
    if (rc != scp_err_InsufficientBuffer) {
        return rc;
    }
    SqlCpUlong capacity = info.name.cb;
    SqlCpWchar *name = sql_alloc(capacity);
    memset(&info, 0, sizeof info);
    info.name.cb = capacity;
    info.name.ws = name;
    SQL_CP_CALL(rc, p, SqlCryptGetProviderInfo, (&info));
    out.ours = name;
    out.now = info.name.ws;
    rc = check_filled(p, fn, rc, &out, &capacity, 1);
    if (rc == scp_err_Success) {
        sql_buf text = {0};
        sql_utf8_from_utf16(&text, (const uint8_t *)name, info.name.cb);
        free(p->friendly_name);
        p->friendly_name = sql_strdup(sql_buf_text(&text));
        sql_buf_free(&text);
        p->info = info;
        p->info.name = (SqlCpStr){0};
    }
    free(name);
    return rc;
}

SqlCpError sql_cp_next_algorithm(sql_provider *p, SqlCpAlgId *id)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptGetNextAlgorithmId, (id));
    return rc;
}

SqlCpError sql_cp_algorithm_info(sql_provider *p, SqlCpAlgId id, sql_algorithm *algorithm)
{
    static const char fn[] = "SqlCryptGetAlgorithmInfo";
    SqlCpError rc = SQL_CP_BROKEN;
    SqlCpWchar tag[scp_MaxAlgTag / 2] = {0};
    SqlCpAlgorithmInfo info = {0};
    SQL_CP_CALL(rc, p, SqlCryptGetAlgorithmInfo, (id, &info));
    output out = {"algTag", &info.algTag.cb, NULL, info.algTag.ws, scp_MaxAlgTag, true, false};
    rc = check_sizes(p, fn, rc, &out, 1);
    if (rc != scp_err_InsufficientBuffer) {
        return rc;
    }
    SqlCpUlong capacity = info.algTag.cb;
    memset(&info, 0, sizeof info);
    info.algTag = (SqlCpStr){capacity, tag};
    SQL_CP_CALL(rc, p, SqlCryptGetAlgorithmInfo, (id, &info));
    out.ours = tag;
    out.now = info.algTag.ws;
    rc = check_filled(p, fn, rc, &out, &capacity, 1);
    if (rc == scp_err_Success) {
        sql_buf text = {0};
        sql_utf8_from_utf16(&text, (const uint8_t *)tag, info.algTag.cb);
        snprintf(algorithm->tag, sizeof algorithm->tag, "%s", sql_buf_text(&text));
        sql_buf_free(&text);
        algorithm->id = id;
        algorithm->type = info.type;
        algorithm->bits = info.bitLen;
        algorithm->iv_bits = info.ivLen;
    }
    return rc;
}

/* ---- keys ---- */

typedef enum asked_by { BY_ID, BY_THUMB, BY_NAME } asked_by;

typedef struct question {
    asked_by by;
    SqlCpKeyId id;
    SqlCpKeyThumbprint thumb;
    SqlCpStr name;
} question;

static SqlCpError ask(sql_provider *p, const SqlCpSession *s, const question *q, SqlCpKeyInfo *info)
{
    SqlCpError rc = SQL_CP_BROKEN;
    if (q->by == BY_ID) {
        SQL_CP_CALL(rc, p, SqlCryptGetKeyInfoByKeyId, (s, q->id, info));
    } else if (q->by == BY_THUMB) {
        SQL_CP_CALL(rc, p, SqlCryptGetKeyInfoByThumb, (s, &q->thumb, info));
    } else {
        SQL_CP_CALL(rc, p, SqlCryptGetKeyInfoByName, (s, &q->name, info));
    }
    return rc;
}

static SqlCpError key_info(sql_provider *p, const SqlCpSession *s, const question *q,
                           sql_key_info *result)
{
    static const char fn[] = "SqlCryptGetKeyInfo";
    SqlCpWchar name[scp_MaxKeyName / 2] = {0};
    SqlCpByte thumb[scp_MaxThumbprint] = {0};
    SqlCpKeyInfo info = {0};
    SqlCpError rc = ask(p, s, q, &info);
    output out[] = {
        {"name", &info.name.cb, NULL, info.name.ws, sizeof name, true, true},
        {"thumb", &info.thumb.cb, NULL, info.thumb.pb, sizeof thumb, false, false},
    };
    rc = check_sizes(p, fn, rc, out, 2);
    if (rc != scp_err_InsufficientBuffer) {
        return rc;
    }
    SqlCpUlong capacity[] = {info.name.cb, info.thumb.cb};
    memset(&info, 0, sizeof info);
    info.name = (SqlCpStr){capacity[0], name};
    info.thumb = (SqlCpData){capacity[1], thumb};
    rc = ask(p, s, q, &info);
    out[0].ours = name;
    out[0].now = info.name.ws;
    out[1].ours = thumb;
    out[1].now = info.thumb.pb;
    rc = check_filled(p, fn, rc, out, capacity, 2);
    if (rc == scp_err_Success) {
        result->name.len = 0;
        sql_utf8_from_utf16(&result->name, (const uint8_t *)name, info.name.cb);
        sql_buf_set(&result->thumb, thumb, info.thumb.cb);
        result->algorithm = info.algId;
        result->flags = info.flags;
    }
    return rc;
}

SqlCpError sql_cp_info_by_id(sql_provider *p, const SqlCpSession *s, SqlCpKeyId id,
                             sql_key_info *info)
{
    question q = {.by = BY_ID, .id = id};
    return key_info(p, s, &q, info);
}

SqlCpError sql_cp_info_by_thumb(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                                sql_key_info *info)
{
    question q = {.by = BY_THUMB, .thumb = data(thumb)};
    return key_info(p, s, &q, info);
}

SqlCpError sql_cp_info_by_name(sql_provider *p, const SqlCpSession *s, const char *name,
                               sql_key_info *info)
{
    sql_buf store = {0};
    question q = {.by = BY_NAME, .name = wide(&store, name, strlen(name))};
    SqlCpError rc = key_info(p, s, &q, info);
    sql_buf_free(&store);
    return rc;
}

void sql_key_info_free(sql_key_info *info)
{
    sql_buf_free(&info->name);
    sql_buf_free(&info->thumb);
}

SqlCpError sql_cp_next_key(sql_provider *p, const SqlCpSession *s, SqlCpKeyId *id)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptGetNextKeyId, (s, id));
    return rc;
}

SqlCpError sql_cp_drop_key(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb)
{
    SqlCpError rc;
    SqlCpKeyThumbprint t = data(thumb);
    SQL_CP_CALL(rc, p, SqlCryptDropKey, (s, &t));
    return rc;
}

/* ---- functions with one binary output: all are called by the same function ---- */

typedef struct request {
    const char *function;
    SqlCpUlong most;
    const SqlCpSession *s;
    SqlCpStr name;
    SqlCpAlgId algorithm;
    SqlCpKeyThumbprint thumb;
    SqlCpData in;
} request;

typedef SqlCpError (*asking)(sql_provider *p, const request *r, SqlCpData *out);

static SqlCpError twice(sql_provider *p, const request *r, asking call, sql_buf *result)
{
    SqlCpData got = {0};
    SqlCpError rc = call(p, r, &got);
    output out = {"output", &got.cb, NULL, got.pb, r->most, false, false};
    rc = check_sizes(p, r->function, rc, &out, 1);
    if (rc != scp_err_InsufficientBuffer) {
        return rc;
    }
    SqlCpUlong capacity = got.cb;
    SqlCpByte *bytes = sql_alloc(capacity);
    got = (SqlCpData){capacity, bytes};
    rc = call(p, r, &got);
    out.ours = bytes;
    out.now = got.pb;
    rc = check_filled(p, r->function, rc, &out, &capacity, 1);
    if (rc == scp_err_Success) {
        sql_buf_set(result, bytes, got.cb);
    }
    OPENSSL_cleanse(bytes, capacity);
    free(bytes);
    return rc;
}

static SqlCpError ask_create(sql_provider *p, const request *r, SqlCpData *out)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptCreateKey, (r->s, &r->name, r->algorithm, 0, out));
    return rc;
}

static SqlCpError ask_export(sql_provider *p, const request *r, SqlCpData *out)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptExportKey, (r->s, &r->thumb, NULL, scp_kb_PublicKeyBlob, out));
    return rc;
}

static SqlCpError ask_encrypt(sql_provider *p, const request *r, SqlCpData *out)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptEncrypt, (r->s, &r->thumb, 1, NULL, 0, &r->in, out));
    return rc;
}

static SqlCpError ask_decrypt(sql_provider *p, const request *r, SqlCpData *out)
{
    SqlCpError rc;
    SQL_CP_CALL(rc, p, SqlCryptDecrypt, (r->s, &r->thumb, 1, NULL, 0, &r->in, out));
    return rc;
}

SqlCpError sql_cp_create_key(sql_provider *p, const SqlCpSession *s, const char *name,
                             SqlCpAlgId algorithm, sql_buf *thumb)
{
    sql_buf store = {0};
    request r = {.function = "SqlCryptCreateKey", .most = scp_MaxThumbprint, .s = s};
    r.name = wide(&store, name, strlen(name));
    r.algorithm = algorithm;
    SqlCpError rc = twice(p, &r, ask_create, thumb);
    sql_buf_free(&store);
    return rc;
}

SqlCpError sql_cp_export_public(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                                sql_buf *blob)
{
    request r = {.function = "SqlCryptExportKey", .most = scp_MaxKeyBlob, .s = s};
    r.thumb = data(thumb);
    return twice(p, &r, ask_export, blob);
}

#define MOST_DATA (1u << 30)

SqlCpError sql_cp_encrypt(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                          const sql_buf *in, sql_buf *out)
{
    request r = {.function = "SqlCryptEncrypt", .most = MOST_DATA, .s = s};
    r.thumb = data(thumb);
    r.in = data(in);
    return twice(p, &r, ask_encrypt, out);
}

SqlCpError sql_cp_decrypt(sql_provider *p, const SqlCpSession *s, const sql_buf *thumb,
                          const sql_buf *in, sql_buf *out)
{
    request r = {.function = "SqlCryptDecrypt", .most = MOST_DATA, .s = s};
    r.thumb = data(thumb);
    r.in = data(in);
    return twice(p, &r, ask_decrypt, out);
}
