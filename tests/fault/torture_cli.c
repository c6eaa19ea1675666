/* SPDX-License-Identifier: Apache-2.0
 *
 * Torture of the command line: for every verb, every Cryptoki call it makes fails once with every
 * return value of a list, every allocation of ours fails once, and every operation on a file of
 * ours fails once in each way of a list. Required each time: a documented exit status and a text
 * that says what to do, an end in bounded time, no breach of Cryptoki's rules, no key lost, changed
 * or left over, files either old or new, and the next run without a fault works.
 *
 *   with-token --count KIND torture_cli [short|long|all [WORD-OF-A-VERB [KIND]]]    KIND: 1 calls,
 * 2 memory, 3 files
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fault/torture_cli.h"

static const verb verbs[] = {
    {"token list", true, false, false, 0, NULL},
    {"token list --json", true, false, false, 0, NULL},
    {"key list", true, false, false, 0, NULL},
    {"key list --json", true, false, false, 0, NULL},
    {"key show aes", true, false, false, 0, NULL},
    {"key show old --json", true, false, false, 0, NULL},
    {"key create fresh --algorithm AES_256", false, false, false, 0, NULL},
    {"key create fresh --algorithm RSA_2048 --extractable", false, false, true, 0, NULL},
    {"key retire aes --yes aes", true, false, false, 0, NULL},
    {"key restore gone --json", true, false, false, 0, NULL},
    {"key purge gone --yes gone", true, false, false, 0, NULL},
    {"cmk create fresh --algorithm RSA_2048 --json", false, false, true, 0, NULL},
    {"cmk list", true, false, false, 0, NULL},
    {"cmk sql old --cmk Old --enclave --output V/cmk.sql", true, false, false, 0, NULL},
    {"cmk verify E/masters.json --json", true, false, false, 0, "\"result\": \""},
    {"cmk rotate E/values.json --from old --to new --to-cmk New --output V/new.json --add "
     "V/add.sql "
     "--drop V/drop.sql",
     false, true, false, 0, NULL},
    {"cmk rotate E/values.json --from old --to new --to-cmk New --output V/new.json --add "
     "V/add.sql "
     "--drop V/drop.sql --software --pin-file E/pin --json",
     false, true, false, 0, NULL},
    {"cek create Three --key old --cmk Old --output V/three", false, false, false, 0, NULL},
    {"cek create Three --key old --cmk Old --software --json", false, false, false, 0, NULL},
    {"cek import Three --key old --cmk Old --cek-fd 9 --output V/three", false, false, false, 0,
     NULL},
    {"cek sql E/values.json --output V/cek.sql", true, false, false, 0, NULL},
    {"cek sql E/values.json --json", true, false, false, 0, NULL},
    {"cek verify E/values.json", true, false, false, 0, "FAIL "},
    {"init --conf V/conf --module E/module.so --token soft --pin-file E/pin", true, false, false, 0,
     NULL},
    {"pin protect V/pin --pin-file E/pin", true, false, false, 1, NULL},
    {"doctor", false, false, true, 0, "FAIL "},
    {"doctor --json", false, false, true, 0, "\"FAIL\""},
    {"probe --json", false, false, true, 0, "\"WRONG\""},
};

/* Number of runs for a verb and a kind of fault, spread evenly over all possible ones; 0: all. */
static struct {
    const char *word;
    bool brief;
    unsigned long most, most_slow;
} form, forms[] = {{"short", true, 18, 2}, {"long", false, 400, 60}, {"all", false, 0, 0}};

static void choose_form(const char *word)
{
    form = forms[1];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(word, forms[i].word) == 0)
            form = forms[i];
}

static char seen[4096][96];

/* Counts the different faults of one kind: a function and a value. */
static void count_distinct(const fault *f, const outcome *o)
{
    char text[96];
    const char *what = f->kind == FAULT_CALL   ? f->rv->name
                       : f->kind == FAULT_FILE ? f->file->name
                                               : "";

    if (o->hit[0] == '\0')
        return;
    (void)snprintf(text, sizeof text, "%.60s %.30s", o->hit, what);
    for (size_t i = 0; i < score.distinct; i++)
        if (strcmp(seen[i], text) == 0)
            return;
    if (score.distinct < sizeof seen / sizeof seen[0])
        memcpy(seen[score.distinct++], text, sizeof text);
}

