/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the configuration: the table of keys (config_keys.c), the text as a list of entries
 * with line numbers (config_text.c), the values (config_value.c) and groups (config_group.c).
 *
 * OpenSSL's NCONF parses the values. It reports no line numbers, keeps the last of two equal keys,
 * and follows `.include` and `$ENV::`. config_text.c therefore scans the text first, by the rules
 * of NCONF, and refuses equal keys, directives and variables.
 */
#ifndef CORE_CONFIG_PRIVATE_H
#define CORE_CONFIG_PRIVATE_H

#include "core/config.h"

enum {
    CONFIG_MAX_SIZE = 256 * 1024,
    CONFIG_MAX_LINE = 500, /* NCONF reads in pieces of 510: a longer line could be cut at a '\' */
    CONFIG_MAX_TOKENS = 64,
    CONFIG_MAX_ALIAS = 64
};

typedef enum config_scope {
    CONFIG_GLOBAL, /* in core_config */
    CONFIG_TOKEN,  /* in core_token_config, in a token's section only */
    CONFIG_BOTH    /* in core_token_config; before the first section it is the default of all */
} config_scope;

typedef enum config_type {
    CONFIG_STRING, /* not empty */
    CONFIG_PATH,   /* absolute */
    CONFIG_WORD_OR_PATH,
    CONFIG_NUMBER,
    CONFIG_BOOL,
    CONFIG_WORD, /* an enumeration: the index of the word */
    CONFIG_SET,  /* one or more words with commas; the bits 1 << index, or'ed */
    CONFIG_TYPE_COUNT
} config_type;

typedef struct config_key {
    const char *name;
    config_scope scope;
    config_type type;
    size_t offset;            /* of the value in core_config or core_token_config */
    const char *const *words; /* NULL-terminated, for the types with words */
    unsigned min, max;
    const char *fallback; /* the default as it would be written; NULL: unset */
    const char *brief;    /* one line */
    const char *more;     /* what else there is to know, or NULL */
} config_key;

extern const config_key config_keys[];
extern const size_t config_key_count;

/* NULL when there is none. */
const config_key *config_key_find(const char *name);
/* The name most like a misspelt one, NULL when none is near. */
const char *config_key_near(const char *name);

/* One `key = value` of the text. */
typedef struct config_entry {
    const config_key *key;
    size_t section; /* 0: before the first; else 1 + the index in config_text.sections */
    unsigned line;
} config_entry;

typedef struct config_section {
    char *name;  /* as NCONF knows it: "token hsm" */
    char *alias; /* points into name */
    unsigned line;
} config_section;

typedef struct config_text {
    const char *file; /* for errors */
    config_entry *entries;
    size_t entry_count, entry_room;
    config_section *sections;
    size_t section_count;
} config_text;

/* Scans and checks; `text` ends with a NUL and holds no other. Frees itself on failure. */
CORE_MUST_USE core_status config_text_scan(config_text *out, const char *text, size_t length,
                                           const char *file, core_err *err);
void config_text_free(config_text *text);
/* The entry of a key in a section, NULL when it is not there. */
const config_entry *config_text_find(const config_text *text, size_t section, const char *key_name);

/* Sets the value of `key` at `base` (a core_config or core_token_config) from its text. An error
 * says what is wrong without file and line. */
CORE_MUST_USE core_status config_value_set(const config_key *key, void *base, const char *value,
                                           core_err *err);
/* Checks the sections that are groups and finds their members (config_group.c). */
CORE_MUST_USE core_status config_groups_resolve(core_config *config, const config_text *text,
                                                core_err *err);
bool config_key_is_string(const config_key *key);

#endif
