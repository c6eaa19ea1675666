/* SPDX-License-Identifier: Apache-2.0
 *
 * Types and expressions, by recursive descent. On failure p->pos stays at the offending token.
 */
#include "tools/ekmsql/sql/parse_private.h"

#include <stdlib.h>

#define MAX_DEPTH 64 /* of nested expressions, so that no input can exhaust the stack */

static const struct {
    const char *name;
    sql_base base;
    int64_t length; /* where the declaration gives none */
} types[] = {
    {"INT", SQL_INT, 0},
    {"BIGINT", SQL_INT, 0},
    {"BIT", SQL_INT, 0},
    {"VARBINARY", SQL_VARBINARY, 30},
    {"BINARY", SQL_VARBINARY, 30},
    {"NVARCHAR", SQL_NVARCHAR, 30},
    {"VARCHAR", SQL_VARCHAR, 30},
    {"SYSNAME", SQL_NVARCHAR, 128},
    {"UNIQUEIDENTIFIER", SQL_GUID, 0},
};

static bool parse_length(parser *p, sql_type *type)
{
    if (!sql_take(p, "(")) {
        return true;
    }
    if (sql_take(p, "MAX")) {
        type->length = -1;
    } else if (sql_here(p)->kind == SQL_TOK_INTEGER && sql_here(p)->len < 6) {
        type->length = strtol(sql_here(p)->text, NULL, 10);
        p->pos++;
    } else {
        return false;
    }
    return sql_take(p, ")");
}

bool sql_parse_type(parser *p, sql_type *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (sql_take(p, types[i].name)) {
            *type = (sql_type){types[i].base, types[i].length};
            return parse_length(p, type);
        }
    }
    return false;
}

sql_expr *sql_new_expr(parser *p, sql_expr_kind kind)
{
    sql_expr *e = sql_arena_alloc(p->arena, sizeof *e);
    e->kind = kind;
    e->line = sql_here(p)->line;
    e->token = *sql_here(p);
    return e;
}

/* CAST(e AS type) and CONVERT(type, e [, style]). */
static sql_expr *parse_convert(parser *p, bool cast)
{
    sql_expr *e = sql_new_expr(p, SQL_X_CONVERT);
    if (!sql_take(p, "(") || (!cast && (!sql_parse_type(p, &e->type) || !sql_take(p, ",")))) {
        return NULL;
    }
    e->args[0] = sql_parse_expr(p);
    e->nargs = 1;
    if (e->args[0] == NULL || (cast && (!sql_take(p, "AS") || !sql_parse_type(p, &e->type)))) {
        return NULL;
    }
    if (!cast && sql_take(p, ",")) {
        e->args[1] = sql_parse_expr(p);
        e->nargs = 2;
        if (e->args[1] == NULL) {
            return NULL;
        }
    }
    return sql_take(p, ")") ? e : NULL;
}

bool sql_parse_args(parser *p, sql_expr **args, size_t cap, size_t *count)
{
    *count = 0;
    if (sql_take(p, ")")) {
        return true;
    }
    do {
        if (*count == cap) {
            return false;
        }
        if (sql_at(p, "*")) {
            args[*count] = sql_new_expr(p, SQL_X_STAR);
            p->pos++;
        } else {
            args[*count] = sql_parse_expr(p);
        }
        if (args[*count] == NULL) {
            return false;
        }
        ++*count;
    } while (sql_take(p, ","));
    return sql_take(p, ")");
}

/* A column, or a function with its arguments. */
static sql_expr *parse_named(parser *p)
{
    if (sql_take(p, "CAST")) {
        return parse_convert(p, true);
    }
    if (sql_take(p, "CONVERT")) {
        return parse_convert(p, false);
    }
    sql_expr *e = sql_new_expr(p, SQL_X_COLUMN);
    e->name = sql_take_name(p);
    while (e->name != NULL && sql_take(p, ".")) {
        e->name = sql_take_name(p);
    }
    if (e->name != NULL && sql_take(p, "(")) {
        e->kind = SQL_X_CALL;
        return sql_parse_args(p, e->args, sizeof e->args / sizeof e->args[0], &e->nargs) ? e : NULL;
    }
    return e->name == NULL ? NULL : e;
}

/* Words that end an expression and so are no column unless bracketed. */
static bool is_reserved(const parser *p)
{
    static const char *const words[] = {"FROM", "WHERE", "ORDER",  "AND",
                                        "OR",   "AS",    "VALUES", "SELECT"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sql_at(p, words[i])) {
            return true;
        }
    }
    return false;
}

sql_expr *sql_parse_primary(parser *p)
{
    const sql_token *t = sql_here(p);
    if (sql_take(p, "(")) {
        sql_expr *inner = sql_parse_expr(p);
        return inner != NULL && sql_take(p, ")") ? inner : NULL;
    }
    if (sql_at(p, "-") && p->tokens[p->pos + 1].kind == SQL_TOK_INTEGER) {
        p->pos++;
        sql_expr *e = sql_new_expr(p, SQL_X_LITERAL);
        e->name = "-";
        p->pos++;
        return e;
    }
    if (t->kind == SQL_TOK_WORD || t->kind == SQL_TOK_NAME) {
        if (sql_at(p, "NULL")) {
            sql_expr *e = sql_new_expr(p, SQL_X_NULL);
            p->pos++;
            return e;
        }
        return is_reserved(p) ? NULL : parse_named(p);
    }
    if (t->kind == SQL_TOK_END || t->kind == SQL_TOK_PUNCT) {
        return NULL;
    }
    sql_expr *e = sql_new_expr(p, t->kind == SQL_TOK_VARIABLE ? SQL_X_VARIABLE : SQL_X_LITERAL);
    e->name = t->kind == SQL_TOK_VARIABLE ? t->text : NULL;
    p->pos++;
    return e;
}

sql_expr *sql_parse_expr(parser *p)
{
    if (p->depth >= MAX_DEPTH) {
        return NULL;
    }
    p->depth++;
    sql_expr *e = sql_parse_primary(p);
    while (e != NULL && sql_at(p, "+")) {
        sql_expr *plus = sql_new_expr(p, SQL_X_PLUS);
        p->pos++;
        plus->args[0] = e;
        plus->args[1] = sql_parse_primary(p);
        plus->nargs = 2;
        e = plus->args[1] == NULL ? NULL : plus;
    }
    p->depth--;
    return e;
}
