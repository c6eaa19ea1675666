/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration: defaults, every type of value, the exact text of errors, input that NCONF
 * accepts and we refuse, and that sample and man page match the table of keys.
 */
#include <stdlib.h>
#include <string.h>
#include "core/config.h"
#include "core/memory.h"
#include "core/platform.h"
#include "test_core.h"

#define MODULE "module = /usr/lib/x.so\n"

static core_config *parse(const char *text, core_err *err)
{
    core_config *config = NULL;
    const core_status st = core_config_parse(text, strlen(text), "t.conf", &config, err);
    CU_ASSERT_EQUAL(st == ST_OK, config != NULL);
    return config;
}

static core_config *parse_good(const char *text)
{
    core_err err = {.status = ST_OK};
    core_config *config = parse(text, &err);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    return config;
}

static void defaults(void)
{
    core_config *c = parse_good(MODULE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const core_token_config *d = &c->defaults;
    CU_ASSERT_STRING_EQUAL(c->path, "t.conf");
    CU_ASSERT_STRING_EQUAL(c->module, "/usr/lib/x.so");
    CU_ASSERT_PTR_NULL(c->init_args);
    CU_ASSERT_EQUAL(c->module_loader, CORE_LOADER_AUTO);
    CU_ASSERT_EQUAL(c->serialize, CORE_AUTO);
    CU_ASSERT_EQUAL(c->mask_sigpipe, CORE_AUTO);
    CU_ASSERT_EQUAL(c->startup_tries, 20);
    CU_ASSERT_EQUAL(c->startup_interval_seconds, 5);
    CU_ASSERT_EQUAL(c->slow_call_ms, 2000);
    CU_ASSERT_EQUAL(c->shared_reset_seconds, 5);
    CU_ASSERT_STRING_EQUAL(c->log, "syslog");
    CU_ASSERT_EQUAL(c->log_level, CORE_LOG_INFO);
    CU_ASSERT_STRING_EQUAL(c->audit, "none");
    CU_ASSERT_FALSE(c->audit_data);
    CU_ASSERT_EQUAL(c->audit_failure, CORE_ONFAIL_REFUSE);
    CU_ASSERT_EQUAL(c->export_blob, CORE_BLOB_CNG);
    CU_ASSERT_PTR_NULL(c->trusted_paths);
    CU_ASSERT_EQUAL(c->cek_cache_entries, 0);
    CU_ASSERT_EQUAL(c->cek_cache_seconds, 7200);
    CU_ASSERT_FALSE(c->accept_double_hash);
    CU_ASSERT_EQUAL(c->token_count, 0);
    CU_ASSERT_PTR_NULL(d->alias);
    CU_ASSERT_PTR_NULL(d->token);
    CU_ASSERT_PTR_NULL(d->pin_file);
    CU_ASSERT_EQUAL(d->max_sessions, 0);
    CU_ASSERT_EQUAL(d->session_wait_ms, 10000);
    CU_ASSERT_EQUAL(d->pin_tries, 2);
    CU_ASSERT_EQUAL(d->pin_retry_seconds, 300);
    CU_ASSERT_TRUE(d->relogin);
    CU_ASSERT_EQUAL(d->pin_change, CORE_CHANGE_LOGIN);
    CU_ASSERT_EQUAL(d->foreign_login, CORE_FOREIGN_REFUSE);
    CU_ASSERT_EQUAL(d->rsa_padding, CORE_PAD_OAEP_SHA256);
    CU_ASSERT_EQUAL(d->rsa_unwrap, 1U << CORE_PAD_OAEP_SHA256 | 1U << CORE_PAD_OAEP_SHA1);
    CU_ASSERT_FALSE(d->rsa_raw);
    CU_ASSERT_EQUAL(d->public_ops, CORE_WHERE_TOKEN);
    CU_ASSERT_EQUAL(d->drop, CORE_DROP_RETIRE);
    CU_ASSERT_EQUAL(d->expiry, CORE_EXPIRY_DENY_NEW);
    CU_ASSERT_EQUAL(d->algorithms, (1U << CORE_ALG_RSA_1024) - 1);
    CU_ASSERT_TRUE(d->create);
    core_config_free(c);
    core_config_free(NULL);
}

static void tokens_inherit(void)
{
    core_config *c =
        parse_good("\xef\xbb\xbf# mark, CRLF and comments\r\n" MODULE
                   "pin_file = /etc/pin # for all\r\ndrop = deny\nrsa_padding = oaep-sha1\n"
                   "rsa_unwrap = pkcs1 ,oaep-\\\nsha1\n"
                   "[ token \t one-1._ ]\ntoken = pkcs11:token=one;serial=1%232\n"
                   "pin_file = /etc/pin1\nrsa_raw = yes\n"
                   "[token two]\ndrop = destroy\ntoken = \" a \\\"label\\\" # \\$1 \"\n"
                   "algorithms = RSA_1024, TRIPLE_DES_3KEY\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL_FATAL(c->token_count, 2);
    const core_token_config *one = core_config_token(c, "one-1._"), *two = &c->tokens[1];
    CU_ASSERT_PTR_EQUAL_FATAL(one, &c->tokens[0]);
    CU_ASSERT_PTR_NULL(core_config_token(c, "One-1._"));
    CU_ASSERT_STRING_EQUAL(one->token, "pkcs11:token=one;serial=1%232");
    CU_ASSERT_STRING_EQUAL(one->pin_file, "/etc/pin1");
    CU_ASSERT_EQUAL(one->drop, CORE_DROP_DENY);
    CU_ASSERT_EQUAL(one->rsa_unwrap, 1U << CORE_PAD_PKCS1 | 1U << CORE_PAD_OAEP_SHA1);
    CU_ASSERT_TRUE(one->rsa_raw);
    CU_ASSERT_FALSE(two->rsa_raw);
    CU_ASSERT_STRING_EQUAL(two->token, " a \"label\" # $1 ");
    CU_ASSERT_STRING_EQUAL(two->pin_file, "/etc/pin");
    CU_ASSERT_EQUAL(two->drop, CORE_DROP_DESTROY);
    CU_ASSERT_EQUAL(two->algorithms, 1U << CORE_ALG_RSA_1024 | 1U << CORE_ALG_3DES);
    CU_ASSERT_EQUAL(c->defaults.drop, CORE_DROP_DENY);
    core_config_free(c);
}

#define TWO "[token a]\ntoken = x\n[token b]\ntoken = y\n"

static void groups_have_members(void)
{
    core_config *c = parse_good(MODULE TWO "[token ha]\nmembers = b ,\ta,\npin_file = /etc/pin\n"
                                           "group_order = round-robin\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const core_token_config *ha = core_config_token(c, "ha");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ha);
    CU_ASSERT_PTR_NULL(ha->token);
    CU_ASSERT_EQUAL(ha->group_order, CORE_ORDER_ROUND_ROBIN);
    CU_ASSERT_EQUAL(ha->group_create, CORE_GROUP_REFUSE);
    CU_ASSERT_EQUAL_FATAL(ha->member_count, 2);
    CU_ASSERT_PTR_EQUAL(ha->member[0], core_config_token(c, "b"));
    CU_ASSERT_PTR_EQUAL(ha->member[1], core_config_token(c, "a"));
    CU_ASSERT_PTR_EQUAL(core_config_only(c), ha);
    core_config_free(c);
    c = parse_good(MODULE TWO);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_PTR_NULL(core_config_only(c));
    CU_ASSERT_EQUAL(c->tokens[0].member_count, 0);
    core_config_free(c);
}

static const struct {
    const char *text, *error;
} bad[] = {
    {MODULE "members = a\n",
     "t.conf:2: members: is for one token; move it under its [token ALIAS]"},
    {MODULE TWO "[token ha]\nmembers = a, c\n",
     "t.conf:7: members: one of them is not the alias of a token in this file; name those that "
     "stand in [token ALIAS]"},
    {MODULE TWO "[token ha]\nmembers = ,\n",
     "t.conf:7: members: one alone is no group; name at least two, comma-separated"},
    {MODULE TWO "[token ha]\nmembers = a, b\n[token hb]\nmembers = a, ha\n",
     "t.conf:9: members: one of them is not the alias of a token in this file; name those that "
     "stand in [token ALIAS]"},
    {MODULE TWO "[token a23456789b123456789c123456789d123]\nmembers = a, b\n",
     "t.conf:7: members: the alias of a group has at most 32 characters, as a label"},
    {MODULE TWO "[token ha]\nmembers = a\n",
     "t.conf:7: members: one alone is no group; name at least two, comma-separated"},
    {MODULE TWO "[token ha]\nmembers = a, b, a\n",
     "t.conf:7: members: one is named twice; name each once"},
    {MODULE TWO "[token ha]\ntoken = z\nmembers = a, b\n",
     "t.conf:8: members: a section is either a token or a group; remove token"},
    {MODULE TWO "[token ha]\nmembers = a, b\ngroup_order = round-robin\ngroup_create = single\n",
     "t.conf:9: group_create: single makes a key on the first member only, so the others could not "
     "serve their turn; set group_order = preference"},
    {"", "t.conf: module: missing; name the PKCS#11 library, before the first section"},
    {"module = x.so\n", "t.conf:1: module: not an absolute path; name it in full (a backslash is "
                        "written \\\\)"},
    {"\n# c\nmodul = /x\n", "t.conf:3: modul: unknown key; did you mean module?"},
    {MODULE "zzzzzz = 1\n", "t.conf:2: zzzzzz: unknown key; see p11ekm.conf(5)"},
    {MODULE "log = none\nlog = none\n", "t.conf:3: log: set twice, first in line 2; remove one"},
    {MODULE "token = x\n", "t.conf:2: token: is for one token; move it under its [token ALIAS]"},
    {MODULE "[token a]\ntoken = x\nlog = none\n",
     "t.conf:4: log: is for all tokens; move it before the first section"},
    {MODULE "[token a]\ntoken = x\n\n[token a]\ntoken = y\n",
     "t.conf:5: token a: there already, in line 2; rename or remove one"},
    {MODULE "[token a]\n",
     "t.conf:2: token: missing; name the token by its PKCS#11 URI or its label"},
    {MODULE "[token a b]\n", "t.conf:2: an alias is 1 to 64 of the characters A-Z a-z 0-9 _ . -"},
    {MODULE "[token]\n", "t.conf:2: an alias is 1 to 64 of the characters A-Z a-z 0-9 _ . -"},
    {MODULE "[tokens a]\n", "t.conf:2: unknown section; sections are [token ALIAS]"},
    {MODULE "[default]\n", "t.conf:2: unknown section; sections are [token ALIAS]"},
    {MODULE "[token a\n", "t.conf:2: not \"[token ALIAS]\""},
    {MODULE "[token a] x\n", "t.conf:2: not \"[token ALIAS]\""},
    {MODULE "log\n", "t.conf:2: not \"key = value\""},
    {MODULE "= x\n", "t.conf:2: not \"key = value\""},
    {MODULE "default::log = none\n", "t.conf:2: default::log: unknown key; see p11ekm.conf(5)"},
    {MODULE "log =\n", "t.conf:2: log: it is none of: stderr, syslog, none or an absolute path"},
    {MODULE "init_args =\n", "t.conf:2: init_args: no value; give one or remove the line"},
    {MODULE "log = stdout\n",
     "t.conf:2: log: it is none of: stderr, syslog, none or an absolute path"},
    {MODULE "pin_file = 1234\n", "t.conf:2: pin_file: not an absolute path; name it in full (a "
                                 "backslash is written \\\\)"},
    {MODULE "audit_data = maybe\n", "t.conf:2: audit_data: \"maybe\" is neither yes nor no"},
    {MODULE "serialize = maybe\n", "t.conf:2: serialize: \"maybe\" is none of: auto, yes, no"},
    {MODULE "pin_tries = 0\n", "t.conf:2: pin_tries: \"0\" is no number from 1 to 100"},
    {MODULE "pin_tries = 101\n", "t.conf:2: pin_tries: \"101\" is no number from 1 to 100"},
    {MODULE "pin_tries = -1\n", "t.conf:2: pin_tries: \"-1\" is no number from 1 to 100"},
    {MODULE "pin_tries = 2x\n", "t.conf:2: pin_tries: \"2x\" is no number from 1 to 100"},
    {MODULE "pin_tries = 4294967298\n",
     "t.conf:2: pin_tries: \"4294967298\" is no number from 1 to 100"},
    {MODULE "drop = Retire\n", "t.conf:2: drop: \"Retire\" is none of: retire, destroy, deny"},
    {MODULE "rsa_unwrap = ,\n",
     "t.conf:2: rsa_unwrap: \",\" is none of: oaep-sha256, oaep-sha1, pkcs1"},
    {MODULE "rsa_unwrap = oaep-sha1, none\n",
     "t.conf:2: rsa_unwrap: \"oaep-sha1, none\" is none of: oaep-sha256, oaep-sha1, pkcs1"},
    {MODULE "rsa_padding = pkcs1\n",
     "t.conf:2: rsa_padding: pkcs1 is not in rsa_unwrap, so what is encrypted could not be "
     "decrypted; add it to rsa_unwrap or choose another"},
    {MODULE "\n[token a]\ntoken = x\nrsa_unwrap = oaep-sha1\n",
     "t.conf:5: rsa_padding: oaep-sha256 is not in rsa_unwrap, so what is encrypted could not be "
     "decrypted; add it to rsa_unwrap or choose another"},
    {MODULE ".include /etc/passwd\n",
     "t.conf:2: directives (.include, .pragma) are not followed; remove it"},
    {MODULE "  .pragma = dollarid:on\n",
     "t.conf:2: directives (.include, .pragma) are not followed; remove it"},
    {"module = $ENV::HOME\n", "t.conf:1: variables are not replaced; write \\$ for a dollar sign"},
    {"module = /x/${ENV::HOME}\n",
     "t.conf:1: variables are not replaced; write \\$ for a dollar sign"},
    {"module = \"/x\\\\$y\"\n",
     "t.conf:1: variables are not replaced; write \\$ for a dollar sign"},
    {MODULE "log = \"a\x01\"\n", "t.conf:2: a control character; remove it"},
    {MODULE "log = a\rb\n", "t.conf:2: a control character; remove it"},
    {MODULE "log = \xff\n", "t.conf: not UTF-8 text, or with NUL bytes; save it as UTF-8"},
    /* a continued comment includes the next line, and the line numbers stay right */
    {"# c \\\nmodule = /x\nlogg = none\n", "t.conf:3: logg: unknown key; did you mean log?"},
};

static void errors_are_exact(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        core_err err = {.status = ST_OK};
        CU_ASSERT_PTR_NULL(parse(bad[i].text, &err));
        CU_ASSERT_EQUAL(err.status, ST_CONFIG_INVALID);
        if (strcmp(err.text, bad[i].error) != 0)
            printf("\n  got  %s\n  want %s\n", err.text, bad[i].error);
        CU_ASSERT_STRING_EQUAL(err.text, bad[i].error);
    }
    CU_ASSERT_PTR_NULL(parse("", NULL));
}

static void size_limits(void)
{
    core_str text = {.limit = 512 * 1024};
    core_config *config = NULL;
    core_err err = {.status = ST_OK};
    core_str_add(&text, MODULE "log = /");
    for (int i = 0; i < 493; i++)
        core_str_add(&text, "a");
    core_config_free(parse_good(core_str_get(&text))); /* 500 bytes fit */
    core_str_add(&text, "a");
    CU_ASSERT_PTR_NULL(parse(core_str_get(&text), &err));
    CU_ASSERT_STRING_EQUAL(
        err.text,
        "t.conf:2: the line is longer than 500 bytes; end it with \\ and go on in the next");
    core_str_free(&text);

    core_str_add(&text, MODULE);
    for (int i = 0; i < 65; i++)
        core_str_addf(&text, "[token t%d]\ntoken = x\n", i);
    CU_ASSERT_PTR_NULL(parse(core_str_get(&text), &err));
    CU_ASSERT_STRING_EQUAL(err.text, "t.conf:130: more than 64 tokens");
    while (text.length <= 256 * 1024)
        core_str_add(&text, "# comment\n");
    CU_ASSERT_EQUAL(core_config_parse(text.text, text.length, "t.conf", &config, &err),
                    ST_CONFIG_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "t.conf: longer than 256 KiB; is it the right file?");
    core_str_free(&text);
    CU_ASSERT_EQUAL(core_config_parse("module = /x\0y", 13, "t.conf", &config, &err),
                    ST_CONFIG_INVALID);
}

static void files(void)
{
    core_config *config = NULL;
    core_err err = {.status = ST_OK};
    const char *path = testing_file("p11ekm.conf", MODULE, sizeof MODULE - 1, 0644);
    CU_ASSERT_EQUAL_FATAL(core_config_load(path, &config, &err), ST_OK);
    CU_ASSERT_STRING_EQUAL(config->path, path);
    core_config_free(config);
    CU_ASSERT_EQUAL(setenv("P11EKM_CONF", path, 1), 0);
    CU_ASSERT_STRING_EQUAL(core_config_path(), path);
    CU_ASSERT_EQUAL_FATAL(core_config_load(NULL, &config, &err), ST_OK);
    core_config_free(config);
    CU_ASSERT_EQUAL(unsetenv("P11EKM_CONF"), 0);
    CU_ASSERT_STRING_EQUAL(core_config_path(), core_default_config_path());

    (void)testing_file("p11ekm.conf", MODULE, sizeof MODULE - 1, 0664);
    CU_ASSERT_EQUAL(core_config_load(path, &config, &err), ST_UNSAFE_FILE);
    CU_ASSERT_PTR_NULL(config);
    CU_ASSERT_EQUAL(core_config_load(testing_path("none.conf"), &config, &err), ST_CONFIG_MISSING);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "none.conf: no such file; run p11ekm init, or set P11EKM_CONF"));
}

