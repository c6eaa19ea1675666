/* SPDX-License-Identifier: Apache-2.0
 *
 * ekmsql's lexer and parser on any bytes: a list of statements or one problem, never a crash, an
 * endless loop or a read beyond the input. Nothing is executed.
 */
#include "tools/ekmsql/sql/parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly the input's size, so that the sanitizer detects a read beyond it. */
    char *text = malloc(size == 0 ? 1 : size);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    sql_arena *arena = sql_arena_new();
    sql_stmt *batch = NULL;
    sql_problem problem = {-1, 0, NULL};
    bool ok = sql_parse(arena, text, size, &batch, &problem);
    /* A refusal has a number, a line and a subject. */
    if (!ok && (problem.number < 0 || problem.line < 1 || problem.text == NULL)) {
        abort();
    }
    for (const sql_stmt *s = ok ? batch : NULL; s != NULL; s = s->next) {
        if ((unsigned)s->id >= SQL_ST_COUNT || s->line < 1) {
            abort();
        }
    }
    sql_arena_free(arena);
    free(text);
    return 0;
}
