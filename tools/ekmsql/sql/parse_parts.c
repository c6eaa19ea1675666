/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of statements that have a grammar of their own: option lists, columns,
 * conditions, VALUES and SELECT. On failure p->pos stays at the offending token, which
 * is what the syntax error names.
 */
#include "tools/ekmsql/sql/parse_private.h"

#include <string.h>

/* ---- option lists ---- */

static bool option_allowed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; *at != 0; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        char one[32] = {0};
        memcpy(one, at, word < sizeof one ? word : 0);
        if (word == len && sql_same(one, name)) {
            return true;
        }
        at += word;
    }
    return false;
}

static bool add_option(parser *p, sql_stmt *s, const char *name, const char *value)
{
    sql_option *o = sql_arena_alloc(p->arena, sizeof *o);
    *o = (sql_option){name, value, s->options};
    s->options = o;
    return true;
}

/* NAME [= value]; SERVER ASYMMETRIC KEY is called SERVER_KEY. */
static bool parse_option(parser *p, sql_stmt *s)
{
    size_t start = p->pos;
    const char *name = NULL;
    if (sql_take(p, "SERVER")) {
        name = sql_take(p, "ASYMMETRIC") && sql_take(p, "KEY") ? "SERVER_KEY" : NULL;
    } else {
        name = sql_take_name(p);
    }
    if (name == NULL) {
        return false;
    }
    if (!option_allowed(p->allowed, name)) {
        p->pos = start;
        return false;
    }
    if (!sql_take(p, "=")) {
        return add_option(p, s, name, NULL);
    }
    const sql_token *t = sql_here(p);
    if (t->kind == SQL_TOK_END || t->kind == SQL_TOK_PUNCT || t->kind == SQL_TOK_VARIABLE) {
        return false;
    }
    p->pos++;
    return add_option(p, s, name, t->text);
}

static bool parse_options(parser *p, sql_stmt *s)
{
    do {
        if (sql_at(p, "ENCRYPTION") && option_allowed(p->allowed, "ENCRYPTION")) {
            p->pos++;
            add_option(p, s, "ENCRYPTION", NULL);
            if (!sql_take(p, "(")) {
                return false;
            }
            do {
                if (!parse_option(p, s)) {
                    return false;
                }
            } while (sql_take(p, ","));
            if (!sql_take(p, ")")) {
                return false;
            }
        } else if (!parse_option(p, s)) {
            return false;
        }
    } while (sql_take(p, ","));
    return true;
}

/* ---- columns, VALUES, conditions ---- */

static bool parse_columns(parser *p, sql_stmt *s)
{
    sql_column **tail = &s->columns;
    do {
        sql_column *c = sql_arena_alloc(p->arena, sizeof *c);
        c->name = sql_take_name(p);
        if (c->name == NULL || !sql_parse_type(p, &c->type)) {
            return false;
        }
        c->not_null = sql_take(p, "NOT");
        if (!sql_take(p, "NULL") && c->not_null) {
            return false;
        }
        if (sql_take(p, "PRIMARY")) {
            c->not_null = true;
            if (!sql_take(p, "KEY")) {
                return false;
            }
        }
        *tail = c;
        tail = &c->next;
    } while (sql_take(p, ","));
    return true;
}

static bool parse_names(parser *p, sql_stmt *s)
{
    sql_column **tail = &s->columns;
    do {
        sql_column *c = sql_arena_alloc(p->arena, sizeof *c);
        c->name = sql_take_name(p);
        if (c->name == NULL) {
            return false;
        }
        *tail = c;
        tail = &c->next;
    } while (sql_take(p, ","));
    return true;
}

static sql_item *add_item(parser *p, sql_item ***tail, sql_expr *expr)
{
    sql_item *item = sql_arena_alloc(p->arena, sizeof *item);
    item->expr = expr;
    **tail = item;
    *tail = &item->next;
    return item;
}

static bool parse_rows(parser *p, sql_stmt *s)
{
    sql_row **tail = &s->rows;
    do {
        sql_row *row = sql_arena_alloc(p->arena, sizeof *row);
        sql_item **items = &row->items;
        if (!sql_take(p, "(")) {
            return false;
        }
        do {
            sql_expr *e = sql_parse_expr(p);
            if (e == NULL) {
                return false;
            }
            add_item(p, &items, e);
        } while (sql_take(p, ","));
        if (!sql_take(p, ")")) {
            return false;
        }
        *tail = row;
        tail = &row->next;
    } while (sql_take(p, ","));
    return true;
}

static bool parse_conditions(parser *p, sql_stmt *s)
{
    sql_condition **tail = &s->where;
    do {
        sql_condition *c = sql_arena_alloc(p->arena, sizeof *c);
        c->left = sql_parse_expr(p);
        if (c->left == NULL) {
            return false;
        }
        if (sql_take(p, "IS")) {
            c->negated = sql_take(p, "NOT");
            if (!sql_take(p, "NULL")) {
                return false;
            }
        } else {
            c->negated = sql_take(p, "<>") || sql_take(p, "!=");
            if ((!c->negated && !sql_take(p, "=")) || (c->right = sql_parse_expr(p)) == NULL) {
                return false;
            }
        }
        *tail = c;
        tail = &c->next;
    } while (sql_take(p, "AND"));
    return true;
}

