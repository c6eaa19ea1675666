/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings that an application writes through the ODBC driver.
 */
#ifndef CMK_ODBC_PRIVATE_H
#define CMK_ODBC_PRIVATE_H

#include "core/memory.h"
#include "core/status.h"

enum { ODBC_SETTINGS_MAX = 8192 };
typedef enum odbc_setting { ODBC_CONFIG, ODBC_TOKEN, ODBC_PIN, ODBC_SETTING_COUNT } odbc_setting;

typedef struct odbc_settings {
    core_secret text;                      /* locked memory; the values point into it */
    const char *value[ODBC_SETTING_COUNT]; /* with NUL; NULL: not given */
    size_t length[ODBC_SETTING_COUNT];
} odbc_settings;

/* Parses lines of the form `name=value`, at most ODBC_SETTINGS_MAX bytes. ST_FORMAT names the line,
 * never its value. Call odbc_settings_wipe after success and failure. */
CORE_MUST_USE core_status odbc_settings_read(const void *data, size_t length, odbc_settings *out,
                                             core_err *err);
void odbc_settings_wipe(odbc_settings *settings);

#endif
