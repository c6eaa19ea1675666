/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the counting module: what is known of one call, and who looks at it. Each wrapper
 * (count_module.c) fills a count_call, asks the proxy, asks the plan, calls the module, and hands
 * the result to the proxy.
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
    V_ONCE,  /* does all of it: it ends, unless it only asked for the size */
    V_PART,  /* continues it; an error ends it */
    V_END    /* ends it, as V_ONCE does */
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
    CK_SESSION_HANDLE session;     /* as the caller knows it */
    CK_SESSION_HANDLE *session_in; /* the parameter, which goes to the module next */
    const CK_MECHANISM *mechanism;
    CK_OBJECT_HANDLE object;
    const CK_SLOT_ID *slot;
    bool asks_type;
    CK_MECHANISM_TYPE type; /* asked about */
    unsigned long shift;    /* of slot numbers, outside against inside */
    CK_TOKEN_INFO *token_info;
    CK_SLOT_ID *slots;
    CK_ULONG *slot_count;
    CK_MECHANISM_TYPE *types;
    CK_ULONG *type_count;
    CK_ULONG *length; /* of the output */
    bool sized;       /* has an output that may be NULL to ask for its size */
    const void *out;
    CK_SESSION_HANDLE *opened;
    bool read_only; /* is what it opens */
    /* Objects made or found, and the template(s) that tell their class. */
    CK_ATTRIBUTE *asked; /* attributes that are read */
    CK_ULONG asked_count;
    CK_OBJECT_HANDLE *made, *made_private;
    CK_ULONG *made_count;
    const CK_ATTRIBUTE *template;
    CK_ULONG template_count;
    /* What the plan has decided for after the module was called. */
    bool replaced;
    CK_RV replacement;
    struct effects {
        bool close, logout, twice, consume, swap;
        unsigned long length, less, max_sessions; /* 0: as they are */
        unsigned long hide;                       /* an attribute; 0: none */
    } effects;
} count_call;

const CK_FUNCTION_LIST *count_real(void);
unsigned count_functions(void);
const char *count_name(unsigned function);

/* count_rules.c: before the module is called, and after with its result. */
void count_before(count_call *call);
void count_after(count_call *call, CK_RV rv);

/* count_plan.c: true when the call is not to reach the module; *rv is the answer then. */
bool count_plan_before(count_call *call, CK_RV *rv);
/* The result to hand on for the module's. */
CK_RV count_plan_after(const count_call *call, CK_RV rv);

/* count_effect.c: what a rule does besides failing, before the call and to its results. */
typedef struct effects effects;
void count_effect_before(const effects *e, const count_call *call);
void count_effect_after(const effects *e, const count_call *call);
/* Whether an attribute that was asked for is hidden; it is taken out of the answer then. */
bool count_effect_hides(const effects *e, const count_call *call);
/* Slots have other numbers outside than inside: by how much. */
void count_slots_in(const count_call *call, unsigned long shift);
void count_slots_out(const count_call *call, unsigned long shift);

/* count_handles.c: sessions bear other handles outside than inside where handles are used again. */
void count_handles_reuse(bool on);
void count_handles_in(const count_call *call);
void count_handles_out(const count_call *call, CK_RV rv);

/* count_swap.c: which of two tokens is in the slot. */
void count_swap_set(bool other);
CK_SLOT_ID count_swap_in(CK_SLOT_ID slot);
/* Whether there is a token to hide; then *rv is the answer to C_GetSlotList. */
bool count_swap_list(const count_call *call, CK_RV *rv);

#endif