/* ---- SELECT and the small statements ---- */

static bool parse_select_item(parser *p, sql_item ***tail)
{
    const char *variable = NULL;
    if (sql_here(p)->kind == SQL_TOK_VARIABLE && p->tokens[p->pos + 1].kind == SQL_TOK_PUNCT &&
        strcmp(p->tokens[p->pos + 1].text, "=") == 0) {
        variable = sql_here(p)->text;
        p->pos += 2;
    }
    sql_expr *e = NULL;
    if (variable == NULL && sql_at(p, "*")) {
        e = sql_new_expr(p, SQL_X_STAR);
        p->pos++;
    } else {
        e = sql_parse_expr(p);
    }
    if (e == NULL) {
        return false;
    }
    sql_item *item = add_item(p, tail, e);
    item->variable = variable;
    if (sql_take(p, "AS")) {
        item->alias =
            sql_here(p)->kind == SQL_TOK_STRING ? p->tokens[p->pos++].text : sql_take_name(p);
        return item->alias != NULL;
    }
    return true;
}

static bool parse_from(parser *p, sql_stmt *s)
{
    s->slot[SQL_TABLE] = sql_take_table(p);
    if (s->slot[SQL_TABLE] == NULL) {
        return false;
    }
    if (sql_take(p, "(")) {
        s->has_source_args = true;
        s->source_args = sql_arena_alloc(p->arena, 4 * sizeof *s->source_args);
        if (!sql_parse_args(p, s->source_args, 4, &s->nsource_args)) {
            return false;
        }
    }
    if (sql_take(p, "AS") && sql_take_name(p) == NULL) {
        return false;
    }
    return !sql_take(p, "WHERE") || parse_conditions(p, s);
}

static bool parse_select(parser *p, sql_stmt *s)
{
    sql_item **tail = &s->items;
    if (sql_take(p, "TOP") && (s->top = sql_parse_primary(p)) == NULL) {
        return false;
    }
    do {
        if (!parse_select_item(p, &tail)) {
            return false;
        }
    } while (sql_take(p, ","));
    if (sql_take(p, "FROM") && !parse_from(p, s)) {
        return false;
    }
    if (sql_take(p, "ORDER")) {
        if (!sql_take(p, "BY") || (s->order_by = sql_take_name(p)) == NULL) {
            return false;
        }
        s->descending = sql_take(p, "DESC");
        sql_take(p, "ASC");
    }
    return true;
}

static bool parse_expression(parser *p, sql_stmt *s)
{
    sql_item **tail = &s->items;
    sql_expr *e = sql_parse_expr(p);
    return e != NULL && add_item(p, &tail, e) != NULL;
}

static bool parse_variables(parser *p, sql_stmt *s)
{
    sql_column **tail = &s->columns;
    sql_item **items = &s->items;
    do {
        sql_column *c = sql_arena_alloc(p->arena, sizeof *c);
        if (sql_here(p)->kind != SQL_TOK_VARIABLE) {
            return false;
        }
        c->name = p->tokens[p->pos++].text;
        sql_take(p, "AS");
        if (!sql_parse_type(p, &c->type)) {
            return false;
        }
        sql_expr *e = NULL;
        if (sql_take(p, "=") && (e = sql_parse_expr(p)) == NULL) {
            return false;
        }
        add_item(p, &items, e);
        *tail = c;
        tail = &c->next;
    } while (sql_take(p, ","));
    return true;
}

/* UPDATE's column = expression, ... */
static bool parse_assignments(parser *p, sql_stmt *s)
{
    sql_item **tail = &s->items;
    do {
        const char *name = sql_take_name(p);
        sql_expr *e = name != NULL && sql_take(p, "=") ? sql_parse_expr(p) : NULL;
        if (e == NULL) {
            return false;
        }
        add_item(p, &tail, e)->variable = name;
    } while (sql_take(p, ","));
    return true;
}

/* SET @v = expression */
static bool parse_assignment(parser *p, sql_stmt *s)
{
    sql_item **tail = &s->items;
    const sql_token *t = sql_here(p);
    if (t->kind != SQL_TOK_VARIABLE) {
        return false;
    }
    p->pos++;
    sql_expr *e = sql_take(p, "=") ? sql_parse_expr(p) : NULL;
    if (e == NULL) {
        return false;
    }
    add_item(p, &tail, e)->variable = t->text;
    return true;
}

static bool no_part(parser *p, sql_stmt *s)
{
    (void)p;
    (void)s;
    return false;
}

sql_part sql_find_part(const char *name)
{
    static const struct {
        const char *name;
        sql_part part;
    } parts[] = {
        {"options", parse_options},       {"columns", parse_columns},
        {"names", parse_names},           {"rows", parse_rows},
        {"conditions", parse_conditions}, {"select", parse_select},
        {"expression", parse_expression}, {"variables", parse_variables},
        {"assignment", parse_assignment}, {"assignments", parse_assignments},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(parts[i].name, name) == 0) {
            return parts[i].part;
        }
    }
    return no_part;
}
