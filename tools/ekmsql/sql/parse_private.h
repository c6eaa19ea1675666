/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the parser: parse.c (statements by pattern) uses parse_parts.c (the parts
 * with a grammar of their own), that parse_expr.c (types and expressions), and all parse_cursor.c.
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

/* The token is this keyword or punctuation. */
bool sql_is_keyword(const sql_token *t, const char *word, size_t len);
/* The same of the current token, and taking it. */
bool sql_at(const parser *p, const char *word);
bool sql_take(parser *p, const char *word);
/* An identifier: a word or a bracketed name. NULL where there is none. */
const char *sql_take_name(parser *p);
/* name or schema.name, where the schema dbo is left out. */
const char *sql_take_table(parser *p);

/* Each parses at p->pos into the statement, and leaves p->pos at what it could not take. */
typedef bool (*sql_part)(parser *p, sql_stmt *s);
sql_part sql_find_part(const char *name);

/* parse_expr.c: NULL or false where the tokens are none. */
sql_expr *sql_parse_expr(parser *p);
sql_expr *sql_parse_primary(parser *p);
/* Arguments up to the closing parenthesis. */
bool sql_parse_args(parser *p, sql_expr **args, size_t cap, size_t *count);
bool sql_parse_type(parser *p, sql_type *type);
/* An expression at the current token, which is not taken. */
sql_expr *sql_new_expr(parser *p, sql_expr_kind kind);

#endif
