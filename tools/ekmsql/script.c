/* SPDX-License-Identifier: Apache-2.0
 *
 * The features of sqlcmd: see script.h.
 */
#include "tools/ekmsql/script.h"

#include "tools/ekmsql/base/host.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INCLUDES 16

typedef struct setting {
    char *name;
    char *value;
    struct setting *next;
} setting;

struct sql_script {
    sql_engine *e;
    setting *settings;
    sql_buf batch;
    bool stop_on_error;
    bool stopped;
    int includes;
};

sql_script *sql_script_new(sql_engine *e, bool stop_on_error)
{
    sql_script *x = sql_alloc(sizeof *x);
    x->e = e;
    x->stop_on_error = stop_on_error;
    return x;
}

/* Values may be PINs. */
static void wipe_text(char *text)
{
    sql_buf b = {(uint8_t *)text, 0, strlen(text) + 1};
    sql_buf_free(&b);
}

void sql_script_free(sql_script *x)
{
    for (setting *s = x->settings; s != NULL;) {
        setting *next = s->next;
        free(s->name);
        wipe_text(s->value);
        free(s);
        s = next;
    }
    sql_buf_free(&x->batch);
    free(x);
}

void sql_script_set(sql_script *x, const char *name, const char *value)
{
    setting *s = x->settings;
    while (s != NULL && !sql_same(s->name, name)) {
        s = s->next;
    }
    if (s == NULL) {
        s = sql_alloc(sizeof *s);
        s->name = sql_strdup(name);
        s->next = x->settings;
        x->settings = s;
    } else {
        wipe_text(s->value);
    }
    s->value = sql_strdup(value);
}

static const char *get(const sql_script *x, const char *name)
{
    for (const setting *s = x->settings; s != NULL; s = s->next) {
        if (sql_same(s->name, name)) {
            return s->value;
        }
    }
    return NULL;
}

/* Replaces each $(NAME) in the line; an unknown one ends the script, as in sqlcmd. */
static bool substitute(sql_script *x, const char *line, size_t len, sql_buf *out)
{
    for (size_t i = 0; i < len;) {
        const char *close = NULL;
        if (line[i] == '$' && i + 1 < len && line[i + 1] == '(') {
            close = memchr(line + i, ')', len - i);
        }
        if (close == NULL) {
            sql_buf_add(out, line + i++, 1);
            continue;
        }
        sql_buf name = {0};
        sql_buf_add(&name, line + i + 2, (size_t)(close - line) - i - 2);
        const char *value = get(x, sql_buf_text(&name));
        if (value == NULL) {
            sql_print("'%s' scripting variable not defined.", sql_buf_text(&name));
            x->e->errors++;
            x->stopped = true;
            sql_buf_free(&name);
            return false;
        }
        sql_buf_puts(out, value);
        sql_buf_free(&name);
        i = (size_t)(close - line) + 1;
    }
    return true;
}

static void go(sql_script *x, long times)
{
    for (long i = 0; i < times && !x->stopped; i++) {
        unsigned before = x->e->errors;
        sql_engine_batch(x->e, sql_buf_text(&x->batch), x->batch.len);
        if (x->stop_on_error && x->e->errors != before) {
            x->stopped = true;
        }
    }
    x->batch.len = 0;
}

/* The next word of a command line, or its "quoted" text; NULL at the end. */
static char *word(char **at)
{
    char *p = *at + strspn(*at, " \t");
    if (*p == 0) {
        return NULL;
    }
    bool quoted = *p == '"';
    p += quoted;
    char *end = p + strcspn(p, quoted ? "\"" : " \t");
    *at = *end == 0 ? end : end + 1;
    *end = 0;
    return p;
}

static void command(sql_script *x, char *line)
{
    char *at = line;
    const char *name = word(&at);
    const char *first = word(&at);
    const char *second = word(&at);
    if (sql_same(name, ":setvar") && first != NULL) {
        sql_script_set(x, first, second == NULL ? "" : second);
    } else if (sql_same(name, ":r") && first != NULL) {
        sql_script_run_file(x, first);
    } else if (sql_same(name, ":on") && first != NULL && second != NULL &&
               sql_same(first, "error")) {
        x->stop_on_error = sql_same(second, "exit");
    } else if (sql_same(name, ":quit") || sql_same(name, ":exit")) {
        x->stopped = true;
    } else {
        sql_print("ekmsql does not implement the command '%s'.", name);
        x->e->errors++;
    }
}

static bool is_go(const char *line, long *times)
{
    line += strspn(line, " \t");
    if ((line[0] | 0x20) != 'g' || (line[1] | 0x20) != 'o') {
        return false;
    }
    line += 2;
    char *end = NULL;
    *times = strtol(line, &end, 10);
    *times = end == line ? 1 : *times;
    end += strspn(end, " \t;");
    return *end == 0;
}

/* One line without its end. */
static void take_line(sql_script *x, const char *line, size_t len)
{
    sql_buf text = {0};
    long times = 0;
    len -= len > 0 && line[len - 1] == '\r';
    /* No substitution in comments: they may contain $(NAME). */
    size_t blank = strspn(line, " \t");
    bool comment = blank + 1 < len && line[blank] == '-' && line[blank + 1] == '-';
    if (comment || substitute(x, line, len, &text)) {
        sql_buf_text(&text);
        if (is_go((const char *)text.p, &times)) {
            go(x, times);
        } else if (text.p[0] == ':') {
            command(x, (char *)text.p);
        } else {
            sql_buf_add(&x->batch, text.p, text.len);
            sql_buf_puts(&x->batch, "\n");
        }
    }
    sql_buf_free(&text);
}

bool sql_script_run_text(sql_script *x, const char *text, size_t len)
{
    /* Skip the byte-order mark. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    const char *end = text + len;
    while (text < end && !x->stopped) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline == NULL ? (size_t)(end - text) : (size_t)(newline - text);
        sql_buf line = {0};
        sql_buf_add(&line, text, n);
        take_line(x, sql_buf_text(&line), n);
        sql_buf_free(&line);
        text += n + (newline != NULL);
    }
    if (x->batch.len > 0) {
        go(x, 1);
    }
    return !x->stopped;
}

bool sql_script_run_file(sql_script *x, const char *path)
{
    uint8_t *text = NULL;
    size_t len = 0;
    if (x->includes == MAX_INCLUDES || !host_file_read(path, &text, &len)) {
        sql_print("ekmsql cannot read the script '%s'.", path);
        x->e->errors++;
        x->stopped = true;
        return false;
    }
    x->includes++;
    bool ok = sql_script_run_text(x, (const char *)text, len);
    x->includes--;
    sql_buf whole = {text, len, len + 1};
    sql_buf_free(&whole);
    return ok;
}

bool sql_script_interactive(sql_script *x)
{
    bool prompt = host_is_terminal(stdin);
    char line[8192];
    for (int n = 1; !x->stopped; n = x->batch.len == 0 ? 1 : n + 1) {
        if (prompt) {
            printf("%d> ", n);
            fflush(stdout);
        }
        if (fgets(line, sizeof line, stdin) == NULL) {
            break;
        }
        line[strcspn(line, "\n")] = 0;
        if (x->batch.len == 0 && (sql_same(line, "exit") || sql_same(line, "quit"))) {
            return true;
        }
        take_line(x, line, strlen(line));
    }
    if (x->batch.len > 0) {
        go(x, 1);
    }
    return !x->stopped;
}
