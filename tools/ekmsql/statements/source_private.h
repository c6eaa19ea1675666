/* SPDX-License-Identifier: Apache-2.0
 *
 * What SELECT takes its rows from.
 */
#ifndef EKMSQL_STATEMENTS_SOURCE_PRIVATE_H
#define EKMSQL_STATEMENTS_SOURCE_PRIVATE_H

#include "tools/ekmsql/eval/eval.h"

/* views.c: NULL with *known false where the name is no view; NULL with the message reported where
 * the view cannot be had. */
sql_rowset *sql_view(sql_engine *e, const char *name, const sql_value *args, size_t nargs,
                     bool *known);
/* table.c: the rows of a user table, with rowid as an unnamed last column. */
sql_rowset *sql_table_rows(sql_engine *e, const char *name);

#endif
