/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the configuration: the bytes of the file, the scan (config_text.c), NCONF for the values,
 * and the rules that concern several keys. config_private.h explains why the text is read twice.
 */
#include "core/config_private.h"

#include <string.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "core/platform_account.h"

/* One reading. Section 0 is what stands before the first section; its keys are NCONF's "default".
 */
typedef struct reading {
    config_text text;
    CONF *conf;
    core_config *config;
    core_err *err;
} reading;

static core_status fail_at(reading *r, unsigned line, const char *key, const char *what)
{
    return core_fail(r->err, ST_CONFIG_INVALID, "%s:%u: %s: %s", r->text.file, line, key, what);
}

static core_status fail_memory(core_err *err, const char *name)
{
    return core_fail(err, ST_NO_MEMORY, "%s: out of memory", name);
}

static core_status load_nconf(reading *r, const char *text, size_t length)
{
    core_status st = ST_NO_MEMORY;
    BIO *bio = NULL;
    long line = 0;

    (void)ERR_set_mark();
    bio = BIO_new_mem_buf(text, (int)length);
    r->conf = NCONF_new_ex(core_crypto_ctx(), NULL);
    if (bio == NULL || r->conf == NULL) {
        st = fail_memory(r->err, r->text.file);
        goto done;
    }
    st = ST_OK;
    if (NCONF_load_bio(r->conf, bio, &line) <= 0)
        st = core_fail(r->err, ST_CONFIG_INVALID, "%s:%ld: cannot be read; see p11ekm.conf(5)",
                       r->text.file, line);
done:
    BIO_free(bio);
    (void)ERR_pop_to_mark();
    return st;
}

static const char *nconf_section(const reading *r, size_t section)
{
    return section == 0 ? "default" : r->text.sections[section - 1].name;
}

/* NCONF and the scan must agree on the number of entries in each section. If they do not, one of
 * them interprets the text differently. */
static bool agree(const reading *r)
{
    for (size_t section = 0; section <= r->text.section_count; section++) {
        const STACK_OF(CONF_VALUE) *values = NCONF_get_section(r->conf, nconf_section(r, section));
        size_t scanned = 0;
        for (size_t i = 0; i < r->text.entry_count; i++)
            scanned += r->text.entries[i].section == section;
        const int held = values == NULL ? 0 : sk_CONF_VALUE_num(values);
        if (held < 0 || (size_t)held != scanned)
            return false;
    }
    return true;
}

/* Looks in the section only: NCONF_get_string would also look in "default". */
static const char *nconf_value(const reading *r, const config_entry *entry)
{
    const STACK_OF(CONF_VALUE) *values =
        NCONF_get_section(r->conf, nconf_section(r, entry->section));
    for (int i = 0; i < sk_CONF_VALUE_num(values); i++) {
        const CONF_VALUE *value = sk_CONF_VALUE_value(values, i);
        if (strcmp(value->name, entry->key->name) == 0)
            return value->value;
    }
    return NULL;
}

static void *base_of(core_config *config, const config_key *key, size_t section)
{
    if (key->scope == CONFIG_GLOBAL)
        return config;
    return section == 0 ? &config->defaults : &config->tokens[section - 1];
}

static core_status set_entries(reading *r, bool in_tokens)
{
    for (size_t i = 0; i < r->text.entry_count; i++) {
        const config_entry *entry = &r->text.entries[i];
        const char *value = nconf_value(r, entry);
        core_err why = {.status = ST_OK};
        if ((entry->section != 0) != in_tokens)
            continue;
        if (value == NULL)
            return fail_at(r, entry->line, entry->key->name, "cannot be read");
        const core_status st = config_value_set(
            entry->key, base_of(r->config, entry->key, entry->section), value, &why);
        if (st != ST_OK)
            return core_fail(r->err, st, "%s:%u: %s: %s", r->text.file, entry->line,
                             entry->key->name, why.text);
    }
    return ST_OK;
}

