/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of T-SQL: words, [bracketed] and "quoted" identifiers, 'strings' and N'strings', 0x
 * binary literals, integers, @variables and punctuation; comments are skipped.
 */
#ifndef EKMSQL_SQL_LEXER_H
#define EKMSQL_SQL_LEXER_H

#include "tools/ekmsql/base/text.h"

typedef enum sql_token_kind {
    SQL_TOK_END,
    SQL_TOK_WORD,
    SQL_TOK_NAME,     /* a bracketed or quoted identifier: never a keyword */
    SQL_TOK_STRING,   /* 'text' */
    SQL_TOK_NATIONAL, /* N'text' */
    SQL_TOK_BINARY,   /* 0x...: text holds the digits */
    SQL_TOK_INTEGER,
    SQL_TOK_VARIABLE, /* @name, text with the @ */
    SQL_TOK_PUNCT
} sql_token_kind;

typedef struct sql_token {
    sql_token_kind kind;
    const char *text; /* decoded, NUL-terminated */
    size_t len;
    int line; /* within the batch, from 1 */
} sql_token;

/* The first error in a batch, with the number of SQL Server. */
typedef struct sql_problem {
    int number;
    int line;
    const char *text; /* the argument of the message */
} sql_problem;

/* Returns an array that ends with SQL_TOK_END, or NULL with *problem set. */
sql_token *sql_lex(sql_arena *arena, const char *text, size_t len, sql_problem *problem);

#endif
