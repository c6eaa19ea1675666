/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits the text of the configuration into sections and entries with line numbers, by the rules of
 * NCONF: a line that ends with a single '\' continues on the next one (also a comment), '#' outside
 * quotes begins a comment, '\' escapes. It refuses what NCONF accepts but an administrator does not
 * expect: directives, variables, keys set twice, control characters, very long lines.
 */
#include "core/config_private.h"

#include <string.h>
#include "core/memory.h"

/* The position of the scan. `line` is one logical line, without its line ends and its comment. */
typedef struct scan {
    config_text *text;
    char *line;
    size_t length;
    unsigned number; /* number of the first physical line of the logical line */
    unsigned next;   /* number of the next physical line */
    const char *at, *end;
    core_err *err;
} scan;

static const char blanks[] = " \t";

static core_status fail_here(scan *s, const char *what)
{
    return core_fail(s->err, ST_CONFIG_INVALID, "%s:%u: %s", s->text->file, s->number, what);
}

static core_status fail_memory(scan *s)
{
    return core_fail(s->err, ST_NO_MEMORY, "%s: out of memory", s->text->file);
}

static bool has_control(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)line[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* Appends the next physical line to s->line. Requires s->at < s->end. */
static core_status add_physical(scan *s)
{
    const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
    size_t n = (size_t)((newline == NULL ? s->end : newline) - s->at);
    const unsigned number = s->next++;
    const char *what = NULL;

    if (n > 0 && s->at[n - 1] == '\r')
        n--;
    if (n > CONFIG_MAX_LINE)
        what = "the line is longer than 500 bytes; end it with \\ and go on in the next";
    else if (has_control(s->at, n))
        what = "a control character; remove it";
    if (what != NULL)
        return core_fail(s->err, ST_CONFIG_INVALID, "%s:%u: %s", s->text->file, number, what);
    memcpy(s->line + s->length, s->at, n);
    s->length += n;
    s->at = newline == NULL ? s->end : newline + 1;
    return ST_OK;
}

static core_status next_line(scan *s)
{
    s->length = 0;
    s->number = s->next;
    for (;;) {
        const core_status st = s->at < s->end ? add_physical(s) : ST_OK;
        if (st != ST_OK)
            return st;
        const char *last = s->line + s->length - 1;
        if (s->length == 0 || last[0] != '\\' || (s->length > 1 && last[-1] == '\\'))
            break;
        s->length--;
        if (s->at == s->end)
            break;
    }
    s->line[s->length] = '\0';
    return ST_OK;
}

/* Removes the comment. False if a '$' is not escaped: NCONF would insert a variable, even one of
 * the environment. */
static bool cut_comment(char *line)
{
    char quote = '\0';
    bool clean = true;
    for (char *p = line; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '$')
            clean = false;
        else if (quote != '\0') {
            if (*p == quote)
                quote = '\0';
        } else if (*p == '"' || *p == '\'' || *p == '`')
            quote = *p;
        else if (*p == '#') {
            *p = '\0';
            break;
        }
    }
    return clean;
}

const config_entry *config_text_find(const config_text *text, size_t section, const char *key_name)
{
    for (size_t i = 0; i < text->entry_count; i++) {
        const config_entry *entry = &text->entries[i];
        if (entry->section == section && strcmp(entry->key->name, key_name) == 0)
            return entry;
    }
    return NULL;
}

static core_status add_entry(scan *s, const config_key *key)
{
    config_text *text = s->text;
    if (text->entry_count == text->entry_room) {
        const size_t room = text->entry_room == 0 ? 32 : 2 * text->entry_room;
        config_entry *entries = core_realloc(text->entries, room * sizeof *entries);
        if (entries == NULL)
            return fail_memory(s);
        text->entries = entries;
        text->entry_room = room;
    }
    text->entries[text->entry_count++] =
        (config_entry){.key = key, .section = text->section_count, .line = s->number};
    return ST_OK;
}

static core_status fail_unknown(scan *s, const char *name)
{
    const char *near = config_key_near(name);
    return core_fail(s->err, ST_CONFIG_INVALID, "%s:%u: %s: unknown key%s%s%s", s->text->file,
                     s->number, name, near == NULL ? "; see p11ekm.conf(5)" : "; did you mean ",
                     near == NULL ? "" : near, near == NULL ? "" : "?");
}

