/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/loader*.c: what loading a module asks of the platform. loader_posix.c and
 * loader_windows.c implement it.
 */
#ifndef PKCS11_LOADER_PRIVATE_H
#define PKCS11_LOADER_PRIVATE_H

#include "pkcs11/module/loader.h"

/* Something that loads a module and counts its initialisations among all who use it. */
typedef struct tok_manager {
    const char *name;
    core_status (*load)(const char *path, CK_FUNCTION_LIST **out, core_err *err);
    CK_RV (*initialize)(CK_FUNCTION_LIST *f);
    CK_RV (*finalize)(CK_FUNCTION_LIST *f);
} tok_manager;
extern const tok_manager *const tok_p11kit; /* NULL where there is none */

typedef struct tok_module {
    void *handle;
    CK_C_GetFunctionList get; /* NULL: it has none */
} tok_module;

/* The file that `given` leads to, found fit to be loaded. ST_UNSAFE_FILE, ST_MODULE_LOAD. */
CORE_MUST_USE core_status tok_module_path(const char *given, char **path, core_err *err);
CORE_MUST_USE core_status tok_module_open(const char *path, tok_module *out, core_err *err);
/* Logs a warning when the function is none of the module's own: legal for a vendor's shim, but else
 * the sign of a symbol taken from another library, or of a module that was tampered with. */
void tok_module_home(const char *path, const tok_module *module, CK_C_Initialize function);
/* The SHA-256 of a file as text, empty where it cannot be read. */
void tok_module_digest(const char *path, char hex[65]);
/* Whether another copy of this library is loaded in the process, which may use the module that we
 * have initialised. Only Windows is asked: elsewhere p11-kit counts, and finalize = never is for
 * the rest. */
bool tok_module_shared(void);

/* --- loader_known.c --- */
/* Sets what is known of the module by its file's name: whether it uses no connection, needs its
 * calls one at a time, and counts wrong PINs past a good login. */
void tok_module_known(const char *path, tok_library *out);

/* --- loader_table.c --- */
/* Whether the module's function list has what cannot be done without. ST_MODULE_LOAD. */
CORE_MUST_USE core_status tok_table_check(const char *path, const CK_FUNCTION_LIST *list,
                                          core_err *err);
/* Puts a copy in place of *list where the module's `own` list lacks other functions that may be
 * called. It lives as long as the process. */
CORE_MUST_USE core_status tok_table_complete(const char *path, const CK_FUNCTION_LIST *own,
                                             CK_FUNCTION_LIST **list, core_err *err);

#endif
