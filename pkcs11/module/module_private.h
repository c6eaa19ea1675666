/* SPDX-License-Identifier: Apache-2.0
 *
 * Module layer: one loaded PKCS#11 library, its call gate, and what all contexts share that use it.
 * Cryptoki has one state for each library and process, so there is one call gate for each library
 * and process: calls hold it shared, a recovery holds it exclusively, and only that may call
 * C_Initialize or C_Finalize. The order of the locks: docs/ARCHITECTURE.md, "Locks".
 */
#ifndef PKCS11_MODULE_MODULE_PRIVATE_H
#define PKCS11_MODULE_MODULE_PRIVATE_H

#include <stdatomic.h>
#include "core/log.h"
#include "pkcs11/base/base_private.h"
#include "pkcs11/module/call_check.h"
#include "pkcs11/module/loader.h"
#include "pkcs11/token.h"

/* The health of a module or of one token. The lock of the gate guards it; the atomics may be read
 * without the lock. */
typedef struct tok_health {
    _Atomic bool down;            /* unavailable; the log has reported it */
    _Atomic uint64_t retry_at_us; /* the back-off ends then */
    unsigned backoff_ms;
    /* Earliest time of a re-initialization of the module for this token while other tokens of the
     * module are in use. */
    uint64_t reset_at_us;
    unsigned reset_s; /* seconds between two of these */
} tok_health;

/* Log lines of code that holds the gate. A slow log must not stop the module's callers, so these
 * lines wait here until a thread has left the gate (tok_notes_flush). */
enum { TOK_NOTES_MAX = 8, TOK_NOTE_BYTES = 640 };
typedef struct tok_note_line {
    core_level level;
    char text[TOK_NOTE_BYTES];
} tok_note_line;
typedef struct tok_notes {
    core_mutex lock; /* guards `lines` and `lost` */
    _Atomic unsigned count;
    unsigned lost CORE_GUARDED; /* number of lines that did not fit */
    tok_note_line lines[TOK_NOTES_MAX] CORE_GUARDED;
} tok_notes;

typedef struct tok_gate {
    _Atomic uint32_t pid;      /* of the process the state below belongs to */
    _Atomic uint32_t fork_pid; /* of the child that is resetting that state */

    core_mutex lock; /* guards all up to `contexts` */
    core_cond moved;
    unsigned inside CORE_GUARDED; /* operations in the module */
    bool closed CORE_GUARDED;     /* a recovery is under way */
    bool initialised;             /* the module is */
    bool own;                     /* this library initialised it, so it may finalise it */
    bool never;                   /* one of the configurations says finalize = never */
    bool cannot_lock;             /* C_Initialize returned CKR_CANT_LOCK: no concurrent calls */
    bool serialize;               /* one operation in the module at a time; see `serial` */
    tok_health health;            /* of the module */
    core_err cause;               /* why the module is not initialised; empty text: not known */
    tok_health absent;            /* of members of groups that were never found */
    uint64_t next_probe_us;       /* earliest time of the next re-initialisation to find tokens */
    unsigned probe_pause_ms;
    uint64_t reset_after_us; /* earliest time of a reset while other tokens are in use */
    uint64_t alone_at_us;    /* earliest time of the next attempt of tok_run_exclusive */
    unsigned alone_wait_ms;  /* how long that attempt waits for running calls */
    /* Contexts are added at the front at any time; one is taken out only while the gate is open and
     * no thread visits it. So a recovery may walk the list without the lock. */
    _Atomic(tok_context *) contexts;

    /* A call returned CKR_CRYPTOKI_NOT_INITIALIZED: another component finalised the module. */
    _Atomic bool uninitialised;
    tok_timed_lock serial; /* used if `serialize` is set */
    tok_notes notes;
} tok_gate;

/* A gate, open, of a module that is not initialised. NULL: no memory. Never freed. */
tok_gate *tok_gate_make(void);
/* Adds a context, whose `gate` is set, to the contexts of the gate. The caller holds
 * contexts_lock (context.c), also for tok_gate_detach and tok_gate_finalize_unused. */
void tok_gate_attach(tok_context *ctx);
/* Removes the context. Waits at most session_wait_ms for a running recovery. False: a recovery that
 * another context started is still running and may read this context, which must not be freed. */
CORE_MUST_USE bool tok_gate_detach(tok_context *ctx);
/* Calls C_Finalize if no context is left and this library may finalise the module. */
void tok_gate_finalize_unused(tok_gate *gate, const tok_context *last);
/* True if this library may finalise the module, to recover it or to search for a token. The caller
 * holds the gate's lock or has closed the gate. */
bool tok_gate_may_finalize(const tok_gate *gate);
/* Logs after the gate is left. tok_notes_flush is called without any lock. */
void tok_note(tok_gate *gate, core_level level, const char *format, ...) CORE_PRINTF(3, 4);
void tok_note_status(tok_gate *gate, core_level level, const char *where, core_status st,
                     const core_err *err);
void tok_notes_flush(tok_gate *gate) CORE_EXCLUDES(gate->lock);

struct tok_context {
    tok_context *next; /* of the process, see context.c */
    unsigned refs;
    char *path; /* of the configuration */
    core_config *config;
    tok_library library;
    bool mask_sigpipe;
    tok_gate *gate;                   /* of the library, shared */
    _Atomic(tok_context *) gate_next; /* of the contexts that share it */
    unsigned visits CORE_GUARDED;     /* by tok_gate_visit; guarded by the gate's lock, as below */
    tok_token *tokens;
    tok_token *groups;
};

void tok_gate_init_locks(tok_gate *gate);

#endif
