/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module for tests of the call gate and of the loader: it passes every call to the module
 * that P11GATE_MODULE names, counts the calls that matter to the gate, and fails or stops calls as
 * its controls ("knobs") say. Tests find the controls with dlsym(handle, "p11gate"). A copy of the
 * module's file is another module with its own controls.
 *
 * P11GATE_NULL is read when the function list is requested: "list" returns no list; otherwise it
 * names functions, separated by commas, whose entries are NULL. P11GATE_PRINTS sets `prints`.
 */
#ifndef TESTS_GATE_MODULE_H
#define TESTS_GATE_MODULE_H

#include <p11-kit/pkcs11.h>
#include <stdatomic.h>

typedef struct gate_knobs {
    _Atomic CK_SLOT_ID gone_slot; /* the token in this slot is away; 0: none */
    atomic_bool all_gone;
    atomic_bool hold;         /* calls of C_DecryptInit stop until this is false */
    atomic_bool no_locks;     /* C_Initialize with CKF_OS_LOCKING_OK: CKR_CANT_LOCK */
    atomic_bool prints;       /* C_Initialize writes to standard output */
    _Atomic CK_RV initialize; /* the result of C_Initialize; CKR_OK: call the real module */
    /* The next `mechanism_times` calls of C_GetMechanismInfo for `mechanism` return
     * `mechanism_info`. */
    _Atomic CK_MECHANISM_TYPE mechanism;
    _Atomic CK_RV mechanism_info;
    atomic_int mechanism_times;
    atomic_bool no_list;     /* the list of mechanisms is empty */
    atomic_bool hides_token; /* CKA_TOKEN is not returned */
    atomic_int destroys;     /* the nth C_DestroyObject fails; 0: none */
    /* counts, set by the module */
    atomic_int held, inside, initialised, finalised, finalised_under_call, opened, closed, logins;
} gate_knobs;

#endif