/* The sample states the defaults: removing the '#' changes nothing. */
static void sample_is_the_defaults(void)
{
    static const char *const labels[] = {"hsm", "a \"b\" \\ # $ ' ` c", "pkcs11:token=x;serial=1"};
    core_err err = {.status = ST_OK};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        core_str text = {.limit = 65536}, bare = {.limit = 65536};
        core_config_sample(&text, "/opt/x y/#lib.so", "hsm", labels[i], i == 0 ? NULL : "/p$in",
                           i == 0 ? NULL : "/log/audit-%u.log");
        core_config *c = parse_good(core_str_get(&text));
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        CU_ASSERT_STRING_EQUAL(c->module, "/opt/x y/#lib.so");
        CU_ASSERT_STRING_EQUAL(c->tokens[0].token, labels[i]);
        CU_ASSERT_EQUAL(c->tokens[0].pin_file == NULL, i == 0);
        CU_ASSERT_STRING_EQUAL(c->audit, i == 0 ? "none" : "/log/audit-%u.log");
        core_config_free(c);

        unsigned keys = 0;
        for (const char *line = text.text; *line != '\0';) {
            const size_t n = strcspn(line, "\n");
            const bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
            const bool value = key && memchr(line, '=', n) != NULL && line[n - 1] != ' ';
            core_str_addn(&bare, line + (value ? 1 : 0), n + 1 - (value ? 1 : 0));
            keys += value;
            line += n + 1;
        }
        CU_ASSERT_TRUE(keys > 20);
        c = parse(core_str_get(&bare), &err);
        CU_ASSERT_STRING_EQUAL(err.text, "");
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        CU_ASSERT_EQUAL(c->defaults.algorithms, c->tokens[0].algorithms);
        core_config_free(c);
        core_str_free(&text);
        core_str_free(&bare);
    }
}

