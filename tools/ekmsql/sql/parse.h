/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser: a batch of T-SQL into statements. It knows the syntax only (statements.h) and can be
 * linked and fuzzed without the rest of ekmsql. Everything it makes lives in the arena.
 */
#ifndef EKMSQL_SQL_PARSE_H
#define EKMSQL_SQL_PARSE_H

#include "tools/ekmsql/sql/lexer.h"
#include "tools/ekmsql/sql/statements.h"

typedef enum sql_base { SQL_INT, SQL_VARBINARY, SQL_NVARCHAR, SQL_VARCHAR, SQL_GUID } sql_base;

typedef struct sql_type {
    sql_base base;
    int64_t length; /* in characters or bytes; -1 is MAX */
} sql_type;

typedef enum sql_expr_kind {
    SQL_X_NULL,
    SQL_X_LITERAL, /* token */
    SQL_X_VARIABLE,
    SQL_X_COLUMN,
    SQL_X_STAR,
    SQL_X_CALL,
    SQL_X_CONVERT, /* args[0] to type; args[1], where given, is CONVERT's style */
    SQL_X_PLUS
} sql_expr_kind;

typedef struct sql_expr sql_expr;
struct sql_expr {
    sql_expr_kind kind;
    int line;
    const char *name;
    sql_token token;
    sql_type type;
    sql_expr *args[4];
    size_t nargs;
};

/* WHERE: conditions joined by AND. */
typedef struct sql_condition {
    sql_expr *left;
    sql_expr *right; /* NULL for IS NULL */
    bool negated;    /* <> and IS NOT NULL */
    struct sql_condition *next;
} sql_condition;

typedef struct sql_item {
    sql_expr *expr;
    const char *alias;    /* or NULL */
    const char *variable; /* SELECT @v = expr, SET column = expr */
    struct sql_item *next;
} sql_item;

typedef struct sql_column {
    const char *name;
    sql_type type;
    bool not_null;
    struct sql_column *next;
} sql_column;

typedef struct sql_row {
    sql_item *items;
    struct sql_row *next;
} sql_row;

typedef struct sql_option {
    const char *name;
    const char *value; /* NULL for a bare word */
    struct sql_option *next;
} sql_option;

typedef struct sql_stmt {
    sql_statement_id id;
    int line;
    const char *slot[SQL_SLOT_COUNT];
    bool flag;
    sql_option *options;
    sql_column *columns; /* CREATE TABLE, INSERT's list, DECLARE */
    sql_row *rows;       /* VALUES */
    sql_item *items;     /* SELECT's list, DECLARE's values, SET's and PRINT's expression */
    sql_expr *top;
    sql_expr **source_args; /* FROM f(args): NULL for a table */
    size_t nsource_args;
    bool has_source_args;
    const char *order_by;
    bool descending;
    sql_condition *where;
    struct sql_stmt *next;
} sql_stmt;

/* True with *batch (NULL when empty), or false with the first problem. */
bool sql_parse(sql_arena *arena, const char *text, size_t len, sql_stmt **batch,
               sql_problem *problem);

/* The option's value ("" for a bare word), or NULL where it was not given. */
const char *sql_option_value(const sql_stmt *stmt, const char *name);

#endif
