/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the suites of the EKM provider: short forms of its functions for well-behaved calls,
 * with the two calls that the engine makes (size, then data). Suites call the exports directly to
 * misbehave.
 */
#ifndef EKM_FIXTURE_H
#define EKM_FIXTURE_H

#include <CUnit/CUnit.h>
#include "core/config.h"
#include "ekm/sqlcp.h"

enum { FX_THUMB = 16, FX_UNITS = 300 };

typedef struct fx_text {
    SqlCpWchar ws[FX_UNITS];
    SqlCpStr str;
} fx_text;
/* UTF-8 to a string of the interface; returns &text->str. */
const SqlCpStr *fx_str(fx_text *text, const char *utf8);

typedef struct fx_key {
    char name[800];
    uint8_t thumb[FX_THUMB];
    SqlCpAlgId alg;
    SqlCpKeyFlags flags;
} fx_key;

typedef enum fx_by { FX_BY_ID, FX_BY_THUMB, FX_BY_NAME } fx_by;

SqlCpAlgId fx_alg(core_algorithm algorithm);
SqlCpError fx_open(const char *identity, const char *pin, SqlCpSession *out);
SqlCpError fx_create(SqlCpSession s, const char *name, core_algorithm algorithm,
                     SqlCpKeyFlags flags, uint8_t thumb[FX_THUMB]);
SqlCpError fx_drop(SqlCpSession s, const uint8_t thumb[FX_THUMB]);
/* `what`: const SqlCpKeyId *, const uint8_t * or const char *, by `by`. */
SqlCpError fx_info(SqlCpSession s, fx_by by, const void *what, fx_key *out);
/* Two calls: the first must return a size, the second the data. iv may be NULL. */
SqlCpError fx_encrypt(SqlCpSession s, const uint8_t *thumb, const uint8_t *iv, SqlCpUlong iv_len,
                      const void *in, size_t in_len, uint8_t *out, size_t *out_len);
SqlCpError fx_decrypt(SqlCpSession s, const uint8_t *thumb, const uint8_t *iv, SqlCpUlong iv_len,
                      const void *in, size_t in_len, uint8_t *out, size_t *out_len);
/* fx_begin initialises a new provider over a new fake token and opens a session; fx_end undoes it
 * and checks that all was released and nothing misused. */
SqlCpSession fx_begin(const char *config);
void fx_end(void);

void add_argument_suite(void);
void add_session_suite(void);
void add_key_suite(void);
void add_data_suite(void);
void add_audit_suite(void);
void add_fault_suite(void);
void add_thread_suite(void);
void add_manual_suite(void);
void print_manual_table(void);

#endif