/* The man page contains the generated list between its two marks, byte for byte. */
static void manual_is_in_the_man_page(void)
{
    const char *source = getenv("P11EKM_SOURCE_DIR");
    char path[1024];
    size_t length = 0;
    core_str list = {.limit = 65536}, want = {.limit = 65536};
    if (source == NULL)
        TEST_SKIP("P11EKM_SOURCE_DIR is not set");
    (void)snprintf(path, sizeof path, "%s/docs/man/p11ekm.conf.5.md", source);
    char *page = testing_read(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(page);
    core_config_manual(&list);
    core_str_addf(&want, "<!-- keys: generated -->\n\n%s\n<!-- keys: end -->\n",
                  core_str_get(&list));
    CU_ASSERT_FALSE(want.failed);
    if (strstr(page, core_str_get(&want)) == NULL) {
        printf("\nThe key list of %s is not this one:\n%s\n", path, core_str_get(&want));
        CU_FAIL("the man page's key list differs");
    }
    free(page);
    core_str_free(&list);
    core_str_free(&want);
}

static bool parse_once(void *context)
{
    static const char text[] = MODULE "pin_file = /p\nlog = /l\naudit = /a\n"
                                      "[token a]\ntoken = x\n[token b]\ntoken = y\n";
    core_config *config = NULL;
    (void)context;
    const bool done = core_config_parse(text, sizeof text - 1, "t.conf", &config, NULL) == ST_OK;
    core_config_free(config);
    return done;
}

static void parses_without_memory(void)
{
    CU_ASSERT_TRUE(testing_fail_allocations(parse_once, NULL, 100, 0) > 10);
}

static void names(void)
{
    CU_ASSERT_STRING_EQUAL(core_algorithm_tag(CORE_ALG_RSA_2048), "RSA_2048");
    CU_ASSERT_STRING_EQUAL(core_algorithm_tag(CORE_ALG_3DES), "TRIPLE_DES_3KEY");
    CU_ASSERT_STRING_EQUAL(core_algorithm_tag(CORE_ALG_RSA_1024), "RSA_1024");
    CU_ASSERT_PTR_NULL(core_algorithm_tag(CORE_ALG_COUNT));
    CU_ASSERT_STRING_EQUAL(core_padding_name(CORE_PAD_PKCS1), "pkcs1");
    CU_ASSERT_PTR_NULL(core_padding_name(CORE_PAD_COUNT));
    CU_ASSERT_EQUAL(core_algorithm_bits(CORE_ALG_RSA_3072), 3072);
    CU_ASSERT_EQUAL(core_algorithm_bits(CORE_ALG_3DES), 192);
    CU_ASSERT_EQUAL(core_algorithm_iv_bits(CORE_ALG_3DES), 64);
    CU_ASSERT_EQUAL(core_algorithm_iv_bits(CORE_ALG_AES_192), 128);
    CU_ASSERT_EQUAL(core_algorithm_iv_bits(CORE_ALG_RSA_4096), 0);
    CU_ASSERT_TRUE(core_algorithm_is_rsa(CORE_ALG_RSA_1024));
    CU_ASSERT_FALSE(core_algorithm_is_rsa(CORE_ALG_AES_256));
    CU_ASSERT_FALSE(core_algorithm_is_rsa(CORE_ALG_COUNT));
}

static const test_case cases[] = {{"defaults", defaults},
                                  {"tokens_inherit", tokens_inherit},
                                  {"groups_have_members", groups_have_members},
                                  {"errors_are_exact", errors_are_exact},
                                  {"size_limits", size_limits},
                                  {"files", files},
                                  {"sample_is_the_defaults", sample_is_the_defaults},
                                  {"manual_is_in_the_man_page", manual_is_in_the_man_page},
                                  {"parses_without_memory", parses_without_memory},
                                  {"names", names},
                                  {NULL, NULL}};
const test_suite core_config_suite = {.name = "config", .cases = cases};
