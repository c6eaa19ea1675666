/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks after a run with a fault: see torture_cli.h.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/group/group_private.h"
#include "tests/fault/torture_cli.h"

tally score;

static void complain(const verb *v, const fault *f, const char *what, const outcome *o)
{
    score.failures++;
    printf("FAILED p11ekm %s; %s (%s): %s\n", v->line, f->name, o->hit, what);
    if (o->status != 0)
        printf("  status %d, signal %d: %.400s%s", o->status, o->signal, o->err,
               o->err[0] == '\0' ? "(no text)\n" : "");
}

/* --- the text --- */

/* Status names of the list that an injected fault may cause. */
static bool documented(const char *text)
{
#define NAME(name, code, class, text, next) #name,
    static const char *const names[] = {CORE_STATUS_LIST(NAME)};
#undef NAME
    static const char *const never[] = {"FAILURE", "PROVIDER_ERROR", "INVALID_ARGUMENT",
                                        "NOT_FOUND"};
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strlen(never[i]) == length && memcmp(text, never[i], length) == 0)
            return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && memcmp(text, names[i], length) == 0)
            return true;
    return false;
}

/* True if the text has a status name, the object and cause, and a next step. */
static bool clear_text(const char *err)
{
    const char *text = strstr(err, "p11ekm: ");
    if (text == NULL || strstr(err, "internal error") != NULL || strstr(err, "unknown") != NULL)
        return false;
    text += strlen("p11ekm: ");
    const char *cause = strstr(text, ": ");
    return documented(text) && cause != NULL && strcspn(cause + 2, "\n") >= 12 &&
           (strstr(cause, "; ") != NULL || strstr(cause, "\n  next: ") != NULL);
}

/* An object whose attributes cannot be read is not counted as ours: a list omits it. Library
 * information is optional output. */
static bool left_out(const fault *f, const outcome *o)
{
    if (f->kind != FAULT_CALL)
        return false;
    if (strcmp(o->hit, "C_GetInfo") == 0)
        return true;
    core_status st = tok_rv_status(f->rv->value, TOK_CALL_OTHER);
    return st == ST_MECHANISM || st == ST_KEY_USAGE;
}

static bool found_something(const verb *v, const outcome *o)
{
    return v->finds != NULL && strstr(o->out, v->finds) != NULL &&
           strstr(o->out, "internal error") == NULL;
}

/* Messages for a change that was made and only could not be recorded. */
static bool is_done(const outcome *o)
{
    return strstr(o->err, " is done, but") != NULL;
}

static void check_text(const verb *v, const fault *f, const outcome *clean, const outcome *o)
{
    if (o->status != 0 && o->status != 1)
        complain(v, f, "an exit status that is not documented", o);
    else if (o->status == 1 && !found_something(v, o) && !clear_text(o->err) &&
             !(left_out(f, o) && strstr(o->err, "NOT_FOUND") != NULL))
        complain(v, f, "the text is not clear", o);
    else if (o->status == 0 && v->same && strcmp(o->out, clean->out) != 0 && !left_out(f, o)) {
        complain(v, f, "success, but the output is not that of a clean run", o);
        printf("  %.300s\n", o->out);
    } else if (o->status == 0 && o->out[0] == '\0')
        complain(v, f, "success without output", o);
}

/* --- the keys --- */

static bool all_new_names(const census *after, const census *now)
{
    for (size_t i = 0; i < after->count; i++)
        if (strncmp(after->keys[i].label, "p11ekm-retired:", 15) != 0 &&
            !census_names(now, after->keys[i].label))
            return false;
    return after->count == now->count;
}

static void check_keys(const verb *v, const fault *f, const state *before, const state *after,
                       const state *now, const outcome *o)
{
    bool done = o->status == v->status || is_done(o);
    size_t may_go = done ? census_lost(&before->keys, &after->keys) : 0;

    if (census_lost(&before->keys, &now->keys) > may_go) {
        score.lost++;
        complain(v, f, "a key is lost or changed", o);
    } else if (done ? !all_new_names(&after->keys, &now->keys)
                    : !census_same(&before->keys, &now->keys)) {
        complain(v, f,
                 done ? "done, but the keys are not what they should be" : "a key is left over", o);
    }
}

/* --- the files --- */

static bool is_journal(const char *path)
{
    return strstr(path, "/var/log") != NULL || strstr(path, "/var/audit") != NULL;
}

/* Like the file of a run without a fault: for values, length and end are compared. */
static bool whole(const verb *v, const tree_file *clean, const tree_file *now)
{
    if (now == NULL)
        return false;
    if (now->length != clean->length)
        return false;
    if (v->same)
        return memcmp(now->bytes, clean->bytes, clean->length) == 0;
    return clean->length == 0 || now->bytes[now->length - 1] == clean->bytes[clean->length - 1];
}

/* Only the run that holds the lock may remove its file: after a fault an empty lock file may stay
 * until the next run removes it. */
