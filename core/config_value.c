/* SPDX-License-Identifier: Apache-2.0
 *
 * Converts the text of a value by the type of its key. Errors do not repeat the text of paths and
 * strings, which may be a PIN that was written there by mistake.
 */
#include "core/config_private.h"

#include <string.h>
#include "core/memory.h"
#include "core/platform.h"

/* All enumerations and sets of core_config are written through this type. */
_Static_assert(sizeof(core_drop) == sizeof(unsigned) && sizeof(core_level) == sizeof(unsigned),
               "an enumeration is as wide as unsigned");

static void put(void *field, const void *value, size_t size)
{
    memcpy(field, value, size);
}

static int word_index(const char *const *words, const char *word, size_t length)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
            return i;
    }
    return -1;
}

static core_status fail_words(const char *const *words, const char *value, const char *also,
                              core_err *err)
{
    core_str list = {.limit = 512};
    for (size_t i = 0; words[i] != NULL; i++)
        core_str_addf(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
    const core_status st =
        core_fail(err, ST_CONFIG_INVALID, "%s%.64s%s is none of: %s%s", value == NULL ? "it" : "\"",
                  value == NULL ? "" : value, value == NULL ? "" : "\"", core_str_get(&list), also);
    core_str_free(&list);
    return st;
}

static core_status set_string(const config_key *key, void *field, const char *value, core_err *err)
{
    char *copy = NULL;
    (void)key;
    if (value[0] == '\0')
        return core_fail(err, ST_CONFIG_INVALID, "no value; give one or remove the line");
    copy = core_strdup(value);
    if (copy == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory");
    char *old = NULL;
    put(&old, field, sizeof old);
    core_free(old);
    put(field, &copy, sizeof copy);
    return ST_OK;
}

static core_status set_path(const config_key *key, void *field, const char *value, core_err *err)
{
    if (!core_path_absolute(value))
        return core_fail(err, ST_CONFIG_INVALID,
                         "not an absolute path; name it in full (a backslash is written \\\\)");
    return set_string(key, field, value, err);
}

static core_status set_word_or_path(const config_key *key, void *field, const char *value,
                                    core_err *err)
{
    if (!core_path_absolute(value) && word_index(key->words, value, strlen(value)) < 0)
        return fail_words(key->words, NULL, " or an absolute path", err);
    return set_string(key, field, value, err);
}

static core_status set_number(const config_key *key, void *field, const char *value, core_err *err)
{
    static const char digits[] = "0123456789";
    const size_t n = strlen(value);
    unsigned number = 0;
    bool valid = n > 0 && n <= 9 &&
                 strspn(value, digits) == n; /* at most nine digits, so `number` cannot overflow */
    for (size_t i = 0; valid && i < n; i++)
        number = 10 * number + (unsigned)(value[i] - '0');
    valid = valid && number >= key->min && number <= key->max;
    if (!valid)
        return core_fail(err, ST_CONFIG_INVALID, "\"%.64s\" is no number from %u to %u", value,
                         key->min, key->max);
    put(field, &number, sizeof number);
    return ST_OK;
}

static core_status set_bool(const config_key *key, void *field, const char *value, core_err *err)
{
    static const char *const words[] = {"no", "yes", NULL};
    const int i = word_index(words, value, strlen(value));
    const bool yes = i == 1;
    (void)key;
    if (i < 0)
        return core_fail(err, ST_CONFIG_INVALID, "\"%.64s\" is neither yes nor no", value);
    put(field, &yes, sizeof yes);
    return ST_OK;
}

static core_status set_word(const config_key *key, void *field, const char *value, core_err *err)
{
    const int i = word_index(key->words, value, strlen(value));
    const unsigned index = (unsigned)i;
    if (i < 0)
        return fail_words(key->words, value, "", err);
    put(field, &index, sizeof index);
    return ST_OK;
}

static core_status set_set(const config_key *key, void *field, const char *value, core_err *err)
{
    static const char gaps[] = ", \t";
    unsigned set = 0;
    for (const char *p = value + strspn(value, gaps); *p != '\0'; p += strspn(p, gaps)) {
        const size_t n = strcspn(p, gaps);
        const int i = word_index(key->words, p, n);
        if (i < 0)
            return fail_words(key->words, value, "", err);
        set |= 1U << i;
        p += n;
    }
    if (set == 0)
        return fail_words(key->words, value, "", err);
    put(field, &set, sizeof set);
    return ST_OK;
}

bool config_key_is_string(const config_key *key)
{
    return key->type == CONFIG_STRING || key->type == CONFIG_PATH ||
           key->type == CONFIG_WORD_OR_PATH;
}

core_status config_value_set(const config_key *key, void *base, const char *value, core_err *err)
{
    static core_status (*const setters[CONFIG_TYPE_COUNT])(const config_key *, void *, const char *,
                                                           core_err *) = {
        [CONFIG_STRING] = set_string,
        [CONFIG_PATH] = set_path,
        [CONFIG_WORD_OR_PATH] = set_word_or_path,
        [CONFIG_NUMBER] = set_number,
        [CONFIG_BOOL] = set_bool,
        [CONFIG_WORD] = set_word,
        [CONFIG_SET] = set_set};
    return setters[key->type](key, (char *)base + key->offset, value, err);
}
