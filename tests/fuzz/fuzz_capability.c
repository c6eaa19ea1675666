/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs p11ekm with a hostile module (hostile.h) and checks what it prints about the token. With
 * --json the output must be one document of strict JSON, in valid UTF-8 and without control
 * characters, and each name in it must equal the module's field as this target decodes it. Without
 * --json, text of the token must not add a line to the output. p11ekm must release every session
 * and every memory block, whatever the module returned.
 *
 * The first byte of the input chooses the verb and --json; the module reads the rest.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "core/platform.h"
#include "core/text.h"
#include "hostile.h"
#include "pkcs11/module/loader.h"
#include "pkcs11/module/module_private.h"
#include "pkcs11/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* main() of tools/p11ekm/main.c. */
int cli_main(int argc, char **argv);
/* The linker replaces the functions without __wrap_ by these. */
core_status __wrap_tok_library_load(const core_config *config, tok_library *out, core_err *err);
void __wrap_core_sleep_ms(unsigned milliseconds);
uint64_t __wrap_core_now_us(void);

static uint64_t now = 1000000000;

static void check_line(bool holds, unsigned line)
{
    if (!holds) {
        (void)dprintf(STDERR_FILENO, "fuzz_capability.c:%u\n", line);
        abort();
    }
}
#define check(holds) check_line(holds, __LINE__)

core_status __wrap_tok_library_load(const core_config *config, tok_library *out, core_err *err)
{
    static tok_gate *gate;

    (void)config;
    (void)err;
    core_free(gate); /* each run is a separate process */
    gate = tok_gate_make();
    check(gate != NULL);
    *out = (tok_library){.f = hostile_functions(), .gate = gate, .local = true};
    out->direct = out->f;
    return ST_OK;
}

/* Time advances only by sleeping, which takes no real time. */
void __wrap_core_sleep_ms(unsigned milliseconds)
{
    now += (uint64_t)milliseconds * 1000;
}

uint64_t __wrap_core_now_us(void)
{
    return now++;
}

static const char *config_file(void)
{
    static char directory[] = "/tmp/fuzz_capability.XXXXXX";
    static char path[64], pin[64], text[512];

    if (path[0] != '\0')
        return path;
    check(mkdtemp(directory) != NULL);
    (void)snprintf(pin, sizeof pin, "%s/pin", directory);
    (void)snprintf(path, sizeof path, "%s/conf", directory);
    (void)snprintf(text, sizeof text,
                   "module = /hostile\nlog = none\nmask_sigpipe = no\nstartup_tries = 1\n"
                   "pin_file = %s\n[token main]\ntoken = pkcs11:model=hostile\n",
                   pin);
    check(core_file_create(pin, "1234", 4, NULL) == ST_OK);
    check(core_file_create(path, text, strlen(text), NULL) == ST_OK);
    return path;
}

static void remove_files(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s", config_file());
    (void)unlink(path);
    memcpy(strrchr(path, '/'), "/pin", 5);
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

/* --- what was printed --- */

/* Checks that the text is UTF-8 and that the only control characters in it are the ASCII ones of
 * `allowed`. */
static void printable(const char *text, const char *allowed)
{
    check(core_utf8_valid(text, strlen(text)));
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        check((*c >= 0x20 && *c != 0x7f) || strchr(allowed, (char)*c) != NULL);
        check(*c != 0xc2 || c[1] >= 0xa0);
    }
}

static const char *string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    check(text != NULL);
    return text;
}

/* A fixed field as a string: without blanks at both ends, cut at the first NUL. */
static void field_text(const uint8_t *field, size_t length, char *out)
{
    size_t end = length, from = 0, n = 0;
    while (end > 0 && (field[end - 1] == ' ' || field[end - 1] == '\0'))
        end--;
    while (from < end && field[from] == ' ')
        from++;
    while (from < end && field[from] != '\0')
        out[n++] = (char)field[from++];
    out[n] = '\0';
}

/* Checks that the output shows the text, with a '?' only for what cannot be shown. */
static void shows(const char *shown, const char *text)
{
    size_t i = 0;
    for (; text[i] != '\0' && shown[i] != '\0'; i++) {
        const unsigned char c = (unsigned char)text[i];
        check(shown[i] == text[i] || (shown[i] == '?' && (c < 0x20 || c >= 0x7f)));
    }
    check(shown[i] == text[i]);
    if (core_text_is_clean(text))
        check(strcmp(shown, text) == 0);
}

static void shows_field(const json_t *object, const char *name, const uint8_t *field, size_t length)
{
    char text[64];
    field_text(field, length, text);
    shows(string_of(object, name), text);
}

static void check_tokens(const json_t *doc)
{
    const json_t *list = json_object_get(doc, "tokens");
    check(json_is_array(list) && json_array_size(list) <= the_hostile.token_count);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *token = json_array_get(list, i);
        const json_int_t slot = json_integer_value(json_object_get(token, "slot"));
        check(slot >= 0 && (CK_ULONG)slot < the_hostile.token_count);
        const CK_TOKEN_INFO *info = &the_hostile.tokens[slot];
        shows_field(token, "label", info->label, sizeof info->label);
        shows_field(token, "manufacturer", info->manufacturerID, sizeof info->manufacturerID);
        shows_field(token, "model", info->model, sizeof info->model);
        shows_field(token, "serial", info->serialNumber, sizeof info->serialNumber);
        tok_uri uri;
        check(tok_uri_parse(string_of(token, "uri"), &uri, NULL) == ST_OK);
        check(strcmp(uri.token == NULL ? "" : uri.token, string_of(token, "label")) == 0);
        check(strcmp(uri.serial == NULL ? "" : uri.serial, string_of(token, "serial")) == 0);
        tok_uri_free(&uri);
    }
}

