/* SPDX-License-Identifier: Apache-2.0
 *
 * The lexer: one pass over the batch into an array of tokens. It never reads beyond len.
 */
#include "tools/ekmsql/sql/lexer.h"

#include <string.h>

typedef struct lexer {
    sql_arena *arena;
    const char *p;
    const char *end;
    int line;
    sql_problem *problem;
    bool failed;
} lexer;

static bool fail(lexer *x, int number, const char *text)
{
    if (!x->failed) {
        *x->problem = (sql_problem){number, x->line, text};
    }
    x->failed = true;
    return false;
}

static char peek(const lexer *x, size_t ahead)
{
    if ((size_t)(x->end - x->p) <= ahead) {
        return 0;
    }
    return x->p[ahead];
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '#' ||
           (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_part(char c)
{
    return is_letter(c) || is_digit(c) || c == '@' || c == '$';
}

/* T-SQL's block comments nest. */
static bool skip_block_comment(lexer *x)
{
    size_t depth = 0;
    while (x->p < x->end) {
        if (peek(x, 0) == '/' && peek(x, 1) == '*') {
            depth++;
            x->p += 2;
        } else if (peek(x, 0) == '*' && peek(x, 1) == '/') {
            x->p += 2;
            if (--depth == 0) {
                return true;
            }
        } else {
            x->line += *x->p++ == '\n';
        }
    }
    return fail(x, 113, "");
}

static bool skip_space(lexer *x)
{
    while (x->p < x->end) {
        char c = *x->p;
        if (c == '-' && peek(x, 1) == '-') {
            while (x->p < x->end && *x->p != '\n') {
                x->p++;
            }
        } else if (c == '/' && peek(x, 1) == '*') {
            if (!skip_block_comment(x)) {
                return false;
            }
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
            x->line += c == '\n';
            x->p++;
        } else {
            break;
        }
    }
    return true;
}

/* Text between quotes, where a doubled closing quote stands for one. */
static bool quoted(lexer *x, char close, sql_token *t)
{
    const char *start = ++x->p;
    while (x->p < x->end && (*x->p != close || peek(x, 1) == close)) {
        x->p += *x->p == close ? 2 : 1;
    }
    char *out = sql_arena_alloc(x->arena, (size_t)(x->p - start) + 1);
    for (const char *p = start; p < x->p; p++) {
        x->line += *p == '\n';
        out[t->len++] = *p;
        p += *p == close;
    }
    t->text = out;
    if (x->p == x->end) {
        x->line = t->line;
        return fail(x, 105, out);
    }
    x->p++;
    return true;
}

static void run(lexer *x, sql_token *t, sql_token_kind kind, bool (*belongs)(char))
{
    const char *start = x->p;
    x->p++;
    while (x->p < x->end && belongs(*x->p)) {
        x->p++;
    }
    t->kind = kind;
    t->len = (size_t)(x->p - start);
    t->text = sql_arena_text(x->arena, start, t->len);
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void punctuation(lexer *x, sql_token *t)
{
    static const char *const pairs[] = {"<>", "!=", "<=", ">="};
    size_t n = 1;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        n = peek(x, 0) == pairs[i][0] && peek(x, 1) == pairs[i][1] ? 2 : n;
    }
    t->kind = SQL_TOK_PUNCT;
    t->text = sql_arena_text(x->arena, x->p, n);
    t->len = n;
    x->p += n;
}

static char closing(char open)
{
    if (open == '[') {
        return ']';
    }
    return open;
}

static bool next(lexer *x, sql_token *t)
{
    *t = (sql_token){SQL_TOK_END, "", 0, x->line};
    if (!skip_space(x)) {
        return false;
    }
    t->line = x->line;
    if (x->p >= x->end) {
        return true;
    }
    char c = *x->p;
    if (c == '\'' || c == '"' || c == '[') {
        t->kind = c == '\'' ? SQL_TOK_STRING : SQL_TOK_NAME;
        return quoted(x, closing(c), t);
    }
    if ((c == 'N' || c == 'n') && peek(x, 1) == '\'') {
        t->kind = SQL_TOK_NATIONAL;
        x->p++;
        return quoted(x, '\'', t);
    }
    if (c == '0' && (peek(x, 1) == 'x' || peek(x, 1) == 'X')) {
        x->p++;
        run(x, t, SQL_TOK_BINARY, is_hex);
        t->text++;
        t->len--;
    } else if (is_letter(c)) {
        run(x, t, SQL_TOK_WORD, is_name_part);
    } else if (is_digit(c)) {
        run(x, t, SQL_TOK_INTEGER, is_digit);
    } else if (c == '@') {
        run(x, t, SQL_TOK_VARIABLE, is_name_part);
    } else {
        punctuation(x, t);
    }
    return true;
}

sql_token *sql_lex(sql_arena *arena, const char *text, size_t len, sql_problem *problem)
{
    lexer x = {arena, text, text + len, 1, problem, false};
    size_t count = 0;
    size_t cap = 64;
    sql_token *tokens = sql_arena_alloc(arena, cap * sizeof *tokens);
    for (;;) {
        if (!next(&x, &tokens[count])) {
            return NULL;
        }
        if (tokens[count].kind == SQL_TOK_END) {
            return tokens;
        }
        if (++count == cap) {
            sql_token *more = sql_arena_alloc(arena, 2 * cap * sizeof *more);
            memcpy(more, tokens, cap * sizeof *more);
            tokens = more;
            cap *= 2;
        }
    }
}
