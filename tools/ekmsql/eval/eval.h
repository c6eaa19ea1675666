/* SPDX-License-Identifier: Apache-2.0
 *
 * Values and expressions: evaluation, conversion between types, variables; and rowsets.
 */
#ifndef EKMSQL_EVAL_EVAL_H
#define EKMSQL_EVAL_EVAL_H

#include "tools/ekmsql/engine/engine.h"
#include "tools/ekmsql/sql/parse.h"

/* NVARCHAR is held as UTF-16LE, VARCHAR as UTF-8, a GUID as its 16 bytes. In the batch's arena. */
typedef struct sql_value {
    sql_base base;
    bool null;
    int64_t n;
    const uint8_t *p;
    size_t len;
} sql_value;

/* A row that column names refer to; NULL where there is none. */
typedef struct sql_scope {
    const char *const *names;
    const sql_value *values;
    size_t count;
} sql_scope;

bool sql_eval(sql_engine *e, const sql_expr *x, const sql_scope *scope, sql_value *out);
/* Implicit conversion, for columns and variables: refuses what SQL Server refuses. */
bool sql_assign(sql_engine *e, const sql_value *in, const sql_type *type, bool truncate,
                sql_value *out);
bool sql_where(sql_engine *e, const sql_condition *where, const sql_scope *scope, bool *holds);

sql_value sql_null(sql_base base);
sql_value sql_int(int64_t n);
sql_value sql_bytes(sql_engine *e, sql_base base, const void *data, size_t len);
/* NVARCHAR from UTF-8. */
sql_value sql_ntext(sql_engine *e, const char *text);
/* UTF-8 in the arena, of any value, as sqlcmd prints it. */
const char *sql_show(sql_engine *e, const sql_value *v);
const char *sql_type_name(sql_base base);

/* A variable of the batch. */
struct sql_variable {
    const char *name;
    sql_type type;
    sql_value value;
    sql_variable *next;
};

/* NULL where it is not declared. */
sql_variable *sql_find_variable(const sql_engine *e, const char *name);
bool sql_set_variable(sql_engine *e, const char *name, const sql_value *value);
void sql_variables_free(sql_engine *e);

/* Rows of a table or view, and printing them as sqlcmd does. In the batch's arena. */
typedef struct sql_rowset {
    const char **names;
    size_t columns;
    sql_value **rows;
    size_t count;
    size_t cap;
} sql_rowset;

/* names: separated by spaces. */
sql_rowset *sql_rowset_new(sql_engine *e, const char *names);
/* A new row of NULLs. */
sql_value *sql_rowset_add(sql_engine *e, sql_rowset *r);
void sql_rowset_print(sql_engine *e, const sql_rowset *r);
void sql_rows_affected(const sql_engine *e, size_t count);

#endif
