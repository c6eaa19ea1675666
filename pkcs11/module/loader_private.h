/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/loader*.c: what loading a module asks of the platform. loader_posix.c and
 * loader_windows.c implement it.
 */
#ifndef PKCS11_LOADER_PRIVATE_H
#define PKCS11_LOADER_PRIVATE_H

#include "pkcs11/module/loader.h"

/* A library that loads modules for all components of the process, and counts the initialisations of
 * each (p11-kit). */
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

/* Resolves the path `given` and checks that its file may be loaded. ST_UNSAFE_FILE, ST_MODULE_LOAD.
 */
CORE_MUST_USE core_status tok_module_path(const char *given, char **path, core_err *err);
CORE_MUST_USE core_status tok_module_open(const char *path, tok_module *out, core_err *err);
/* Logs a warning if the function is in another file than the module. That is legal for a vendor's
 * shim; otherwise the symbol was taken from another library, or the module was manipulated. */
void tok_module_home(const char *path, const tok_module *module, CK_C_Initialize function);
/* The SHA-256 of a file as text, empty where it cannot be read. */
void tok_module_digest(const char *path, char hex[65]);
/* True if another copy of this library is loaded in the process, which may use the module that this
 * one has initialised. Always false on other systems than Windows: there p11-kit counts the users,
 * and finalize = never serves for modules that are loaded without p11-kit. */
bool tok_module_shared(void);

/* --- loader_known.c --- */
/* Sets what is known of the module by its file's name: whether it uses no connection, needs its
 * calls one at a time, and counts wrong PINs past a good login. */
void tok_module_known(const char *path, tok_library *out);

/* --- loader_table.c --- */
/* Checks that the module's function list has all required functions. ST_MODULE_LOAD. */
CORE_MUST_USE core_status tok_table_check(const char *path, const CK_FUNCTION_LIST *list,
                                          core_err *err);
/* If the module's `own` list lacks an optional function, replaces *list by a copy that has a stub
 * for it. The copy is never freed. */
CORE_MUST_USE core_status tok_table_complete(const char *path, const CK_FUNCTION_LIST *own,
                                             CK_FUNCTION_LIST **list, core_err *err);

#endif
