/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/loader*.c: what loading a module asks of the platform. loader_posix.c and
 * loader_windows.c implement it.
 */
#ifndef PKCS11_LOADER_PRIVATE_H
#define PKCS11_LOADER_PRIVATE_H

#include "pkcs11/loader.h"

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

#endif
