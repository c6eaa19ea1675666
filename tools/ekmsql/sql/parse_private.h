/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by parse.c (statements by pattern) and parse_parts.c (the parts with a grammar of their
 * own: lists, expressions, SELECT).
 */
#ifndef EKMSQL_SQL_PARSE_PRIVATE_H
#define EKMSQL_SQL_PARSE_PRIVATE_H

#include "tools/ekmsql/sql/parse.h"

typedef struct parser {
    sql_arena *arena;
    const sql_token *tokens;
    size_t pos;
    int depth;
    const char *allowed; /* options of the pattern being tried */
} parser;

static inline const sql_token *sql_here(const parser *p)
{
    return &p->tokens[p->pos];
}

/* Keywords and punctuation, and taking them. */
bool sql_at(const parser *p, const char *word);
bool sql_take(parser *p, const char *word);
/* An identifier: a word or a bracketed name. NULL where there is none. */
const char *sql_take_name(parser *p);
/* name or schema.name, where the schema dbo is left out. */
const char *sql_take_table(parser *p);

/* Each parses at p->pos into the statement, and leaves p->pos at what it could not take. */
typedef bool (*sql_part)(parser *p, sql_stmt *s);
sql_part sql_find_part(const char *name);
sql_expr *sql_parse_expr(parser *p);

#endif
