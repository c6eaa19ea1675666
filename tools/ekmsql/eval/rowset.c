/* SPDX-License-Identifier: Apache-2.0
 *
 * Rowsets and their printing.
 */
#include "tools/ekmsql/eval/eval.h"

#include <stdlib.h>
#include <string.h>

sql_rowset *sql_rowset_new(sql_engine *e, const char *names)
{
    sql_rowset *r = sql_arena_alloc(e->arena, sizeof *r);
    char *text = sql_arena_text(e->arena, names, strlen(names));
    r->columns = *text != 0;
    for (const char *p = text; *p != 0; p++) {
        r->columns += *p == ' ';
    }
    r->names = sql_arena_alloc(e->arena, (r->columns + 1) * sizeof *r->names);
    for (size_t i = 0; i < r->columns; i++) {
        r->names[i] = text;
        text += strcspn(text, " ");
        *text++ = 0;
    }
    return r;
}

sql_value *sql_rowset_add(sql_engine *e, sql_rowset *r)
{
    if (r->count == r->cap) {
        r->cap = r->cap * 2 + 16;
        sql_value **rows = sql_arena_alloc(e->arena, r->cap * sizeof *rows);
        if (r->count > 0) {
            memcpy(rows, r->rows, r->count * sizeof *rows);
        }
        r->rows = rows;
    }
    sql_value *row = sql_arena_alloc(e->arena, (r->columns + 1) * sizeof *row);
    for (size_t i = 0; i <= r->columns; i++) {
        row[i] = sql_null(SQL_NVARCHAR);
    }
    r->rows[r->count++] = row;
    return row;
}

/* Characters, not bytes. */
static size_t width(const char *utf8)
{
    size_t n = 0;
    for (; *utf8 != 0; utf8++) {
        n += (*utf8 & 0xc0) != 0x80;
    }
    return n;
}

static void pad(char c, size_t count)
{
    while (count-- > 0) {
        putchar(c);
    }
}

static void print_cell(const char *text, size_t wide, bool last)
{
    fputs(text, stdout);
    if (last) {
        putchar('\n');
    } else {
        pad(' ', wide - width(text) + 1);
    }
}

void sql_rowset_print(sql_engine *e, const sql_rowset *r)
{
    size_t *wide = sql_arena_alloc(e->arena, (r->columns + 1) * sizeof *wide);
    for (size_t c = 0; c < r->columns; c++) {
        wide[c] = width(r->names[c]);
        for (size_t i = 0; i < r->count; i++) {
            size_t w = width(sql_show(e, &r->rows[i][c]));
            wide[c] = w > wide[c] ? w : wide[c];
        }
    }
    for (size_t c = 0; c < r->columns; c++) {
        print_cell(r->names[c], wide[c], c + 1 == r->columns);
    }
    for (size_t c = 0; c < r->columns; c++) {
        pad('-', wide[c] > 0 ? wide[c] : 1);
        putchar(c + 1 == r->columns ? '\n' : ' ');
    }
    for (size_t i = 0; i < r->count; i++) {
        for (size_t c = 0; c < r->columns; c++) {
            print_cell(sql_show(e, &r->rows[i][c]), wide[c], c + 1 == r->columns);
        }
    }
    sql_rows_affected(e, r->count);
}

void sql_rows_affected(const sql_engine *e, size_t count)
{
    if (!e->nocount) {
        printf("\n(%zu rows affected)\n", count);
    }
}
