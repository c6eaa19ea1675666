/* SPDX-License-Identifier: Apache-2.0
 *
 * DECLARE, SET and PRINT.
 */
#include "tools/ekmsql/statements/handlers.h"

#include "tools/ekmsql/eval/eval.h"

bool sql_do_declare(sql_engine *e, const sql_stmt *s)
{
    const sql_item *item = s->items;
    for (const sql_column *c = s->columns; c != NULL; c = c->next, item = item->next) {
        if (sql_find_variable(e, c->name) != NULL) {
            return SQL_RAISE(e, 134, 1, c->name);
        }
        sql_variable *v = sql_arena_alloc(e->arena, sizeof *v);
        v->name = c->name;
        v->type = c->type;
        v->value = sql_null(c->type.base);
        v->next = e->variables;
        e->variables = v;
        sql_value value;
        if (item->expr != NULL &&
            (!sql_eval(e, item->expr, NULL, &value) || !sql_set_variable(e, c->name, &value))) {
            return false;
        }
    }
    return true;
}

bool sql_do_set_variable(sql_engine *e, const sql_stmt *s)
{
    sql_value value;
    return sql_eval(e, s->items->expr, NULL, &value) &&
           sql_set_variable(e, s->items->variable, &value);
}

bool sql_do_print_text(sql_engine *e, const sql_stmt *s)
{
    sql_value value;
    if (!sql_eval(e, s->items->expr, NULL, &value)) {
        return false;
    }
    sql_print("%s", value.null ? "" : sql_show(e, &value));
    return true;
}

bool sql_do_set_nocount(sql_engine *e, const sql_stmt *s)
{
    e->nocount = s->flag;
    return true;
}
