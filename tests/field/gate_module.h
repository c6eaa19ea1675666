/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module for tests of the call gate and of the loader: it passes every call to the module
 * that P11GATE_MODULE names, counts what matters to the gate, and fails or stops as its knobs say.
 * Tests reach the knobs by dlsym("p11gate") of a handle of the module's path; each copy of the file
 * has knobs of its own.
 *
 * P11GATE_NULL is read when the function list is asked for: "list" gives no list; else it names the
 * functions, separated by commas, whose entries are NULL. P11GATE_PRINTS is as the knob `prints`.
 */
#ifndef TESTS_GATE_MODULE_H
#define TESTS_GATE_MODULE_H

#include <p11-kit/pkcs11.h>
#include <stdatomic.h>

typedef struct gate_knobs {
    _Atomic CK_SLOT_ID gone_slot; /* the token there is away; 0: none is */
    atomic_bool all_gone;
    atomic_bool hold;         /* calls of C_DecryptInit stop until this is false */
    atomic_bool no_locks;     /* C_Initialize with CKF_OS_LOCKING_OK: CKR_CANT_LOCK */
    atomic_bool prints;       /* C_Initialize writes to standard output */
    _Atomic CK_RV initialize; /* its answer, CKR_OK: the module's */
    _Atomic CK_MECHANISM_TYPE mechanism;
    _Atomic CK_RV mechanism_info; /* the answer to a question about that; CKR_OK: the module's */
    atomic_int mechanism_times;   /* so often */
    atomic_bool no_list;          /* the list of mechanisms is empty */
    atomic_bool hides_token;      /* CKA_TOKEN is not told */
    atomic_int destroys;          /* the so manieth C_DestroyObject fails; 0: none */
    /* out */
    atomic_int held, inside, initialised, finalised, finalised_under_call, opened, closed, logins;
} gate_knobs;

#endif
