/* SPDX-License-Identifier: Apache-2.0
 *
 * Values: making, showing, converting and comparing them as T-SQL does.
 */
#include "tools/ekmsql/eval/eval_private.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"int", "varbinary", "nvarchar", "varchar",
                                         "uniqueidentifier"};

const char *sql_type_name(sql_base base)
{
    return type_names[base];
}

sql_value sql_null(sql_base base)
{
    return (sql_value){.base = base, .null = true};
}

sql_value sql_int(int64_t n)
{
    return (sql_value){.base = SQL_INT, .n = n};
}

sql_value sql_bytes(sql_engine *e, sql_base base, const void *data, size_t len)
{
    return (sql_value){.base = base, .p = sql_arena_copy(e->arena, data, len), .len = len};
}

sql_value sql_ntext(sql_engine *e, const char *text)
{
    sql_buf wide = {0};
    sql_utf16_from_utf8(&wide, text, strlen(text));
    sql_value v = sql_bytes(e, SQL_NVARCHAR, wide.p, wide.len);
    sql_buf_free(&wide);
    return v;
}

const char *sql_show(sql_engine *e, const sql_value *v)
{
    sql_buf text = {0};
    if (v->null) {
        return "NULL";
    }
    if (v->base == SQL_INT) {
        return sql_format(e, "%lld", (long long)v->n);
    }
    if (v->base == SQL_VARCHAR) {
        return (const char *)v->p;
    }
    if (v->base == SQL_NVARCHAR) {
        sql_utf8_from_utf16(&text, v->p, v->len);
    } else if (v->base == SQL_GUID) {
        sql_guid_add(&text, v->p);
    } else {
        sql_buf_puts(&text, "0x");
        sql_hex_add(&text, v->p, v->len);
    }
    const char *shown = sql_arena_text(e->arena, sql_buf_text(&text), text.len);
    sql_buf_free(&text);
    return shown;
}

static bool is_text(sql_base base)
{
    return base == SQL_NVARCHAR || base == SQL_VARCHAR;
}

static bool to_int(sql_engine *e, const sql_value *in, sql_value *out)
{
    *out = sql_int(in->n);
    if (in->base == SQL_INT) {
        return true;
    }
    if (is_text(in->base)) {
        const char *text = sql_show(e, in);
        char *end = NULL;
        out->n = strtoll(text, &end, 10);
        return *end == 0 || SQL_RAISE(e, 245, 1, sql_type_name(in->base), text, "int");
    }
    uint64_t n = 0;
    for (size_t i = 0; i < in->len; i++) {
        n = n << 8 | in->p[i];
    }
    out->n = (int64_t)n;
    return true;
}

static bool to_binary(sql_engine *e, const sql_value *in, sql_value *out)
{
    if (in->base == SQL_INT) {
        uint32_t n = (uint32_t)in->n;
        uint8_t be[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        *out = sql_bytes(e, SQL_VARBINARY, be, sizeof be);
        return true;
    }
    *out = *in;
    out->base = SQL_VARBINARY;
    return true;
}

/* Binary becomes text byte for byte; everything else by its text. */
static bool to_text(sql_engine *e, const sql_value *in, sql_base base, sql_value *out)
{
    if (in->base == base || in->base == SQL_VARBINARY) {
        *out = *in;
        out->base = base;
        out->len -= base == SQL_NVARCHAR ? in->len % 2 : 0;
        return true;
    }
    const char *text = sql_show(e, in);
    *out =
        base == SQL_NVARCHAR ? sql_ntext(e, text) : sql_bytes(e, SQL_VARCHAR, text, strlen(text));
    return true;
}

static bool convert(sql_engine *e, const sql_value *in, sql_base base, sql_value *out)
{
    if (in->null) {
        *out = sql_null(base);
        return true;
    }
    if (base == SQL_INT) {
        return to_int(e, in, out);
    }
    if (base == SQL_VARBINARY) {
        return to_binary(e, in, out);
    }
    if (is_text(base)) {
        return to_text(e, in, base, out);
    }
    *out = *in;
    out->base = SQL_GUID;
    return (in->base == SQL_GUID || in->base == SQL_VARBINARY) && in->len == 16
               ? true
               : SQL_RAISE(e, 257, 1, sql_type_name(in->base), sql_type_name(base));
}

static size_t max_length(const sql_type *type)
{
    if (type->length < 0 || type->base == SQL_INT || type->base == SQL_GUID) {
        return SIZE_MAX;
    }
    return (size_t)type->length * (type->base == SQL_NVARCHAR ? 2 : 1);
}

/* The text's terminating NUL has to follow its new end. */
static void cut(sql_engine *e, sql_value *v, size_t len)
{
    if (!v->null && v->len > len) {
        *v = sql_bytes(e, v->base, v->p, len);
    }
}

bool sql_cast(sql_engine *e, const sql_value *in, const sql_type *type, sql_value *out)
{
    sql_value v;
    if (!convert(e, in, type->base, &v)) {
        return false;
    }
    cut(e, &v, max_length(type));
    if (v.base == SQL_VARCHAR && !v.null) {
        v = sql_bytes(e, SQL_VARCHAR, v.p, v.len);
    }
    *out = v;
    return true;
}

bool sql_assign(sql_engine *e, const sql_value *in, const sql_type *type, bool truncate,
                sql_value *out)
{
    if (!in->null && is_text(in->base) && type->base == SQL_VARBINARY) {
        return SQL_RAISE(e, 257, 3, sql_type_name(in->base), "varbinary");
    }
    sql_value v;
    if (!convert(e, in, type->base, &v)) {
        return false;
    }
    if (!truncate && !v.null && v.base != SQL_INT && v.len > max_length(type)) {
        return SQL_RAISE(e, 8152, 1, NULL);
    }
    return sql_cast(e, &v, type, out);
}

bool sql_equal(sql_engine *e, const sql_value *a, const sql_value *b, bool *equal)
{
    *equal = false;
    if (a->null || b->null) {
        return true;
    }
    if (a->base == SQL_INT || b->base == SQL_INT) {
        sql_value x;
        sql_value y;
        if (!convert(e, a, SQL_INT, &x) || !convert(e, b, SQL_INT, &y)) {
            return false;
        }
        *equal = x.n == y.n;
    } else if (is_text(a->base) && is_text(b->base)) {
        *equal = sql_same(sql_show(e, a), sql_show(e, b));
    } else {
        *equal = a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
    }
    return true;
}
