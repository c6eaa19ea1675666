/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps of `p11accept drive` share. Each step returns true if the provider followed the
 * rules; otherwise `why` says what it did.
 */
#ifndef P11ACC_DRIVE_H
#define P11ACC_DRIVE_H

#include <stdarg.h>
#include <stdbool.h>
#include "ekm/sqlcp.h"
#include "tools/ekmsql/base/host.h"

enum { DRIVE_KEYS = 2, DRIVE_UNITS = 1024 };

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a parameter list cannot be put in parentheses. */
#define DRIVE_MEMBER(state, name, parameters) SqlCpError(*name) parameters;
typedef struct drive {
    host_lib *library;
    struct {
        SQLCP_EXPORTS(DRIVE_MEMBER)
    } call;
    const char *identity;
    char secret[256];
    uint64_t limit_us; /* of one call */
    bool is_stub;
    bool initialized;
    SqlCpSession session;
    SqlCpProviderInfo info;
    SqlCpAlgId algorithms[DRIVE_KEYS]; /* RSA_2048 and AES_256; 0: not offered */
    SqlCpByte thumbs[DRIVE_KEYS][scp_MaxThumbprint];
    char why[512];
} drive;
#undef DRIVE_MEMBER

/* drive_step.c */
__attribute__((format(printf, 2, 3))) bool drive_fail(drive *d, const char *format, ...);
bool drive_code(drive *d, const char *function, SqlCpError seen, SqlCpError wanted);
SqlCpStr drive_text(const char *ascii, SqlCpWchar *buffer, size_t units);

/* drive_provider.c */
bool drive_initialize(drive *d);
bool drive_info_size(drive *d);
bool drive_info_fill(drive *d);
bool drive_info_same(drive *d);
bool drive_algorithms(drive *d);
bool drive_wrong_pin(drive *d);
bool drive_open(drive *d);
bool drive_close(drive *d);

/* drive_keys.c */
bool drive_create(drive *d);
bool drive_find(drive *d);
bool drive_export(drive *d);
bool drive_round_trip(drive *d);
bool drive_drop(drive *d);

#endif
