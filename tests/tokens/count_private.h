/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the fault proxy: the data of one call, and the parts that process it. Each wrapper
 * (count_module.c) fills a count_call, passes it to count_before and to the plan, calls the module,
 * and passes the result to count_after.
 */
#ifndef TESTS_COUNT_PRIVATE_H
#define TESTS_COUNT_PRIVATE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

typedef enum count_verb {
    V_PLAIN,   /* needs an initialised module, and the session if it names one */
    V_ANYTIME, /* may come before C_Initialize */
    V_INITIALIZE,
    V_FINALIZE,
    V_OPEN,
    V_LOGOUT,
    V_CLOSE,
    V_CLOSE_ALL,
    V_START, /* begins an operation */
    V_ONCE,  /* a whole operation: ends it, unless only the size was asked for */
    V_PART,  /* continues it; an error ends it */
    V_END    /* ends it, like V_ONCE */
} count_verb;

typedef enum count_op {
    OP_NONE,
    OP_FIND,
    OP_ENCRYPT,
    OP_DECRYPT,
    OP_DIGEST,
    OP_SIGN,
    OP_SIGN_RECOVER,
    OP_VERIFY,
    OP_VERIFY_RECOVER
} count_op;

typedef struct count_call {
    unsigned function; /* index in the list */
    count_verb verb;
    count_op op;
    bool in_session;
    CK_SESSION_HANDLE session;     /* the handle that the caller uses */
    CK_SESSION_HANDLE *session_in; /* the parameter that is passed to the module next */
    const CK_MECHANISM *mechanism;
    CK_OBJECT_HANDLE object;
    const CK_SLOT_ID *slot;
    bool asks_type;
    CK_MECHANISM_TYPE type; /* the mechanism asked about */
    unsigned long shift;    /* difference between slot numbers outside and inside */
    CK_TOKEN_INFO *token_info;
    CK_SLOT_ID *slots;
    CK_ULONG *slot_count;
    CK_MECHANISM_TYPE *types;
    CK_ULONG *type_count;
    CK_ULONG *length; /* of the output */
    bool sized;       /* has an output that may be NULL to ask for its size */
    const void *out;
    CK_SESSION_HANDLE *opened;
    bool read_only; /* opens a read-only session */
    /* Objects made or found, and the template(s) that give their class. */
    CK_ATTRIBUTE *asked; /* attributes to read */
    CK_ULONG asked_count;
    CK_OBJECT_HANDLE *made, *made_private;
    CK_ULONG *made_count;
    const CK_ATTRIBUTE *template;
    CK_ULONG template_count;
    /* Set by the plan for after the call. */
    bool replaced;
    CK_RV replacement;
    struct effects {
        bool close, logout, twice, consume, swap;
        unsigned long length, less, max_sessions; /* 0: unchanged */
        unsigned long hide;                       /* an attribute; 0: none */
    } effects;
} count_call;

const CK_FUNCTION_LIST *count_real(void);
unsigned count_functions(void);
const char *count_name(unsigned function);

/* count_rules.c: before the call of the module, and after it with its result. */
void count_before(count_call *call);
void count_after(count_call *call, CK_RV rv);

/* count_plan.c: true if the module must not be called; *rv is then the result. */
bool count_plan_before(count_call *call, CK_RV *rv);
/* The result to return instead of the module's. */
CK_RV count_plan_after(const count_call *call, CK_RV rv);

/* count_effect.c: the other effects of a rule, before the call and on its results. */
typedef struct effects effects;
void count_effect_before(const effects *e, const count_call *call);
void count_effect_after(const effects *e, const count_call *call);
/* True if a requested attribute is hidden; it is then removed from the result. */
bool count_effect_hides(const effects *e, const count_call *call);
/* Subtracts the difference between slot numbers outside and inside. */
void count_slots_in(const count_call *call, unsigned long shift);
void count_slots_out(const count_call *call, unsigned long shift);

/* count_handles.c: translates session handles while closed handles are reused. */
void count_handles_reuse(bool on);
void count_handles_in(const count_call *call);
void count_handles_out(const count_call *call, CK_RV rv);

/* count_swap.c: selects which of two tokens is in the slot. */
void count_swap_set(bool other);
CK_SLOT_ID count_swap_in(CK_SLOT_ID slot);
/* True if there is a token to hide; *rv is then the result of C_GetSlotList. */
bool count_swap_list(const count_call *call, CK_RV *rv);

#endif
