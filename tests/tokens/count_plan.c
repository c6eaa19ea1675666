/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of the fault proxy: which calls fail or are delayed. count.h has the grammar.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "count.h"
#include "count_private.h"

enum { RULES = 32, ANY = -1, NO_FUNCTION = -2 };

/* Settings for all calls. */
typedef struct whole {
    unsigned long shift; /* added to slot numbers */
    bool reuse;          /* of session handles */
} whole;

typedef struct rule {
    int function;
    unsigned long nth, times, seen, delay_ms, within_ms;
    bool fails, after, of_mechanism, read_only, hangs, absent;
    CK_MECHANISM_TYPE mechanism;
    CK_ATTRIBUTE_TYPE without; /* 0, which is CKA_CLASS: any */
    unsigned long object;      /* 0: any */
    unsigned long hash;        /* of OAEP; 0: any */
    CK_RV rv;
    effects effects;
} rule;

static struct {
    pthread_mutex_t lock;
    rule rules[RULES];
    size_t count;
    whole whole;
    unsigned long number; /* of the plan that contains the rule */
    struct timespec set;
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

static bool read_word(const char *word, rule *r, whole *w)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct {
        const char *name;
        unsigned long *value;
    } numbers[] = {{"nth", &r->nth},
                   {"times", &r->times},
                   {"delay", &r->delay_ms},
                   {"within", &r->within_ms},
                   {"mechanism", &r->mechanism},
                   {"without", &r->without},
                   {"object", &r->object},
                   {"hash", &r->hash},
                   {"hide", &r->effects.hide},
                   {"length", &r->effects.length},
                   {"short", &r->effects.less},
                   {"max-sessions", &r->effects.max_sessions},
                   {"slots", &w->shift},
                   {"rv", &r->rv}};
    const struct {
        const char *name;
        bool *value;
    } flags[] = {{"after", &r->after},         {"read-only", &r->read_only},
                 {"close", &r->effects.close}, {"logout", &r->effects.logout},
                 {"twice", &r->effects.twice}, {"consume", &r->effects.consume},
                 {"swap", &r->effects.swap},   {"hang", &r->hangs},
                 {"absent", &r->absent},       {"reuse", &w->reuse}};

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(word, flags[i].name) == 0)
            return *flags[i].value = true;
    if (!equals)
        return false;
    if (length == 4 && memcmp(word, "call", 4) == 0)
        return (r->function = function_index(equals + 1)) != NO_FUNCTION;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strlen(numbers[i].name) != length || memcmp(word, numbers[i].name, length) != 0)
            continue;
        if (numbers[i].value == &r->rv)
            r->fails = true;
        if (numbers[i].value == &r->mechanism)
            r->of_mechanism = true;
        return read_number(equals + 1, numbers[i].value);
    }
    return false;
}

/* Reads one rule; for an empty one the function stays NO_FUNCTION. */
static bool read_rule(char *text, rule *r, whole *w)
{
    char *rest = NULL;

    *r = (rule){.function = NO_FUNCTION, .nth = 1, .times = 1};
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        if (!read_word(word, r, w))
            return false;
    if (r->absent) {
        r->fails = true;
        r->rv = CKR_MECHANISM_INVALID;
    }
    return true;
}

int p11count_plan(const char *text)
{
    rule rules[RULES];
    size_t count = 0;
    whole w = {0, false};
    char *copy = strdup(text ? text : ""), *rest = NULL;
    bool good = copy != NULL;

    for (char *line = good ? strtok_r(copy, ";\n", &rest) : NULL; line && good;
         line = strtok_r(NULL, ";\n", &rest)) {
        good = count < RULES && read_rule(line, &rules[count], &w);
        if (good && rules[count].function != NO_FUNCTION)
            count++;
    }
    free(copy);
    if (!good)
        return -1;
    (void)pthread_mutex_lock(&plan.lock);
    memcpy(plan.rules, rules, count * sizeof rules[0]);
    plan.count = count;
    plan.whole = w;
    plan.number++;
    count_handles_reuse(w.reuse);
    (void)clock_gettime(CLOCK_MONOTONIC, &plan.set);
    (void)pthread_mutex_unlock(&plan.lock);
    return 0;
}

static bool in_time(const rule *r)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (now.tv_sec - plan.set.tv_sec) * 1000 + (now.tv_nsec - plan.set.tv_nsec) / 1000000;
    return !r->within_ms || ms < (long)r->within_ms;
}