static core_status scan_entry(scan *s, const char *line)
{
    char name[48];
    const size_t n = strcspn(line, " \t=");
    const char *equals = line + n + strspn(line + n, blanks);
    if (n == 0 || *equals != '=')
        return fail_here(s, "not \"key = value\"");
    if (n >= sizeof name)
        return fail_here(s, "unknown key; see p11ekm.conf(5)");
    memcpy(name, line, n);
    name[n] = '\0';

    const config_key *key = config_key_find(name);
    if (key == NULL)
        return fail_unknown(s, name);
    const bool in_token = s->text->section_count != 0;
    const char *misplaced = NULL;
    if (in_token && key->scope == CONFIG_GLOBAL)
        misplaced = "is for all tokens; move it before the first section";
    if (!in_token && key->scope == CONFIG_TOKEN)
        misplaced = "is for one token; move it under its [token ALIAS]";
    if (misplaced != NULL)
        return core_fail(s->err, ST_CONFIG_INVALID, "%s:%u: %s: %s", s->text->file, s->number, name,
                         misplaced);
    const config_entry *twin = config_text_find(s->text, s->text->section_count, name);
    if (twin != NULL)
        return core_fail(s->err, ST_CONFIG_INVALID,
                         "%s:%u: %s: set twice, first in line %u; remove one", s->text->file,
                         s->number, name, twin->line);
    return add_entry(s, key);
}

static bool is_alias(const char *alias)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_.-";
    const size_t n = strlen(alias);
    return n > 0 && n <= CONFIG_MAX_ALIAS && strspn(alias, letters) == n;
}

/* `name`, which begins after the '[' and its blanks, without the ']' and the blanks before it. */
static core_status add_section(scan *s, const char *name, size_t length)
{
    config_text *text = s->text;
    char *copy = core_strndup(name, length);
    config_section *sections = NULL;
    if (copy != NULL)
        sections = core_realloc(text->sections, (text->section_count + 1) * sizeof *sections);
    if (sections == NULL) {
        core_free(copy);
        return fail_memory(s);
    }
    text->sections = sections;
    config_section *section = &sections[text->section_count++];
    const size_t word = strcspn(copy, blanks);
    *section = (config_section){
        .name = copy, .alias = copy + word + strspn(copy + word, blanks), .line = s->number};

    if (word != 5 || memcmp(copy, "token", 5) != 0)
        return fail_here(s, "unknown section; sections are [token ALIAS]");
    if (!is_alias(section->alias))
        return fail_here(s, "an alias is 1 to 64 of the characters A-Z a-z 0-9 _ . -");
    for (size_t i = 0; i + 1 < text->section_count; i++) {
        if (strcmp(text->sections[i].alias, section->alias) == 0)
            return core_fail(s->err, ST_CONFIG_INVALID,
                             "%s:%u: token %s: there already, in line %u; rename or remove one",
                             text->file, s->number, section->alias, text->sections[i].line);
    }
    return ST_OK;
}

static core_status scan_section(scan *s, const char *line)
{
    const char *name = line + 1 + strspn(line + 1, blanks);
    const char *close = strchr(name, ']');
    if (close == NULL || close[1 + strspn(close + 1, blanks)] != '\0')
        return fail_here(s, "not \"[token ALIAS]\"");
    if (s->text->section_count == CONFIG_MAX_TOKENS)
        return fail_here(s, "more than 64 tokens");
    size_t length = (size_t)(close - name);
    while (length > 0 && strchr(blanks, name[length - 1]) != NULL)
        length--;
    return add_section(s, name, length);
}

static core_status scan_line(scan *s)
{
    const bool clean = cut_comment(s->line);
    const char *line = s->line + strspn(s->line, blanks);
    if (line[0] == '\0')
        return ST_OK;
    if (line[0] == '.')
        return fail_here(s, "directives (.include, .pragma) are not followed; remove it");
    if (!clean)
        return fail_here(s, "variables are not replaced; write \\$ for a dollar sign");
    return line[0] == '[' ? scan_section(s, line) : scan_entry(s, line);
}

core_status config_text_scan(config_text *out, const char *text, size_t length, const char *file,
                             core_err *err)
{
    scan s = {.text = out, .next = 1, .at = text, .end = text + length, .err = err};
    core_status st = ST_NO_MEMORY;

    *out = (config_text){.file = file};
    s.line = core_calloc(length + 1, 1);
    if (s.line == NULL) {
        st = fail_memory(&s);
        goto done;
    }
    do {
        st = next_line(&s);
        if (st == ST_OK)
            st = scan_line(&s);
    } while (st == ST_OK && s.at < s.end);
done:
    core_free(s.line);
    if (st != ST_OK)
        config_text_free(out);
    return st;
}

void config_text_free(config_text *text)
{
    for (size_t i = 0; i < text->section_count; i++)
        core_free(text->sections[i].name);
    core_free(text->sections);
    core_free(text->entries);
    *text = (config_text){0};
}
