/* SPDX-License-Identifier: Apache-2.0
 *
 * SELECT: rows of one table or view, filtered, sorted and evaluated.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/statements/source_private.h"

#include <stdlib.h>
#include <string.h>

/* The rows of FROM; one row without columns if there is no FROM. */
static sql_rowset *source(sql_engine *e, const sql_stmt *s)
{
    const char *name = s->slot[SQL_TABLE];
    if (name == NULL) {
        sql_rowset *one = sql_rowset_new(e, "");
        sql_rowset_add(e, one);
        return one;
    }
    sql_value args[4] = {{0}};
    for (size_t i = 0; i < s->nsource_args; i++) {
        if (!sql_eval(e, s->source_args[i], NULL, &args[i])) {
            return NULL;
        }
    }
    bool known = false;
    sql_rowset *rows = sql_view(e, name, args, s->nsource_args, &known);
    if (known) {
        return rows;
    }
    if (s->has_source_args || strchr(name, '.') != NULL) {
        SQL_RAISE(e, 208, 1, name);
        return NULL;
    }
    return sql_table_rows(e, name);
}

static bool filter(sql_engine *e, const sql_stmt *s, sql_rowset *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        sql_scope scope = {r->names, r->rows[i], r->columns};
        bool holds = false;
        if (!sql_where(e, s->where, &scope, &holds)) {
            return false;
        }
        if (holds) {
            r->rows[kept++] = r->rows[i];
        }
    }
    r->count = kept;
    return true;
}

static int order(const sql_value *a, const sql_value *b)
{
    if (a->null || b->null) {
        return (int)b->null - (int)a->null;
    }
    if (a->base == SQL_INT) {
        return (a->n > b->n) - (a->n < b->n);
    }
    size_t len = a->len < b->len ? a->len : b->len;
    int difference = len == 0 ? 0 : memcmp(a->p, b->p, len);
    return difference != 0 ? difference : (a->len > b->len) - (a->len < b->len);
}

static bool sort(sql_engine *e, const sql_stmt *s, sql_rowset *r)
{
    if (s->order_by == NULL) {
        return true;
    }
    size_t c = 0;
    while (c < r->columns && !sql_same(r->names[c], s->order_by)) {
        c++;
    }
    if (c == r->columns) {
        return SQL_RAISE(e, 207, 1, s->order_by);
    }
    for (size_t i = 1; i < r->count; i++) {
        sql_value *row = r->rows[i];
        size_t j = i;
        for (; j > 0; j--) {
            int difference = order(&r->rows[j - 1][c], &row[c]);
            if ((s->descending ? -difference : difference) <= 0) {
                break;
            }
            r->rows[j] = r->rows[j - 1];
        }
        r->rows[j] = row;
    }
    return true;
}

static bool top(sql_engine *e, const sql_stmt *s, sql_rowset *r)
{
    sql_value n;
    if (s->top == NULL) {
        return true;
    }
    if (!sql_eval(e, s->top, NULL, &n)) {
        return false;
    }
    r->count = n.n >= 0 && (size_t)n.n < r->count ? (size_t)n.n : r->count;
    return true;
}

static const char *column_name(const sql_item *item)
{
    return item->alias != NULL                ? item->alias
           : item->expr->kind == SQL_X_COLUMN ? item->expr->name
                                              : "";
}

static sql_rowset *result_columns(sql_engine *e, const sql_stmt *s, const sql_rowset *r)
{
    sql_rowset *out = sql_rowset_new(e, "");
    for (const sql_item *item = s->items; item != NULL; item = item->next) {
        out->columns += item->expr->kind == SQL_X_STAR ? r->columns : 1;
    }
    out->names = sql_arena_alloc(e->arena, (out->columns + 1) * sizeof *out->names);
    size_t c = 0;
    for (const sql_item *item = s->items; item != NULL; item = item->next) {
        if (item->expr->kind == SQL_X_STAR) {
            for (size_t i = 0; i < r->columns; i++) {
                out->names[c++] = r->names[i];
            }
        } else {
            out->names[c++] = column_name(item);
        }
    }
    return out;
}

static bool evaluate_row(sql_engine *e, const sql_stmt *s, const sql_scope *scope, sql_value *out)
{
    for (const sql_item *item = s->items; item != NULL; item = item->next) {
        if (item->expr->kind == SQL_X_STAR) {
            for (size_t i = 0; i < scope->count; i++) {
                *out++ = scope->values[i];
            }
            continue;
        }
        if (!sql_eval(e, item->expr, scope, out) ||
            (item->variable != NULL && !sql_set_variable(e, item->variable, out))) {
            return false;
        }
        out++;
    }
    return true;
}

static bool is_count(const sql_item *item)
{
    return item->expr->kind == SQL_X_CALL && sql_same(item->expr->name, "COUNT") &&
           item->expr->nargs == 1 && item->expr->args[0]->kind == SQL_X_STAR && item->next == NULL;
}

static bool count_rows(sql_engine *e, const sql_stmt *s, const sql_rowset *r)
{
    sql_value n = sql_int((int64_t)r->count);
    if (s->items->variable != NULL) {
        return sql_set_variable(e, s->items->variable, &n);
    }
    sql_rowset *out = sql_rowset_new(e, "x");
    out->names[0] = s->items->alias == NULL ? "" : s->items->alias;
    sql_rowset_add(e, out)[0] = n;
    sql_rowset_print(e, out);
    return true;
}

bool sql_do_select_rows(sql_engine *e, const sql_stmt *s)
{
    sql_rowset *r = source(e, s);
    if (r == NULL || !filter(e, s, r) || !sort(e, s, r) || !top(e, s, r)) {
        return false;
    }
    if (is_count(s->items)) {
        return count_rows(e, s, r);
    }
    sql_rowset *out = result_columns(e, s, r);
    for (size_t i = 0; i < r->count; i++) {
        sql_scope scope = {r->names, r->rows[i], r->columns};
        if (!evaluate_row(e, s, &scope, sql_rowset_add(e, out))) {
            return false;
        }
    }
    if (s->items->variable == NULL) {
        sql_rowset_print(e, out);
    }
    return true;
}