static bool has(const count_call *call, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < call->template_count; i++)
        if (call->template[i].type == type)
            return true;
    return false;
}

static bool has_hash(const count_call *call, unsigned long hash)
{
    const CK_RSA_PKCS_OAEP_PARAMS *oaep;

    if (!call->mechanism || call->mechanism->mechanism != CKM_RSA_PKCS_OAEP ||
        call->mechanism->ulParameterLen != sizeof *oaep)
        return false;
    oaep = call->mechanism->pParameter;
    return oaep->hashAlg == hash;
}

static bool matches(const rule *r, const count_call *call)
{
    CK_MECHANISM_TYPE type = call->mechanism ? call->mechanism->mechanism : call->type;

    if ((r->object && call->object != r->object) || (r->hash && !has_hash(call, r->hash)))
        return false;
    return (r->function == ANY || r->function == (int)call->function) &&
           (!r->read_only || call->read_only) && (!r->without || !has(call, r->without)) &&
           (!r->of_mechanism || ((call->mechanism || call->asks_type) && type == r->mechanism)) &&
           in_time(r);
}

/* Counts the call for every rule that it matches and returns the first rule that applies. */
static rule rule_for(const count_call *call)
{
    rule found = {.function = NO_FUNCTION};

    (void)pthread_mutex_lock(&plan.lock);
    for (size_t i = 0; i < plan.count; i++) {
        rule *r = &plan.rules[i];

        if (!matches(r, call))
            continue;
        r->seen++;
        if (found.function == NO_FUNCTION && r->seen >= r->nth &&
            (!r->times || r->seen < r->nth + r->times))
            found = *r;
    }
    (void)pthread_mutex_unlock(&plan.lock);
    return found;
}

/* Blocks until another plan is set. */
static void hang(void)
{
    const struct timespec moment = {0, 5000000};
    unsigned long number, now;

    (void)pthread_mutex_lock(&plan.lock);
    number = now = plan.number;
    (void)pthread_mutex_unlock(&plan.lock);
    while (now == number) {
        (void)nanosleep(&moment, NULL);
        (void)pthread_mutex_lock(&plan.lock);
        now = plan.number;
        (void)pthread_mutex_unlock(&plan.lock);
    }
}

/* Removes the absent mechanisms from a list. */
static void hide_mechanisms(const count_call *call)
{
    CK_ULONG kept = 0;

    (void)pthread_mutex_lock(&plan.lock);
    for (CK_ULONG i = 0; i < *call->type_count; i++) {
        bool hidden = false;

        for (size_t k = 0; k < plan.count; k++)
            hidden = hidden || (plan.rules[k].absent && plan.rules[k].mechanism == call->types[i]);
        if (!hidden)
            call->types[kept++] = call->types[i];
    }
    (void)pthread_mutex_unlock(&plan.lock);
    *call->type_count = kept;
}

bool count_plan_before(count_call *call, CK_RV *rv)
{
    rule r = rule_for(call);

    (void)pthread_mutex_lock(&plan.lock);
    call->shift = plan.whole.shift;
    (void)pthread_mutex_unlock(&plan.lock);
    if (call->verb != V_ANYTIME && call->verb != V_INITIALIZE)
        count_swap_set(r.function != NO_FUNCTION && r.effects.swap);
    count_slots_in(call, call->shift);
    count_handles_in(call);
    if (r.function == NO_FUNCTION)
        return count_swap_list(call, rv);
    if (r.hangs)
        hang();
    if (r.delay_ms) {
        struct timespec time = {(time_t)(r.delay_ms / 1000), (long)(r.delay_ms % 1000) * 1000000};
        (void)nanosleep(&time, NULL);
    }
    count_effect_before(&r.effects, call);
    call->effects = r.effects;
    call->replaced = r.fails && r.after;
    *rv = call->replacement = r.rv;
    return (r.fails && !r.after) || count_swap_list(call, rv);
}

CK_RV count_plan_after(const count_call *call, CK_RV rv)
{
    count_handles_out(call, rv);
    if (rv == CKR_OK) {
        if (call->types)
            hide_mechanisms(call);
        count_slots_out(call, call->shift);
        count_effect_after(&call->effects, call);
        if (count_effect_hides(&call->effects, call))
            return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    return call->replaced ? call->replacement : rv;
}
