/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the table of keys: a commented configuration file, and the key list of the man page.
 */
#include "core/config_private.h"

#include <stdio.h>
#include <string.h>

static const char *const heading =
    "# p11ekm configuration; see p11ekm.conf(5). Owned by root or the service account and not\n"
    "# writable by others. Every key stands here with its default; take the # away to change "
    "one.\n";

/* Writes a value so that NCONF reads the same bytes. In double quotes '\' escapes any character;
 * '$' is escaped because config_text.c refuses it otherwise. */
static void add_value(core_str *out, const char *value)
{
    if (value[strcspn(value, "\\\"'`#$ \t")] == '\0') {
        core_str_add(out, value);
        return;
    }
    core_str_add(out, "\"");
    for (const char *p = value; *p != '\0'; p++)
        core_str_addf(out, "%s%c", strchr("\\\"$", *p) == NULL ? "" : "\\", *p);
    core_str_add(out, "\"");
}

static void add_line(core_str *out, const char *name, const char *value)
{
    core_str_addf(out, "%s = ", name);
    add_value(out, value);
    core_str_add(out, "\n");
}

/* The allowed values as a phrase: "one of: a, b". */
static void add_kind(core_str *out, const config_key *key, const char *code)
{
    static const char *const kinds[CONFIG_TYPE_COUNT] = {
        "text",   "absolute path", "absolute path or one of", "number", "yes or no",
        "one of", "a list of"};
    core_str_add(out, kinds[key->type]);
    if (key->type == CONFIG_NUMBER)
        core_str_addf(out, " from %u to %u", key->min, key->max);
    for (size_t i = 0; key->words != NULL && key->words[i] != NULL; i++)
        core_str_addf(out, "%s%s%s%s", i == 0 ? ": " : ", ", code, key->words[i], code);
}

/* Writes a comment, wrapped to several lines. */
static void add_comment(core_str *out, const char *text)
{
    enum { WIDTH = 94 };
    while (*text != '\0') {
        size_t n = strlen(text);
        if (n > WIDTH) {
            n = WIDTH;
            while (n > 0 && text[n] != ' ')
                n--;
            if (n == 0)
                n = strcspn(text, " ");
        }
        core_str_add(out, "# ");
        core_str_addn(out, text, n);
        core_str_add(out, "\n");
        text += n + (text[n] == ' ');
    }
}

static void add_sample_key(core_str *out, const config_key *key, const char *value)
{
    core_str text = {.limit = 4096};
    core_str_addf(&text, "%s%s%s (", key->brief, key->more == NULL ? "" : " ",
                  key->more == NULL ? "" : key->more);
    add_kind(&text, key, "");
    core_str_add(&text, ")");
    core_str_add(out, "\n");
    add_comment(out, core_str_get(&text));
    out->failed = out->failed || text.failed;
    core_str_free(&text);
    if (value != NULL)
        add_line(out, key->name, value);
    else
        core_str_addf(out, "#%s = %s\n", key->name, key->fallback == NULL ? "" : key->fallback);
}

void core_config_sample(core_str *out, const char *module, const char *alias, const char *token,
                        const char *pin_file, const char *audit)
{
    core_str_add(out, heading);
    for (size_t i = 0; i < config_key_count; i++) {
        const config_key *key = &config_keys[i];
        const char *value = NULL;
        if (strcmp(key->name, "module") == 0)
            value = module;
        if (strcmp(key->name, "audit") == 0)
            value = audit;
        if (key->scope == CONFIG_GLOBAL)
            add_sample_key(out, key, value);
    }
    core_str_addf(
        out,
        "\n# The name of the section is what IDENTITY of a credential says. The keys from "
        "pin_file\n# on may also stand before the first section, for all tokens.\n"
        "[token %s]\n",
        alias);
    for (size_t i = 0; i < config_key_count; i++) {
        const config_key *key = &config_keys[i];
        const char *value = NULL;
        if (strcmp(key->name, "token") == 0)
            value = token;
        if (strcmp(key->name, "pin_file") == 0)
            value = pin_file;
        if (key->scope != CONFIG_GLOBAL)
            add_sample_key(out, key, value);
    }
}

void core_config_manual(core_str *out)
{
    static const struct {
        const char *title;
        bool global;
    } parts[] = {{"## Global keys\n", true}, {"\n## Keys of tokens\n", false}};
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        core_str_add(out, parts[p].title);
        for (size_t i = 0; i < config_key_count; i++) {
            const config_key *key = &config_keys[i];
            if ((key->scope == CONFIG_GLOBAL) != parts[p].global)
                continue;
            core_str_addf(out, "\n**%s** = ", key->name);
            add_kind(out, key, "*");
            core_str_addf(out, "\n:   %s%s%s\n", key->brief, key->more == NULL ? "" : " ",
                          key->more == NULL ? "" : key->more);
            if (key->fallback != NULL)
                core_str_addf(out, "    Default: `%s`.\n", key->fallback);
        }
    }
}
