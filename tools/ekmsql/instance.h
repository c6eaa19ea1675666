/* SPDX-License-Identifier: Apache-2.0
 *
 * The instance for the command: opening and closing it, and running batches in it.
 */
#ifndef EKMSQL_INSTANCE_H
#define EKMSQL_INSTANCE_H

#include "tools/ekmsql/engine/engine.h"

bool sql_engine_open(sql_engine *e, const char *dir, bool trace);
void sql_engine_close(sql_engine *e);
bool sql_engine_login(sql_engine *e, const char *name);
/* Parses and runs one batch. */
void sql_engine_batch(sql_engine *e, const char *text, size_t len);
bool sql_engine_use(sql_engine *e, const char *database);

#endif
