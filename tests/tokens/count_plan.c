/* SPDX-License-Identifier: Apache-2.0
 *
 * The counting module's plan: which calls fail, and which are late. The grammar is in count.h.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "count.h"
#include "count_private.h"

enum { RULES = 32, ANY = -1, NO_FUNCTION = -2 };

typedef struct rule {
    int function;
    unsigned long nth, times, seen, delay_ms;
    bool fails, after;
    CK_RV rv;
} rule;

static struct {
    pthread_mutex_t lock;
    rule rules[RULES];
    size_t count;
} plan = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int function_index(const char *name)
{
    if (strcmp(name, "*") == 0)
        return ANY;
    for (unsigned i = 0; i < count_functions(); i++)
        if (strcmp(name, count_name(i)) == 0)
            return (int)i;
    return NO_FUNCTION;
}

static bool read_number(const char *text, unsigned long *out)
{
    char *end;

    *out = strtoul(text, &end, 0);
    return *text && !*end;
}

static bool read_word(const char *word, rule *r)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct {
        const char *name;
        unsigned long *value;
    } numbers[] = {{"nth", &r->nth}, {"times", &r->times}, {"delay", &r->delay_ms}, {"rv", &r->rv}};

    if (strcmp(word, "after") == 0)
        return r->after = true;
    if (!equals)
        return false;
    if (length == 4 && memcmp(word, "call", 4) == 0)
        return (r->function = function_index(equals + 1)) != NO_FUNCTION;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strlen(numbers[i].name) != length || memcmp(word, numbers[i].name, length) != 0)
            continue;
        if (numbers[i].value == &r->rv)
            r->fails = true;
        return read_number(equals + 1, numbers[i].value);
    }
    return false;
}

/* Reads one rule; an empty one leaves its function at NO_FUNCTION. */
static bool read_rule(char *text, rule *r)
{
    char *rest = NULL;

    *r = (rule){.function = NO_FUNCTION, .nth = 1, .times = 1};
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        if (!read_word(word, r))
            return false;
    return true;
}

int p11count_plan(const char *text)
{
    rule rules[RULES];
    size_t count = 0;
    char *copy = strdup(text ? text : ""), *rest = NULL;
    bool good = copy != NULL;

    for (char *line = good ? strtok_r(copy, ";\n", &rest) : NULL; line && good;
         line = strtok_r(NULL, ";\n", &rest)) {
        good = count < RULES && read_rule(line, &rules[count]);
        if (good && rules[count].function != NO_FUNCTION)
            count++;
    }
    free(copy);
    if (!good)
        return -1;
    (void)pthread_mutex_lock(&plan.lock);
    memcpy(plan.rules, rules, count * sizeof rules[0]);
    plan.count = count;
    (void)pthread_mutex_unlock(&plan.lock);
    return 0;
}

/* Counts the call for every rule it matches, and returns the first that hits it now. */
static rule rule_for(const count_call *call)
{
    rule found = {.function = NO_FUNCTION};

    (void)pthread_mutex_lock(&plan.lock);
    for (size_t i = 0; i < plan.count; i++) {
        rule *r = &plan.rules[i];

        if (r->function != ANY && r->function != (int)call->function)
            continue;
        r->seen++;
        if (found.function == NO_FUNCTION && r->seen >= r->nth &&
            (!r->times || r->seen < r->nth + r->times))
            found = *r;
    }
    (void)pthread_mutex_unlock(&plan.lock);
    return found;
}

bool count_plan_before(count_call *call, CK_RV *rv)
{
    rule r = rule_for(call);

    if (r.function == NO_FUNCTION)
        return false;
    if (r.delay_ms) {
        struct timespec time = {(time_t)(r.delay_ms / 1000), (long)(r.delay_ms % 1000) * 1000000};
        (void)nanosleep(&time, NULL);
    }
    call->replaced = r.fails && r.after;
    *rv = call->replacement = r.rv;
    return r.fails && !r.after;
}

CK_RV count_plan_after(const count_call *call, CK_RV rv)
{
    return call->replaced ? call->replacement : rv;
}