/* The fault with this number, of one kind in this form; false after the last one. */
static bool variant(fault *f, unsigned long number)
{
    for (size_t i = 0; f->kind == FAULT_CALL && i < rv_count; i++) {
        f->rv = &rv_list[i];
        if ((!form.brief || f->rv->telling) && number-- == 0)
            return true;
    }
    for (f->file = file_fault_list; f->kind == FAULT_FILE && f->file->name != NULL; f->file++)
        if ((!form.brief || f->file->telling) && number-- == 0)
            return true;
    return f->kind == FAULT_ALLOCATION && number == 0;
}

static void name_fault(fault *f)
{
    const char *const kinds[] = {"none", "call", "allocation", "file operation"};
    const char *what = f->kind == FAULT_CALL   ? f->rv->name
                       : f->kind == FAULT_FILE ? f->file->name
                                               : "none";
    (void)snprintf(f->name, sizeof f->name, "%s %lu gives %s", kinds[f->kind], f->nth, what);
}

static void torture_kind(const verb *v, fault_kind kind, const outcome *clean, const state *before,
                         const state *after)
{
    static outcome o;
    const unsigned long places[] = {0, clean->calls, clean->allocations, clean->file_calls};
    fault f = {.kind = kind};
    unsigned long variants = 0, most = v->slow ? form.most_slow : form.most;

    while (variant(&f, variants))
        variants++;
    unsigned long all = places[kind] * variants;
    unsigned long take = most != 0 && most < all ? most : all;
    for (unsigned long i = 0; i < take; i++) {
        unsigned long at = all / take * i + all % take * i / take;
        f.nth = 1 + at / variants;
        (void)variant(&f, take < all ? i % variants : at % variants);
        name_fault(&f);
        env_run(v->line, &f, &o);
        /* The library cannot detect that C_Initialize returned CKR_CRYPTOKI_ALREADY_INITIALIZED
         * without reason. */
        if (kind == FAULT_CALL && strcmp(f.rv->name, "CKR_CRYPTOKI_ALREADY_INITIALIZED") == 0 &&
            strcmp(o.hit, "C_Initialize") == 0)
            continue;
        count_distinct(&f, &o);
        check_run(v, &f, clean, before, after, &o);
    }
}

static bool torture(const verb *v, unsigned only)
{
    static outcome clean;
    static state before, after;
    const fault none = {.kind = FAULT_NONE};
    unsigned long runs = score.runs;

    if (!env_take(&before.output, &before.token) || !census_take(&before.keys))
        return false;
    env_run(v->line, &none, &clean);
    if (clean.status != v->status || clean.violations != 0) {
        printf("FAILED p11ekm %s: status %d without a fault\n%s%s", v->line, clean.status,
               clean.err, clean.out);
        score.failures++;
    }
    if (!env_take(&after.output, &after.token) || !census_take(&after.keys) ||
        !env_restore(&before.output, &before.token))
        return false;
    for (fault_kind kind = FAULT_CALL; kind <= FAULT_FILE; kind++)
        if (only == 0 || only == kind)
            torture_kind(v, kind, &clean, &before, &after);
    printf("%.40s%s: %lu calls, %lu allocations, %lu file operations; %lu runs\n", v->line,
           strlen(v->line) > 40 ? "..." : "", clean.calls, clean.allocations, clean.file_calls,
           score.runs - runs);
    if (clean.no_faults)
        printf("SKIPPED: file operations of %s: this system has no way to fail them\n", v->line);
    tree_drop(&before.output);
    tree_drop(&before.token);
    tree_drop(&after.output);
    tree_drop(&after.token);
    return true;
}

int main(int argc, char **argv)
{
    const char *word = argc > 2 ? argv[2] : "";
    unsigned only = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;

    if (getenv("MODULE") == NULL || getenv("P11COUNT_MODULE") == NULL) {
        printf("SKIPPED: no counted token: run it by tests/tokens/with-token --count\n");
        return 77;
    }
    choose_form(argc > 1 ? argv[1] : "");
    if (!env_make())
        return 1;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strstr(verbs[i].line, word) != NULL && !torture(&verbs[i], only)) {
            printf("FAILED: the environment cannot be read or restored\n");
            return 1;
        }
    printf("%lu runs, %lu distinct faults, %lu refused, %lu healed, %lu crashes, %lu hangs, %lu "
           "leaks, %lu lost keys, %lu failures\n",
           score.runs, score.distinct, score.refused, score.healed, score.crashes, score.hangs,
           score.leaks, score.lost, score.failures);
    if (score.unchecked != 0)
        printf("%lu runs without a search for leaks: the sanitizer failed\n", score.unchecked);
    return score.failures == 0 && score.runs > 0 ? 0 : 1;
}
