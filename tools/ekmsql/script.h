/* SPDX-License-Identifier: Apache-2.0
 *
 * What sqlcmd does before it sends a batch to the server: lines, batches that end with GO,
 * $(VARIABLE)s, and the commands :setvar, :on error, :r, :quit and exit.
 */
#ifndef EKMSQL_SCRIPT_H
#define EKMSQL_SCRIPT_H

#include "tools/ekmsql/instance.h"

typedef struct sql_script sql_script;
sql_script *sql_script_new(sql_engine *e, bool stop_on_error);
void sql_script_free(sql_script *x);
void sql_script_set(sql_script *x, const char *name, const char *value);
/* Each runs to its end, or to the first error if the script says so; false if it was ended
 * early. */
bool sql_script_run_text(sql_script *x, const char *text, size_t len);
bool sql_script_run_file(sql_script *x, const char *path);
bool sql_script_interactive(sql_script *x);

#endif
