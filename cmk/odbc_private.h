/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings an application writes through the ODBC driver.
 */
#ifndef CMK_ODBC_PRIVATE_H
#define CMK_ODBC_PRIVATE_H

#include "core/memory.h"
#include "core/status.h"

enum { ODBC_SETTINGS_MAX = 8192 };
typedef enum odbc_setting { ODBC_CONFIG, ODBC_TOKEN, ODBC_PIN, ODBC_SETTING_COUNT } odbc_setting;

typedef struct odbc_settings {
    core_secret text;                      /* the copy that the values point into */
    const char *value[ODBC_SETTING_COUNT]; /* with NUL; NULL where absent */
    size_t length[ODBC_SETTING_COUNT];
} odbc_settings;

/* Reads `name=value` lines. ST_FORMAT names the line, never its value. Wipe *out in any case. */
CORE_MUST_USE core_status odbc_settings_read(const void *data, size_t length, odbc_settings *out,
                                             core_err *err);
void odbc_settings_wipe(odbc_settings *settings);

#endif
