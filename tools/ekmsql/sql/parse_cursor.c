/* SPDX-License-Identifier: Apache-2.0
 *
 * The position of the parser in the tokens: tests and takes the current token.
 */
#include "tools/ekmsql/sql/parse_private.h"

#include <string.h>

static int upper(char c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

bool sql_is_keyword(const sql_token *t, const char *word, size_t len)
{
    if ((t->kind != SQL_TOK_WORD && t->kind != SQL_TOK_PUNCT) || t->len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (upper(t->text[i]) != upper(word[i])) {
            return false;
        }
    }
    return true;
}

bool sql_at(const parser *p, const char *word)
{
    return sql_is_keyword(sql_here(p), word, strlen(word));
}

bool sql_take(parser *p, const char *word)
{
    bool at = sql_at(p, word);
    p->pos += at;
    return at;
}

const char *sql_take_name(parser *p)
{
    const sql_token *t = sql_here(p);
    if ((t->kind != SQL_TOK_WORD && t->kind != SQL_TOK_NAME) || t->len == 0 || t->len > 128) {
        return NULL;
    }
    p->pos++;
    return t->text;
}

const char *sql_take_table(parser *p)
{
    const char *name = sql_take_name(p);
    if (name == NULL || !sql_take(p, ".")) {
        return name;
    }
    const char *last = sql_take_name(p);
    if (last == NULL || sql_same(name, "dbo")) {
        return last;
    }
    sql_buf text = {0};
    sql_buf_printf(&text, "%s.%s", name, last);
    const char *both = sql_arena_text(p->arena, sql_buf_text(&text), text.len);
    sql_buf_free(&text);
    return both;
}
