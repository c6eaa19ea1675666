/* SPDX-License-Identifier: Apache-2.0
 *
 * The function list of the fault proxy: one wrapper for each function, made from the list, and the
 * loading of the real module. See count.h.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include "count.h"
#include "count_list.h"
#include "count_private.h"

static const CK_FUNCTION_LIST *real;

#define UNPACK(...)                           __VA_ARGS__
#define AS_INDEX(name, verb, op, notes, p, a) I_##name,
#define AS_NAME(name, verb, op, notes, p, a)  #name,
enum { COUNT_LIST(AS_INDEX) FUNCTIONS };
static const char *const names[] = {COUNT_LIST(AS_NAME)};

const CK_FUNCTION_LIST *count_real(void)
{
    return real;
}

unsigned count_functions(void)
{
    return FUNCTIONS;
}

const char *count_name(unsigned function)
{
    return names[function];
}

#define AS_WRAPPER(name, v, o, notes, parameters, arguments)                            \
    static CK_RV count_##name parameters                                                \
    {                                                                                   \
        count_call call = {.function = I_##name, .verb = (v), .op = (o), UNPACK notes}; \
        CK_RV rv;                                                                       \
                                                                                        \
        count_before(&call);                                                            \
        if (!count_plan_before(&call, &rv))                                             \
            rv = count_plan_after(&call, real->name arguments);                         \
        count_after(&call, rv);                                                         \
        return rv;                                                                      \
    }
COUNT_LIST(AS_WRAPPER)

P11COUNT_EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

#define AS_MEMBER(name, verb, op, notes, p, a) .name = count_##name,
static CK_FUNCTION_LIST functions = {
    .version = {2, 40}, .C_GetFunctionList = C_GetFunctionList, COUNT_LIST(AS_MEMBER)};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    const char *path = getenv("P11COUNT_MODULE");
    const char *plan = getenv("P11COUNT_PLAN");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;
    CK_FUNCTION_LIST *list = NULL;

    if (library)
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
    if (get_list && get_list(&list) == CKR_OK)
        real = list;
    if (plan && p11count_plan(plan) != 0)
        real = NULL; /* no module is better than one without its plan */
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    (void)pthread_once(&once, load);
    if (!list)
        return CKR_ARGUMENTS_BAD;
    *list = real ? &functions : NULL;
    return real ? CKR_OK : CKR_GENERAL_ERROR;
}
