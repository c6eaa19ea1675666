/* SPDX-License-Identifier: Apache-2.0
 *
 * The statement handlers, by the names in statements.h. Each returns false after it reported why.
 */
#ifndef EKMSQL_STATEMENTS_HANDLERS_H
#define EKMSQL_STATEMENTS_HANDLERS_H

#include "tools/ekmsql/engine/engine.h"
#include "tools/ekmsql/sql/parse.h"

/* Several statements share a handler; a repeated declaration is harmless. */
#define SQL_HANDLER(id, handler, options, pattern) \
    bool sql_do_##handler(sql_engine *e, const sql_stmt *s);
SQL_STATEMENTS(SQL_HANDLER)
#undef SQL_HANDLER

#endif
