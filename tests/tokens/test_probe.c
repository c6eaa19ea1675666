/* SPDX-License-Identifier: Apache-2.0
 *
 * The probe on a real token: nothing may be WRONG, nothing may be left on the token, and the
 * results must be those of the golden file where it was made with this version of the token's
 * library.
 *
 *   test_probe GOLDEN            (under with-token)
 *   test_probe --write GOLDEN    makes it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "core/text.h"
#include "pkcs11/key.h"
#include "pkcs11/probe.h"
#include "token_conf.h"

enum { SKIPPED = 77 };

static const char *const states[] = {"yes", "no", "WRONG"};

static int complain(const char *what, core_status st, const core_err *err)
{
    printf("%s: %s: %s\n", what, core_status_name(st), core_err_text(err, st));
    return EXIT_FAILURE;
}

/* The probe as text; *wrong counts the items that are. */
static core_status run_probe(tok_token *token, core_str *text, unsigned *wrong, core_err *err)
{
    const tok_token_info *info = tok_token_about(token);
    tok_probe_item *items = NULL;
    size_t count = 0;
    core_status st = tok_probe(token, &items, &count, err);

    core_str_addf(text, "%s, %s, library %u.%u\n", info->manufacturer, info->model,
                  info->library_major, info->library_minor);
    for (size_t i = 0; i < count; i++) {
        core_str_addf(text, "%s %s%s%s\n", items[i].name, states[items[i].state],
                      items[i].detail[0] ? " " : "", items[i].detail);
        *wrong += items[i].state == TOK_PROBE_WRONG;
    }
    core_free(items);
    return st;
}

static bool nothing_left(tok_token *token, core_err *err)
{
    tok_key **keys = NULL;
    size_t count = 0, ours = 0;
    core_status st = tok_key_list(token, &keys, &count, err);

    if (st != ST_OK)
        return complain("tok_key_list", st, err) == EXIT_SUCCESS;
    for (size_t i = 0; i < count; i++)
        ours += strcmp(tok_key_about(keys[i])->name, "p11ekm-probe") == 0;
    tok_key_list_free(keys, count);
    printf("%zu keys on the token, %zu of them the probe's\n", count, ours);
    return ours == 0;
}

static int compare(const char *path, const char *text)
{
    static char golden[16384];
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(golden, 1, sizeof golden - 1, file) : 0;
    size_t first = strcspn(text, "\n");

    if (file)
        (void)fclose(file);
    golden[length] = '\0';
    if (strncmp(golden, text, first + 1) != 0) {
        printf("SKIPPED golden: %s is of another version: %.*s\n", path, (int)strcspn(golden, "\n"),
               golden);
        return SKIPPED;
    }
    if (strcmp(golden, text) != 0) {
        printf("differs from %s\n", path);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int write_golden(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return EXIT_FAILURE;
    (void)fputs(text, file);
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int mechanisms(tok_token *token, core_err *err)
{
    tok_mechanism *list = NULL;
    size_t count = 0, found = 0;
    core_status st = tok_mechanism_list(token, &list, &count, err);

    for (size_t i = 0; i < count; i++)
        found += strcmp(list[i].name, "CKM_RSA_PKCS") == 0 && list[i].max_bits >= 2048;
    core_free(list);
    printf("%zu mechanisms\n", count);
    if (st != ST_OK)
        return complain("tok_mechanism_list", st, err);
    return found == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int on_token(tok_token *token, const char *path, bool make)
{
    core_err err = {0};
    core_str text = {0};
    unsigned wrong = 0;
    int result;
    core_status st = run_probe(token, &text, &wrong, &err);

    if (st != ST_OK) {
        result = complain("tok_probe", st, &err);
        goto done;
    }
    printf("%s", core_str_get(&text));
    result = make ? write_golden(path, core_str_get(&text)) : compare(path, core_str_get(&text));
    if (wrong || !nothing_left(token, &err) || mechanisms(token, &err) != EXIT_SUCCESS)
        result = EXIT_FAILURE;
done:
    core_str_free(&text);
    return result;
}

int main(int argc, char **argv)
{
    bool make = argc == 3 && strcmp(argv[1], "--write") == 0;
    const char *pin = getenv("PIN");
    core_err err = {0};
    tok_context *ctx = NULL;
    tok_token *token = NULL;
    core_status st;
    int result;

    if (argc != 2 + make || !pin || !token_conf_make(""))
        return 2;
    st = tok_context_open(token_conf_path(), &ctx, &err);
    if (st == ST_OK)
        st = tok_token_find(ctx, "test", &token, &err);
    if (st == ST_OK)
        st = tok_token_login(token, pin, strlen(pin), &err);
    if (st == ST_OK) {
        result = on_token(token, argv[argc - 1], make);
        tok_token_logout(token);
    } else {
        result = complain("token", st, &err);
    }
    if (token)
        tok_token_release(token);
    if (ctx)
        tok_context_close(ctx);
    token_conf_remove();
    return result;
}
