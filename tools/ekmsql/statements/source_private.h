/* SPDX-License-Identifier: Apache-2.0
 *
 * The sources of the rows of SELECT.
 */
#ifndef EKMSQL_STATEMENTS_SOURCE_PRIVATE_H
#define EKMSQL_STATEMENTS_SOURCE_PRIVATE_H

#include "tools/ekmsql/eval/eval.h"

/* views.c: the rows of a view. NULL with *known false if there is no view of this name; NULL
 * after reporting a message if the view is not available. */
sql_rowset *sql_view(sql_engine *e, const char *name, const sql_value *args, size_t nargs,
                     bool *known);
/* table.c: the rows of a user table, with rowid as an unnamed last column. */
sql_rowset *sql_table_rows(sql_engine *e, const char *name);

#endif
