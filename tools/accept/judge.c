/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares observations with expectations. The grammar of both is in
 * scripts/windows/accept/README.md.
 */
#include "tools/accept/accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ERROR_LEVEL = 11, TOKEN = 256 };

/* The text after the tab if an observation is of this kind, else NULL. */
static const char *of_kind(const char *line, const char *kind)
{
    size_t length = strlen(kind);
    return strncmp(line, kind, length) == 0 && line[length] == '\t' ? line + length + 1 : NULL;
}

static bool is_number(const char *text, long long *out)
{
    char *end = NULL;
    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0';
}

static bool compare(const char *seen, const char *operator, const char * wanted)
{
    long long a = 0;
    long long b = 0;
    bool numbers = is_number(seen, &a) && is_number(wanted, &b);
    if (strcmp(operator, "=") == 0)
        return strcmp(seen, wanted) == 0;
    if (strcmp(operator, "!=") == 0)
        return strcmp(seen, wanted) != 0;
    if (strcmp(operator, ">=") == 0)
        return numbers && a >= b;
    return strcmp(operator, "<=") == 0 && numbers && a <= b;
}

/* Copies the value of a field of "a=1<TAB>b=2"; false if there is no such field. */
static bool field(const char *row, const char *name, char *out, size_t capacity)
{
    size_t length = strlen(name);
    for (const char *at = row; at; at = strchr(at, '\t'), at = at ? at + 1 : NULL) {
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            int size = (int)strcspn(at + length + 1, "\t");
            (void)snprintf(out, capacity, "%.*s", size, at + length + 1);
            return true;
        }
    }
    return false;
}

/* True if a condition "NAME OPERATOR VALUE" holds for a row. */
static bool condition_holds(const char *row, const char *condition)
{
    char name[TOKEN];
    char operator[3];
    char seen[ACCEPT_REASON];
    size_t length = strcspn(condition, "!=<>");
    size_t size = strspn(condition + length, "!=<>");
    if (length >= sizeof name || size >= sizeof operator|| size == 0)
        return false;
    (void)snprintf(name, sizeof name, "%.*s", (int)length, condition);
    (void)snprintf(operator, sizeof operator, "%.*s", (int)size, condition + length);
    return field(row, name, seen, sizeof seen) &&
           compare(seen, operator, condition + length + size);
}

/* True if all conditions, separated by "; ", hold for a row. */
static bool row_holds(const char *row, const char *conditions)
{
    for (const char *at = conditions; at;) {
        char one[ACCEPT_REASON];
        const char *end = strstr(at, "; ");
        int length = (int)(end ? (size_t)(end - at) : strlen(at));
        (void)snprintf(one, sizeof one, "%.*s", length, at);
        if (!condition_holds(row, one))
            return false;
        at = end ? end + 2 : NULL;
    }
    return true;
}

static size_t count_rows(const accept_lines *seen, const char *conditions, size_t *all)
{
    size_t held = 0;
    *all = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const char *row = of_kind(seen->at[i], "row");
        *all += row ? 1 : 0;
        held += row && row_holds(row, conditions) ? 1 : 0;
    }
    return held;
}

static bool expect_row(const accept_lines *seen, const char *conditions)
{
    size_t all = 0;
    return count_rows(seen, conditions, &all) > 0;
}

static bool expect_norow(const accept_lines *seen, const char *conditions)
{
    size_t all = 0;
    return count_rows(seen, conditions, &all) == 0;
}

static bool expect_every(const accept_lines *seen, const char *conditions)
{
    size_t all = 0;
    return count_rows(seen, conditions, &all) == all && all > 0;
}

/* Checks "NAME=N": the number of calls of a function of the provider. */
static bool expect_calls(const accept_lines *seen, const char *wanted)
{
    char number[TOKEN];
    char row[ACCEPT_REASON];
    size_t calls = 0;
    size_t length = strcspn(wanted, "!=<>");
    for (size_t i = 0; i < seen->count; i++) {
        const char *call = of_kind(seen->at[i], "call");
        if (call && strncmp(call, wanted, length) == 0 && call[length] == '\t')
            calls++;
    }
    (void)snprintf(number, sizeof number, "%zu", calls);
    (void)snprintf(row, sizeof row, "%.*s=%s", (int)length, wanted, number);
    return condition_holds(row, wanted);
}

/* Checks that the calls of the provider begin with these names. */
static bool expect_order(const accept_lines *seen, const char *names)
{
    size_t line = 0;
    for (const char *at = names; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        while (line < seen->count && !of_kind(seen->at[line], "call"))
            line++;
        const char *call = line < seen->count ? of_kind(seen->at[line], "call") : NULL;
        if (!call || strncmp(call, at, length) != 0 || call[length] != '\t')
            return false;
        line++;
        at += length;
    }
    return true;
}

static bool expect_value(const accept_lines *seen, const char *condition)
{
    for (size_t i = 0; i < seen->count; i++) {
        const char *value = of_kind(seen->at[i], "value");
        if (value && condition_holds(value, condition))
            return true;
    }
    return false;
}

typedef struct message {
    long number, level, state; /* -1: any */
} message;

/* Parses the observation "msg<TAB>NUMBER<TAB>LEVEL<TAB>STATE<TAB>TEXT" of an error. */
static bool seen_message(const char *line, message *out)
{
    const char *at = of_kind(line, "msg");
    char *end = NULL;
    if (!at)
        return false;
    out->number = strtol(at, &end, 10);
    out->level = strtol(end, &end, 10);
    out->state = strtol(end, &end, 10);
    return out->level >= FIRST_ERROR_LEVEL;
}

