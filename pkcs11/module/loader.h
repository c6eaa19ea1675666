/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: loading the one module the administrator named. A module stays mapped for
 * the life of the process, because unloading vendors' modules crashes; loading it again gives the
 * same one.
 */
#ifndef PKCS11_LOADER_H
#define PKCS11_LOADER_H

#include <stdbool.h>
#include <p11-kit/pkcs11.h>
#include "core/config.h"
#include "core/status.h"

typedef struct tok_library {
    CK_FUNCTION_LIST *f;      /* NULL: not loaded */
    CK_FUNCTION_LIST *direct; /* the module's own list, if `f` is that of p11-kit */
    struct tok_gate *gate;    /* shared by all contexts that use this library */
    bool managed;    /* by p11-kit: initialisation is counted among all its users in the process */
    bool local;      /* known to use no connection, so it raises no SIGPIPE */
    bool alone;      /* known not to be safe with threads, although it says so */
    bool counting;   /* known not to reset its count of wrong PINs at a login */
    char sha256[65]; /* of the file, for the log */
} tok_library;

/* Checks the file (CORE_FILE_MODULE) and loads it. ST_UNSAFE_FILE, ST_MODULE_LOAD. */
CORE_MUST_USE core_status tok_library_load(const core_config *config, tok_library *out,
                                           core_err *err);
/* From now on the library is called directly, not through the manager. Before C_Initialize only. */
void tok_library_unmanage(tok_library *library);
/* C_Initialize with OS locking and the configured arguments. *own: whether we may finalise it. A
 * module that somebody else has initialised is CKR_OK with *own false. *serialize is set where the
 * module cannot lock for itself. */
CK_RV tok_library_initialize(const tok_library *library, const core_config *config, bool *own,
                             bool *serialize);
/* C_Finalize; only where *own was true. */
CK_RV tok_library_finalize(const tok_library *library, const core_config *config);

#endif
