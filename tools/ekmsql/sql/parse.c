/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses statements by patterns. Each pattern of statements.h is tried at the current token, and
 * the one that matches most tokens is used: as a statement if it matched completely, otherwise
 * for a syntax error at the token where it stopped. A statement whose first words are in no
 * pattern is refused by its name (number 0).
 */
#include "tools/ekmsql/sql/parse_private.h"

#include <string.h>

static const struct {
    const char *pattern;
    const char *options;
} patterns[] = {
#define SQL_PATTERN(id, handler, options, pattern) {pattern, options},
    SQL_STATEMENTS(SQL_PATTERN)
#undef SQL_PATTERN
};

static const char *const slots[] = {
#define SQL_SLOT_TEXT(id, text) text,
    SQL_SLOTS(SQL_SLOT_TEXT)
#undef SQL_SLOT_TEXT
};

/* A pattern's element, between spaces. */
typedef struct element {
    const char *p;
    size_t len;
} element;

static element next_element(const char **pattern)
{
    const char *p = *pattern;
    while (*p == ' ') {
        p++;
    }
    element e = {p, strcspn(p, " ")};
    *pattern = p + e.len;
    return e;
}

static int find_slot(const char *name, size_t len)
{
    for (int i = 0; i < SQL_SLOT_COUNT; i++) {
        if (strlen(slots[i]) == len && memcmp(slots[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

/* Takes a token of the kinds that a slot of this mark accepts. */
static const char *take_slot(parser *p, char mark, int slot)
{
    const sql_token *t = sql_here(p);
    if (mark == '<') {
        return slot == SQL_TABLE ? sql_take_table(p) : sql_take_name(p);
    }
    bool ok = mark == '#' ? t->kind == SQL_TOK_INTEGER
                          : t->kind == SQL_TOK_STRING || t->kind == SQL_TOK_NATIONAL;
    p->pos += ok;
    return ok ? t->text : NULL;
}

static bool take_element(parser *p, element e, sql_stmt *s)
{
    if (e.p[0] == '^') {
        s->flag = true;
        return true;
    }
    if (e.p[0] == '*' && e.len > 1) {
        char name[16] = {0};
        memcpy(name, e.p + 1, e.len - 1 < sizeof name ? e.len - 1 : 0);
        return sql_find_part(name)(p, s);
    }
    if (e.len > 1 && (e.p[0] == '<' || e.p[0] == '\'' || e.p[0] == '#')) {
        int slot = find_slot(e.p + 1, e.len - (e.p[0] == '#' ? 1 : 2));
        s->slot[slot] = take_slot(p, e.p[0], slot);
        return s->slot[slot] != NULL;
    }
    bool at = sql_is_keyword(sql_here(p), e.p, e.len);
    p->pos += at;
    return at;
}

/* Matches one pattern. *leading is the number of keywords that matched before the first other
 * element; it distinguishes an unknown statement from a known one with an error in it. */
static bool match(parser *p, const char *pattern, sql_stmt *s, size_t *leading)
{
    bool only_words = true;
    *leading = 0;
    for (element e = next_element(&pattern); e.len > 0; e = next_element(&pattern)) {
        if (e.p[0] == ']') {
            continue;
        }
        if (e.p[0] == '[') {
            const char *ahead = pattern;
            element first = next_element(&ahead);
            if (!sql_is_keyword(sql_here(p), first.p, first.len)) {
                pattern = strchr(pattern, ']') + 1;
            }
            continue;
        }
        if (!take_element(p, e, s)) {
            return false;
        }
        only_words = only_words && e.p[0] >= 'A';
        *leading += only_words;
    }
    return true;
}

typedef struct best {
    size_t pos;
    bool matched;
    size_t leading;
    sql_stmt stmt;
} best;

static best try_patterns(parser *p)
{
    best found = {p->pos, false, 0, {0}};
    size_t start = p->pos;
    int line = sql_here(p)->line;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        sql_stmt s = {.id = (sql_statement_id)i, .line = line};
        size_t leading = 0;
        p->pos = start;
        p->depth = 0;
        p->allowed = patterns[i].options;
        bool matched = match(p, patterns[i].pattern, &s, &leading);
        found.leading = leading > found.leading ? leading : found.leading;
        if (p->pos > found.pos || (matched && p->pos == found.pos)) {
            found.pos = p->pos;
            found.matched = matched;
            found.stmt = s;
        }
    }
    return found;
}

/* The first words of a statement, at most three, for the message that refuses it. */
static const char *statement_name(parser *p, size_t start)
{
    sql_buf text = {0};
    for (size_t i = 0; i < 3 && p->tokens[start + i].kind == SQL_TOK_WORD; i++) {
        sql_buf_printf(&text, "%s%s", i == 0 ? "" : " ", p->tokens[start + i].text);
    }
    if (text.len == 0) {
        sql_buf_puts(&text, p->tokens[start].text);
    }
    char *name = sql_arena_text(p->arena, sql_buf_text(&text), text.len);
    sql_buf_free(&text);
    return name;
}

static bool starts_with_known_words(size_t leading, const parser *p, size_t start)
{
    /* After CREATE, ALTER and DROP, the second word must be known, too. */
    bool verb = sql_is_keyword(&p->tokens[start], "CREATE", 6) ||
                sql_is_keyword(&p->tokens[start], "ALTER", 5) ||
                sql_is_keyword(&p->tokens[start], "DROP", 4);
    return leading >= (verb ? 2 : 1);
}

bool sql_parse(sql_arena *arena, const char *text, size_t len, sql_stmt **batch,
               sql_problem *problem)
{
    parser p = {.arena = arena, .tokens = sql_lex(arena, text, len, problem)};
    *batch = NULL;
    if (p.tokens == NULL) {
        return false;
    }
    sql_stmt **tail = batch;
    for (;;) {
        while (sql_take(&p, ";")) {
        }
        if (sql_here(&p)->kind == SQL_TOK_END) {
            return true;
        }
        size_t start = p.pos;
        best found = try_patterns(&p);
        if (!found.matched) {
            bool known = starts_with_known_words(found.leading, &p, start);
            const sql_token *at = &p.tokens[known ? found.pos : start];
            *problem = (sql_problem){known ? 102 : 0, at->line,
                                     known ? at->text : statement_name(&p, start)};
            return false;
        }
        *tail = sql_arena_copy(arena, &found.stmt, sizeof found.stmt);
        tail = &(*tail)->next;
        p.pos = found.pos;
    }
}

const char *sql_option_value(const sql_stmt *stmt, const char *name)
{
    for (const sql_option *o = stmt->options; o != NULL; o = o->next) {
        if (sql_same(o->name, name)) {
            return o->value == NULL ? "" : o->value;
        }
    }
    return NULL;
}