/* Parses the expectation "msg NUMBER [level N] [state N]". */
static bool wanted_message(const char *expectation, message *out)
{
    if (strncmp(expectation, "msg ", 4) != 0)
        return false;
    const char *level = strstr(expectation, " level ");
    const char *state = strstr(expectation, " state ");
    *out = (message){strtol(expectation + 4, NULL, 10), -1, -1};
    out->level = level ? strtol(level + 7, NULL, 10) : -1;
    out->state = state ? strtol(state + 7, NULL, 10) : -1;
    return true;
}

static bool same(const message *wanted, const message *seen)
{
    return wanted->number == seen->number && (wanted->level < 0 || wanted->level == seen->level) &&
           (wanted->state < 0 || wanted->state == seen->state);
}

/* True if the observed errors are exactly those listed under `key`, in this order. */
static bool messages_hold(const accept_check *check, const char *key, const accept_lines *seen,
                          char why[ACCEPT_REASON])
{
    size_t next = 0;
    message got;
    message wanted;
    const char *expectation = NULL;
    for (size_t i = 0; i < seen->count; i++) {
        if (!seen_message(seen->at[i], &got))
            continue;
        do
            expectation = accept_check_value(check, key, next++);
        while (expectation && !wanted_message(expectation, &wanted));
        if (!expectation || !same(&wanted, &got)) {
            (void)snprintf(why, ACCEPT_REASON, "%s%s, seen: %.800s",
                           expectation ? "expected " : "expected no further error",
                           expectation ? expectation : "", seen->at[i]);
            return false;
        }
    }
    while ((expectation = accept_check_value(check, key, next++))) {
        if (wanted_message(expectation, &wanted)) {
            (void)snprintf(why, ACCEPT_REASON, "expected %s, seen: no such error", expectation);
            return false;
        }
    }
    return true;
}

static const struct {
    const char *word;
    bool (*holds)(const accept_lines *seen, const char *rest);
} expectations[] = {
    {"row ", expect_row},     {"norow ", expect_norow}, {"every ", expect_every},
    {"calls ", expect_calls}, {"order ", expect_order}, {"value ", expect_value},
};

static bool one_holds(const accept_lines *seen, const char *expectation)
{
    message ignored;
    if (wanted_message(expectation, &ignored))
        return true; /* checked by messages_hold */
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        size_t length = strlen(expectations[i].word);
        if (strncmp(expectation, expectations[i].word, length) == 0)
            return expectations[i].holds(seen, expectation + length);
    }
    return false; /* an unknown word is never satisfied */
}

/* True if all expectations under `key` hold. */
static bool all_hold(const accept_check *check, const char *key, const accept_lines *seen,
                     char why[ACCEPT_REASON])
{
    const char *expectation = NULL;
    if (!messages_hold(check, key, seen, why))
        return false;
    for (size_t i = 0; (expectation = accept_check_value(check, key, i)); i++) {
        if (!one_holds(seen, expectation)) {
            (void)snprintf(why, ACCEPT_REASON, "not seen: %s", expectation);
            return false;
        }
    }
    return true;
}

accept_verdict accept_judge(const accept_check *check, const accept_lines *seen,
                            char why[ACCEPT_REASON])
{
    char other[ACCEPT_REASON];
    (void)snprintf(why, ACCEPT_REASON, "not run");
    if (!seen)
        return ACCEPT_SKIP;
    for (size_t i = 0; i < seen->count; i++) {
        const char *reason = of_kind(seen->at[i], "skip");
        if (reason) {
            (void)snprintf(why, ACCEPT_REASON, "%s", reason);
            return ACCEPT_SKIP;
        }
    }
    why[0] = '\0';
    if (!accept_check_value(check, "expect", 0))
        return ACCEPT_NOTE;
    if (all_hold(check, "expect", seen, why))
        return ACCEPT_PASS;
    if (accept_check_value(check, "known", 0) && all_hold(check, "known", seen, other))
        return ACCEPT_KNOWN_DIFFERENT;
    return strcmp(check->otherwise, "fail") == 0 ? ACCEPT_FAIL : ACCEPT_FINDING;
}

const char *accept_verdict_name(accept_verdict verdict)
{
    static const char *const names[] = {"PASS",    "NOTE", "SKIP", "KNOWN-DIFFERENT",
                                        "FINDING", "FAIL"};
    return names[verdict];
}

bool accept_guard(const accept_lines *seen, char why[ACCEPT_REASON])
{
    bool ended = false;
    for (size_t i = 0; i < seen->count; i++) {
        char kind[TOKEN];
        char name[TOKEN];
        const char *row = of_kind(seen->at[i], "row");
        if (!row)
            continue;
        if (!field(row, "kind", kind, sizeof kind)) {
            (void)snprintf(why, ACCEPT_REASON, "a row without a kind: %.200s", row);
            return false;
        }
        ended = ended || strcmp(kind, "end") == 0;
        if (strcmp(kind, "end") == 0)
            continue;
        if (!field(row, "name", name, sizeof name) || strncmp(name, "P11ACC_", 7) != 0) {
            (void)snprintf(why, ACCEPT_REASON, "%s %s is not of the kit", kind, name);
            return false;
        }
    }
    if (!ended)
        (void)snprintf(why, ACCEPT_REASON, "the list of objects is not complete");
    return ended;
}
