/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this folder.
 */
#ifndef EKMSQL_EVAL_EVAL_PRIVATE_H
#define EKMSQL_EVAL_EVAL_PRIVATE_H

#include "tools/ekmsql/eval/eval.h"

/* functions.c */
bool sql_call(sql_engine *e, const sql_expr *x, const sql_value *args, sql_value *out);
/* Explicit conversion, as CAST does: text and binary are reinterpreted and cut to the length. */
bool sql_cast(sql_engine *e, const sql_value *in, const sql_type *type, sql_value *out);
bool sql_equal(sql_engine *e, const sql_value *a, const sql_value *b, bool *equal);

#endif
