/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a table or view, and printing them as sqlcmd does. In the batch's arena.
 */
#ifndef EKMSQL_EVAL_ROWSET_H
#define EKMSQL_EVAL_ROWSET_H

#include "tools/ekmsql/eval/expr.h"

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