static core_status set_defaults(reading *r)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const config_key *key = &config_keys[i];
        if (key->fallback == NULL)
            continue;
        const core_status st =
            config_value_set(key, base_of(r->config, key, 0), key->fallback, r->err);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* Replaces the strings that a token's section shares with the defaults by copies; false: out of
 * memory. */
static bool own_strings(core_token_config *token)
{
    char **strings[] = {&token->pin_file, &token->ekm_keys};
    bool copied = true;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        const char *shared = *strings[i];
        *strings[i] = shared == NULL ? NULL : core_strdup(shared);
        copied = copied && (shared == NULL) == (*strings[i] == NULL);
    }
    return copied;
}

/* A token begins as a copy of the defaults; its strings are its own. */
static core_status make_tokens(reading *r)
{
    core_config *config = r->config;
    if (r->text.section_count == 0)
        return ST_OK;
    config->tokens = core_calloc(r->text.section_count, sizeof *config->tokens);
    if (config->tokens == NULL)
        return fail_memory(r->err, r->text.file);
    for (size_t i = 0; i < r->text.section_count; i++) {
        core_token_config *token = &config->tokens[i];
        *token = config->defaults;
        token->alias = core_strdup(r->text.sections[i].alias);
        const bool copied = own_strings(token);
        config->token_count++;
        if (token->alias == NULL || !copied)
            return fail_memory(r->err, r->text.file);
    }
    return ST_OK;
}

/* The padding for wrapping must be among those accepted for unwrapping. The error names the line of
 * the more specific key: that of the section, else that of the defaults. */
static core_status check_padding(reading *r, const core_token_config *token, size_t section)
{
    if ((token->rsa_unwrap & 1U << token->rsa_padding) != 0)
        return ST_OK;
    static const char *const keys[] = {"rsa_padding", "rsa_unwrap"};
    const config_entry *entry = NULL;
    for (size_t i = 0; entry == NULL && i < 4; i++)
        entry = config_text_find(&r->text, i < 2 ? section : 0, keys[i % 2]);
    return core_fail(r->err, ST_CONFIG_INVALID,
                     "%s:%u: rsa_padding: %s is not in rsa_unwrap, so what is encrypted could not "
                     "be decrypted; add it to rsa_unwrap or choose another",
                     r->text.file, entry == NULL ? 0 : entry->line,
                     core_padding_name(token->rsa_padding));
}

static core_status check_config(reading *r)
{
    const core_config *config = r->config;
    if (config->module == NULL)
        return core_fail(r->err, ST_CONFIG_INVALID,
                         "%s: module: missing; name the PKCS#11 library, before the first section",
                         r->text.file);
    core_status st = check_padding(r, &config->defaults, 0);
    for (size_t i = 0; st == ST_OK && i < config->token_count; i++) {
        if (config->tokens[i].token == NULL && config->tokens[i].members == NULL)
            return fail_at(r, r->text.sections[i].line, "token",
                           "missing; name the token by its PKCS#11 URI or its label");
        st = check_padding(r, &config->tokens[i], i + 1);
    }
    return st == ST_OK ? config_groups_resolve(r->config, &r->text, r->err) : st;
}

static core_status read_values(reading *r, const char *text, size_t length)
{
    core_status st = load_nconf(r, text, length);
    if (st == ST_OK && !agree(r))
        st = core_fail(r->err, ST_CONFIG_INVALID,
                       "%s: ambiguous quotes or escapes; write values without them where possible",
                       r->text.file);
    if (st == ST_OK)
        st = set_defaults(r);
    if (st == ST_OK)
        st = set_entries(r, false);
    if (st == ST_OK)
        st = make_tokens(r);
    if (st == ST_OK)
        st = set_entries(r, true);
    return st == ST_OK ? check_config(r) : st;
}

