/* SPDX-License-Identifier: Apache-2.0
 *
 * The log and the audit trail on Windows, and a configuration with Windows paths. Replaces
 * tests/unit/test_core_log.c, which needs file size limits and forks.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/config.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/text.h"
#include "test_core.h"

/* Replaces the backslashes of a path, which are escapes in the configuration. */
static void use_forward_slashes(char *path)
{
    for (; *path != '\0'; path++) {
        if (*path == '\\')
            *path = '/';
    }
}

static core_config *parse(const char *format, const char *log, const char *audit)
{
    core_config *config = NULL;
    core_err err = {0};
    core_str text = {.limit = 8192};
    core_str_addf(&text, "%s\nlog = %s\naudit = %s\n", format, log, audit);
    CU_ASSERT_EQUAL(core_config_parse(core_str_get(&text), text.length, "t", &config, &err), ST_OK);
    if (err.text[0] != '\0')
        printf("%s\n", err.text);
    core_str_free(&text);
    return config;
}

static void both_files(void)
{
    char log[512], audit[512];
    size_t length = 0;
    (void)snprintf(log, sizeof log, "%s", testing_path("w.log"));
    (void)snprintf(audit, sizeof audit, "%s", testing_path("w.json"));
    use_forward_slashes(log);
    use_forward_slashes(audit);
    core_config *config = parse("module = C:/x.dll", log, audit);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_EQUAL_FATAL(core_log_open(config, NULL), ST_OK);
    core_log(CORE_LOG_WARNING, "line %d", 1);
    const core_audit_record record = {.config = config,
                                      .kind = CORE_AUDIT_KEY,
                                      .operation = "CreateKey",
                                      .key = "a\\b",
                                      .result = ST_KEY_EXISTS};
    CU_ASSERT_EQUAL(core_audit_begin(&record, NULL), ST_OK);
    CU_ASSERT_EQUAL(core_audit_write(&record), ST_OK);
    core_log_close(config);
    core_config_free(config);

    char *text = testing_read(log, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ": line 1\n"));
    CU_ASSERT_PTR_NULL(strchr(text, '\r'));
    free(text);
    text = testing_read(audit, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    char *second = strchr(text, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    json_t *line = json_loads(second + 1, 0, NULL);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "key")), "a\\b");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "result")), "KEY_EXISTS");
    json_decref(line);
    free(text);
    CU_ASSERT_EQUAL(core_file_check(audit, CORE_FILE_SECRET, NULL), ST_OK); /* for this user only */
}

/* A path written by `p11ekm init` must be read back unchanged, including backslashes and blanks. */
static void windows_paths(void)
{
    static const char module[] = "C:\\Program Files\\HSM #1\\new\\token.dll";
    core_str text = {.limit = 65536};
    core_config *config = NULL;
    core_err err = {0};
    core_config_sample(&text, module, "hsm", "pkcs11:token=soft", "C:\\ProgramData\\p11ekm\\pin",
                       "C:\\ProgramData\\p11ekm\\log\\audit-%u.log");
    CU_ASSERT_EQUAL_FATAL(core_config_parse(core_str_get(&text), text.length, "t", &config, &err),
                          ST_OK);
    CU_ASSERT_STRING_EQUAL(config->module, module);
    CU_ASSERT_STRING_EQUAL(core_config_token(config, "hsm")->pin_file,
                           "C:\\ProgramData\\p11ekm\\pin");
    CU_ASSERT_STRING_EQUAL(config->audit, "C:\\ProgramData\\p11ekm\\log\\audit-%u.log");
    core_config_free(config);
    core_str_free(&text);

    config = parse("module = C:/Program Files/HSM/token.dll", "none", "none");
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_TRUE(core_path_absolute(config->module));
    core_config_free(config);
}

static const test_case cases[] = {
    {"both_files", both_files}, {"windows_paths", windows_paths}, {NULL, NULL}};
const test_suite core_log_suite = {.name = "log", .cases = cases};
