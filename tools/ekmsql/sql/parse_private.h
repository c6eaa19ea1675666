/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the parser. parse.c (statements by pattern) uses parse_parts.c (parts that
 * have their own grammar). parse_parts.c uses parse_expr.c (types and expressions). All of them use
 * parse_cursor.c.
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

/* True if the token is this keyword or punctuation. */
bool sql_is_keyword(const sql_token *t, const char *word, size_t len);
/* True if the current token is this word; sql_take then also moves to the next token. */
bool sql_at(const parser *p, const char *word);
bool sql_take(parser *p, const char *word);
/* Takes an identifier: a word or a bracketed name. NULL if the current token is none. */
const char *sql_take_name(parser *p);
/* Takes `name` or `schema.name`. The schema dbo is omitted from the result. */
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