static core_status parse_text(const char *text, size_t length, const char *name, core_config **out,
                              core_err *err)
{
    reading r = {.err = err};
    core_status st = config_text_scan(&r.text, text, length, name, err);
    if (st != ST_OK)
        return st;
    r.config = core_calloc(1, sizeof *r.config);
    if (r.config != NULL)
        r.config->path = core_strdup(name);
    if (r.config == NULL || r.config->path == NULL)
        st = fail_memory(err, name);
    else
        st = read_values(&r, text, length);
    NCONF_free(r.conf);
    config_text_free(&r.text);
    if (st != ST_OK)
        core_config_free(r.config);
    else
        *out = r.config;
    return st;
}

core_status core_config_parse(const char *text, size_t length, const char *name, core_config **out,
                              core_err *err)
{
    static const char mark[] =
        "\xef\xbb\xbf"; /* editors on Windows write it at the beginning of a file */
    *out = NULL;
    if (length > CONFIG_MAX_SIZE)
        return core_fail(err, ST_CONFIG_INVALID, "%s: longer than 256 KiB; is it the right file?",
                         name);
    if (!core_utf8_valid(text, length))
        return core_fail(err, ST_CONFIG_INVALID,
                         "%s: not UTF-8 text, or with NUL bytes; save it as UTF-8", name);
    if (length >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    core_status st = core_crypto_open();
    if (st != ST_OK)
        return core_fail(err, st, "%s: OpenSSL does not start; check its installation", name);
    st = parse_text(text, length, name, out, err);
    core_crypto_close();
    return st;
}

/* Replaces %u in a path by the name of the process's account. */
static core_status name_account(char **path, char **pattern, core_err *err)
{
    char *named = NULL;
    if (!core_path_absolute(*path) || strstr(*path, "%u") == NULL)
        return ST_OK;
    const core_status st = core_account_path(*path, NULL, &named, err);
    if (st == ST_OK) {
        *pattern = *path;
        *path = named;
    }
    return st;
}

core_status core_config_load(const char *path, core_config **out, core_err *err)
{
    core_secret bytes;
    *out = NULL;
    if (path == NULL)
        path = core_config_path();
    core_status st = core_file_read(path, CORE_FILE_CONFIG, CONFIG_MAX_SIZE, &bytes, err);
    if (st == ST_CONFIG_MISSING)
        return core_fail(err, st, "%s: no such file; run p11ekm init, or set P11EKM_CONF", path);
    if (st == ST_FORMAT)
        return core_fail(err, ST_CONFIG_INVALID, "%s: longer than 256 KiB; is it the right file?",
                         path);
    if (st != ST_OK)
        return st;
    st = core_config_parse((const char *)bytes.data, bytes.length, path, out, err);
    core_secret_close(&bytes);
    if (*out != NULL && st == ST_OK)
        st = name_account(&(*out)->log, &(*out)->log_pattern, err);
    if (*out != NULL && st == ST_OK)
        st = name_account(&(*out)->audit, &(*out)->audit_pattern, err);
    if (st != ST_OK) {
        core_config_free(*out);
        *out = NULL;
    }
    return st;
}

static void free_token(core_token_config *token)
{
    core_free(token->alias);
    core_free(token->token);
    core_free(token->members);
    core_free(token->pin_file);
    core_free(token->ekm_keys);
}

void core_config_free(core_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->token_count; i++)
        free_token(&config->tokens[i]);
    core_free(config->tokens);
    free_token(&config->defaults);
    core_free(config->path);
    core_free(config->module);
    core_free(config->init_args);
    core_free(config->log);
    core_free(config->audit);
    core_free(config->log_pattern);
    core_free(config->audit_pattern);
    core_free(config->trusted_paths);
    core_free(config);
}

const char *core_config_path(void)
{
    const char *path = core_env("P11EKM_CONF");
    return path == NULL || path[0] == '\0' ? core_default_config_path() : path;
}
