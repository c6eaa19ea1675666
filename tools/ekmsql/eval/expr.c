/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation of expressions and conditions, and the batch's variables.
 */
#include "tools/ekmsql/eval/eval_private.h"

#include <stdlib.h>
#include <string.h>

/* They live in the batch's arena. */
void sql_variables_free(sql_engine *e)
{
    e->variables = NULL;
}

sql_variable *sql_find_variable(const sql_engine *e, const char *name)
{
    sql_variable *v = e->variables;
    while (v != NULL && !sql_same(v->name, name)) {
        v = v->next;
    }
    return v;
}

static bool literal(sql_engine *e, const sql_expr *x, sql_value *out)
{
    const sql_token *t = &x->token;
    sql_buf bytes = {0};
    if (x->name != NULL || t->kind == SQL_TOK_INTEGER) {
        int64_t n = strtoll(t->text, NULL, 10);
        *out = sql_int(x->name == NULL ? n : -n);
    } else if (t->kind == SQL_TOK_NATIONAL) {
        *out = sql_ntext(e, t->text);
    } else if (t->kind == SQL_TOK_BINARY) {
        /* An odd number of digits has a 0 in front. */
        const char *digits = t->len % 2 == 0 ? t->text : sql_format(e, "0%s", t->text);
        sql_hex_parse(&bytes, digits, strlen(digits));
        *out = sql_bytes(e, SQL_VARBINARY, bytes.p, bytes.len);
    } else {
        *out = sql_bytes(e, SQL_VARCHAR, t->text, t->len);
    }
    sql_buf_free(&bytes);
    return true;
}

static bool column(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out)
{
    for (size_t i = 0; scope != NULL && i < scope->count; i++) {
        if (sql_same(scope->names[i], x->name)) {
            *out = scope->values[i];
            return true;
        }
    }
    return SQL_RAISE(e, 207, 1, x->name);
}

static bool variable(sql_engine *e, const sql_expr *x, sql_value *out)
{
    const sql_variable *v = sql_find_variable(e, x->name);
    if (v == NULL) {
        return SQL_RAISE(e, 137, 2, x->name);
    }
    *out = v->value;
    return true;
}

static bool call(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out)
{
    sql_value args[4] = {{0}};
    for (size_t i = 0; i < x->nargs; i++) {
        if (!sql_eval(e, x->args[i], scope, &args[i])) {
            return false;
        }
    }
    return sql_call(e, x, args, out);
}

/* Binary to and from its hexadecimal text: CONVERT's styles 1 (with 0x) and 2. */
static bool convert_hex(sql_engine *e, const sql_value *in, const sql_type *type, int64_t style,
                        sql_value *out)
{
    sql_buf buf = {0};
    bool ok = true;
    if (in->base == SQL_VARBINARY) {
        sql_buf_puts(&buf, style == 1 ? "0x" : "");
        sql_hex_add(&buf, in->p, in->len);
        sql_value text = sql_bytes(e, SQL_VARCHAR, buf.p, buf.len);
        ok = sql_cast(e, &text, type, out);
    } else {
        const char *text = sql_show(e, in);
        size_t skip = style == 1 && strncmp(text, "0x", 2) == 0 ? 2 : 0;
        ok = sql_hex_parse(&buf, text + skip, strlen(text) - skip);
        sql_value bytes = sql_bytes(e, SQL_VARBINARY, buf.p, buf.len);
        ok = ok ? sql_cast(e, &bytes, type, out)
                : SQL_RAISE(e, 245, 1, "varchar", text, "varbinary");
    }
    sql_buf_free(&buf);
    return ok;
}

static bool convert(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out)
{
    sql_value in;
    sql_value style = sql_int(0);
    if (!sql_eval(e, x->args[0], scope, &in) ||
        (x->nargs == 2 && !sql_eval(e, x->args[1], scope, &style))) {
        return false;
    }
    bool text = in.base == SQL_VARCHAR || in.base == SQL_NVARCHAR;
    bool to_text = x->type.base == SQL_VARCHAR || x->type.base == SQL_NVARCHAR;
    if (!in.null && style.n > 0 &&
        ((in.base == SQL_VARBINARY && to_text) || (text && x->type.base == SQL_VARBINARY))) {
        return convert_hex(e, &in, &x->type, style.n, out);
    }
    return sql_cast(e, &in, &x->type, out);
}

static bool plus(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out)
{
    sql_value a;
    sql_value b;
    if (!sql_eval(e, x->args[0], scope, &a) || !sql_eval(e, x->args[1], scope, &b)) {
        return false;
    }
    if (a.null || b.null) {
        *out = sql_null(a.base);
        return true;
    }
    sql_type type = {a.base == SQL_INT || b.base == SQL_INT             ? SQL_INT
                     : a.base == SQL_NVARCHAR || b.base == SQL_NVARCHAR ? SQL_NVARCHAR
                                                                        : a.base,
                     -1};
    if (!sql_cast(e, &a, &type, &a) || !sql_cast(e, &b, &type, &b)) {
        return false;
    }
    if (type.base == SQL_INT) {
        *out = sql_int((int64_t)((uint64_t)a.n + (uint64_t)b.n));
        return true;
    }
    sql_buf both = {0};
    sql_buf_add(&both, a.p, a.len);
    sql_buf_add(&both, b.p, b.len);
    *out = sql_bytes(e, type.base, both.p, both.len);
    sql_buf_free(&both);
    return true;
}

bool sql_eval(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out)
{
    *out = sql_null(SQL_INT);
    switch (x->kind) {
    case SQL_X_LITERAL:
        return literal(e, x, out);
    case SQL_X_VARIABLE:
        return variable(e, x, out);
    case SQL_X_COLUMN:
        return column(e, x, scope, out);
    case SQL_X_CALL:
        return call(e, x, scope, out);
    case SQL_X_CONVERT:
        return convert(e, x, scope, out);
    case SQL_X_PLUS:
        return plus(e, x, scope, out);
    case SQL_X_STAR:
        return SQL_RAISE(e, 102, 1, "*");
    case SQL_X_NULL:
        break;
    }
    return true;
}

bool sql_where(sql_engine *e, const sql_condition *where, const sql_scope *scope, bool *holds)
{
    *holds = true;
    for (; where != NULL && *holds; where = where->next) {
        sql_value a;
        sql_value b;
        if (!sql_eval(e, where->left, scope, &a)) {
            return false;
        }
        if (where->right == NULL) {
            *holds = a.null != where->negated;
            continue;
        }
        bool equal = false;
        if (!sql_eval(e, where->right, scope, &b) || !sql_equal(e, &a, &b, &equal)) {
            return false;
        }
        *holds = !a.null && !b.null && equal != where->negated;
    }
    return true;
}

bool sql_set_variable(sql_engine *e, const char *name, const sql_value *value)
{
    sql_variable *v = sql_find_variable(e, name);
    if (v == NULL) {
        return SQL_RAISE(e, 137, 1, name);
    }
    return sql_assign(e, value, &v->type, true, &v->value);
}