static bool is_free_lock(const tree_file *file)
{
    const char *end = strrchr(file->path, '.');
    return end != NULL && strcmp(end, ".lock") == 0 && file->length == 0;
}

static void check_files(const verb *v, const fault *f, const state *after, const state *now,
                        const outcome *o, bool lock_may_stay)
{
    bool good = true;

    for (size_t i = 0; i < now->output.count && good; i++)
        good = is_journal(now->output.files[i].path) ||
               (lock_may_stay && is_free_lock(&now->output.files[i])) ||
               tree_find(&after->output, now->output.files[i].path) != NULL;
    for (size_t i = 0; i < after->output.count && good; i++) {
        const tree_file *file = tree_find(&now->output, after->output.files[i].path);
        if (is_journal(after->output.files[i].path))
            continue;
        good = whole(v, &after->output.files[i], file) ||
               (o->status != v->status && (file == NULL || v->resumes));
    }
    if (!good)
        complain(v, f, "a file is half-written, missing or left over", o);
}

/* True if every record has its own line; a fault may leave half a line at most. */
static bool trail_is_whole(const state *now, unsigned torn)
{
    const tree_file *audit = tree_find(&now->output, "/audit");
    const char *line = audit != NULL ? audit->bytes : "";
    unsigned broken = 0;

    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        broken += length > 0 && (line[0] != '{' || line[length - 1] != '}');
        if (length > 0 && strncmp(line + 1, "\"time\"", 6) == 0 &&
            memmem(line + 1, length - 1, "{\"time\"", 7) != NULL)
            broken += 2; /* one record inside another */
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    return broken <= torn;
}

static bool outputs_changed(const state *before, const state *now)
{
    static const char *const but[] = {"/var/log", "/var/audit", NULL};
    return !tree_same(&before->output, &now->output, but);
}

/* --- all of it --- */

static void check_end(const verb *v, const fault *f, const outcome *clean, const outcome *o)
{
    if (o->signal == SIGALRM) {
        score.hangs++;
        complain(v, f, "hangs", o);
    } else if (o->status < 0 || !o->returned) {
        score.crashes++;
        complain(v, f, "crashed", o);
    } else if (o->leaked || o->fds > clean->fds) {
        score.leaks++;
        complain(v, f, o->leaked ? "memory is left" : "a descriptor is left open", o);
    }
    if (o->violations != 0) {
        complain(v, f, "Cryptoki's rules were broken", o);
        printf("%s\n", o->log);
    }
}

/* Runs the same command on the state after the fault and checks the result. */
static void check_next(const verb *v, const fault *f, const outcome *clean, const state *before,
                       const state *after)
{
    static outcome o;
    static state now;
    const fault none = {.kind = FAULT_NONE};

    env_run(v->line, &none, &o);
    if (o.status != v->status)
        complain(v, f, "the next clean run fails", &o);
    else if (v->same && strcmp(clean->out, o.out) != 0)
        complain(v, f, "the next clean run says something else", &o);
    if (!env_take(&now.output, &now.token) || !census_take(&now.keys))
        complain(v, f, "the environment cannot be read afterwards", &o);
    check_keys(v, f, before, after, &now, &o);
    check_files(v, f, after, &now, &o, false);
    if (!trail_is_whole(&now, 1))
        complain(v, f, "the audit has one record in another", &o);
    tree_drop(&now.output);
    tree_drop(&now.token);
}

void check_run(const verb *v, const fault *f, const outcome *clean, const state *before,
               const state *after, const outcome *o)
{
    static state now;

    score.runs++;
    score.unchecked += o->unchecked;
    *(o->status == v->status ? &score.healed : &score.refused) += 1;
    check_end(v, f, clean, o);
    check_text(v, f, clean, o);
    if (!env_take(&now.output, &now.token))
        complain(v, f, "the environment cannot be read afterwards", o);
    bool keys_moved = !env_token_same(&before->token, &now.token);
    now.keys = before->keys;
    if (keys_moved && !census_take(&now.keys))
        complain(v, f, "the token cannot be read afterwards", o);
    check_keys(v, f, before, after, &now, o);
    check_files(v, f, after, &now, o, f->kind == FAULT_FILE);
    const tree_file *audit = tree_find(&now.output, "/audit");
    bool torn = audit != NULL && audit->length > 0 && audit->bytes[audit->length - 1] != '\n';
    if (!trail_is_whole(&now, torn ? 1 : 0))
        complain(v, f, "a line of the audit is broken", o);
    bool changed = outputs_changed(before, &now) || keys_moved || torn;
    if (o->status != v->status && changed && !is_done(o))
        check_next(v, f, clean, before, after);
    if (changed && !env_restore(&before->output, &before->token))
        complain(v, f, "the environment cannot be restored", o);
    tree_drop(&now.output);
    tree_drop(&now.token);
}