/* Every key in the output is one of the module's, and its dates are valid. */
static void check_keys(const json_t *doc)
{
    const json_t *list = json_object_get(doc, "keys");
    check(json_is_array(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *key = json_array_get(list, i);
        const char *label = json_string_value(json_object_get(key, "label"));
        bool known = label == NULL; /* cmk list prints the name only */
        for (size_t k = 0; !known && k < the_hostile.key_count; k++) {
            const hostile_key *own = &the_hostile.keys[k];
            size_t length = own->name_len;
            while (length > 0 && own->name[length - 1] == '\0')
                length--;
            if (memchr(own->name, '\0', length) != NULL) /* not a usable name */
                length = 0;
            known = strlen(label) == length;
            for (size_t n = 0; known && label[n] != '\0'; n++)
                known = (uint8_t)label[n] == own->name[n] || label[n] == '?';
        }
        check(known && string_of(key, "name") != NULL);
        check(json_integer_value(json_object_get(key, "start_date")) <= 99999999);
        check(json_integer_value(json_object_get(key, "end_date")) <= 99999999);
    }
}

static void check_probe(const json_t *doc)
{
    const json_t *checks = json_object_get(doc, "checks");
    const CK_TOKEN_INFO *info = &the_hostile.tokens[0];

    shows_field(doc, "manufacturer", info->manufacturerID, sizeof info->manufacturerID);
    if (*string_of(doc, "library") != '\0') /* C_GetInfo may have failed */
        shows_field(doc, "library", the_hostile.info.libraryDescription,
                    sizeof the_hostile.info.libraryDescription);
    check(json_array_size(checks) > 20);
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *item = json_array_get(checks, i);
        const char *result = string_of(item, "result");
        check(strcmp(result, "yes") == 0 || strcmp(result, "no") == 0 ||
              strcmp(result, "WRONG") == 0);
        check(*string_of(item, "name") != '\0' && string_of(item, "detail") != NULL);
    }
    check(json_is_array(json_object_get(doc, "mechanisms")));
}

static void check_document(const char *out, int status, void (*check_result)(const json_t *))
{
    json_error_t problem;
    json_t *doc = json_loads(out, JSON_REJECT_DUPLICATES, &problem);
    check(json_is_object(doc));
    const json_t *error = json_object_get(doc, "error");
    check(status == 0 || error != NULL || json_object_get(doc, "checks") != NULL);
    if (error != NULL) {
        check(status != 0 && *string_of(error, "name") != '\0');
        check(*string_of(error, "text") != '\0' && string_of(error, "next") != NULL);
        check(json_integer_value(json_object_get(error, "code")) > 0);
    } else if (check_result != NULL) {
        check_result(doc);
    }
    json_decref(doc);
}

/* --- the run --- */

typedef struct verb {
    const char *words[4];
    void (*check)(const json_t *doc);
} verb;
static const verb verbs[] = {
    {{"token", "list"}, check_tokens}, {{"probe"}, check_probe},
    {{"key", "list"}, check_keys},     {{"doctor"}, NULL},
    {{"cmk", "list"}, check_keys},     {{"key", "show", "k"}, NULL},
};

/* Checks the number of lines, which is larger if the text of a token contained a line break, and
 * that the last line is complete. */
static void check_lines(const verb *v, const char *out)
{
    size_t lines = 0;
    for (const char *c = out; *c != '\0'; c++)
        lines += *c == '\n';
    if (v->check == check_tokens && lines > 1)
        check(lines <= 2 * the_hostile.token_count);
    if (v->check == check_keys && lines > 1)
        check(lines <= the_hostile.key_count);
    check(out[0] == '\0' || out[strlen(out) - 1] == '\n');
}

static int run(const verb *v, bool json, char **out, char **err)
{
    char *argv[10] = {(char *)(uintptr_t) "p11ekm", (char *)(uintptr_t) "--conf",
                      (char *)(uintptr_t)config_file()};
    size_t out_len = 0, err_len = 0;
    int argc = 3;
    FILE *real_out = stdout, *real_err = stderr;

    if (json)
        argv[argc++] = (char *)(uintptr_t) "--json";
    for (size_t i = 0; v->words[i] != NULL; i++)
        argv[argc++] = (char *)(uintptr_t)v->words[i];
    stdout = open_memstream(out, &out_len);
    stderr = open_memstream(err, &err_len);
    check(stdout != NULL && stderr != NULL);
    const int status = cli_main(argc, argv);
    (void)fclose(stdout);
    (void)fclose(stderr);
    stdout = real_out;
    stderr = real_err;
    check(strlen(*out) == out_len && strlen(*err) == err_len);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    char *out = NULL, *err = NULL;

    if (!begun) {
        (void)config_file();
        check(atexit(remove_files) == 0);
        check(core_crypto_open() ==
              ST_OK); /* once: opening it for each input would be most of the work */
        begun = true;
    }
    if (size == 0)
        return 0;
    const bool json = data[0] % 2 == 0;
    const verb *v = &verbs[data[0] / 2 % (sizeof verbs / sizeof verbs[0])];
    hostile_begin(data + 1, size - 1);
    const int status = run(v, json, &out, &err);
    check(status == 0 || status == 1);
    check(the_hostile.misuses == 0 && !the_hostile.initialised);
    printable(err, "\n");
    printable(out, "\n");
    if (json)
        check_document(out, status, v->check);
    else
        check_lines(v, out);
    free(out);
    free(err);
    return 0;
}
