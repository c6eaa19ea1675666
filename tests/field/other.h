/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes keys of the memory token while the code under test runs, as another process could. Uses a
 * session of its own and calls the module directly, so that the fault proxy does not count its
 * calls.
 */
#ifndef FIELD_OTHER_H
#define FIELD_OTHER_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include "tests/tokens/memory/memory.h"

typedef struct other {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    void (*all_uses)(int on);
    void (*next_handle)(CK_OBJECT_HANDLE handle);
    void (*swap_handles)(CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b);
} other;

/* Writes a configuration for the token of the environment, alias "main", that logs to a file;
 * `more` are lines of its section. Returns its path; *log: the log's path. NULL: it cannot be
 * written. */
const char *field_config(const char *more, const char **log);

/* Opens the session. The code under test must have initialized the module and logged in: this
 * session shares the login, which belongs to the process. */
bool other_open(other *o);
void other_close(other *o);
/* The object of a class and name; 0: none. */
CK_OBJECT_HANDLE other_find(const other *o, CK_OBJECT_CLASS object_class, const char *label);
bool other_flag(const other *o, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool on);
bool other_text(const other *o, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const char *text);
/* The number of objects of any class. */
unsigned other_count(const other *o);

#endif
