/* SPDX-License-Identifier: Apache-2.0
 *
 * The recorder of p11trace: one line of JSON for each call, in the file P11TRACE_FILE, or else in
 * log/p11trace-PID.jsonl in the folder of the default configuration. A line has sizes, flags, the
 * result, the time, and a description of the thread. It never contains bytes of a key, a
 * plaintext, an IV, IDENTITY or SECRET, nor the size of IDENTITY or SECRET.
 *
 * To record a call: trace_begin, the arguments, trace_start, the call, trace_stop, the outputs,
 * trace_end. If the recorder cannot write, the result of the call does not change: it logs one
 * warning and records nothing.
 */
#ifndef P11TRACE_RECORDER_H
#define P11TRACE_RECORDER_H

#include "core/text.h"
#include "ekm/sqlcp.h"

typedef struct trace_call {
    core_str line;
    uint64_t started; /* microseconds, core_now_us() */
    SqlCpError result;
} trace_call;

void trace_begin(trace_call *call, const char *function);
void trace_start(trace_call *call);
void trace_stop(trace_call *call, SqlCpError result);
/* Writes the line and returns the result of trace_stop. */
SqlCpError trace_end(trace_call *call);

/* Each of these adds one member to the line. */
void trace_number(trace_call *call, const char *key, uint64_t value);
void trace_flag(trace_call *call, const char *key, bool value);
/* The index of the entry of the session in its table, which identifies the session; null if
 * `session` is NULL. */
void trace_session(trace_call *call, const char *key, const SqlCpSession *session);
/* {"cb":N,"null":true|false} of a buffer; null if `data` is NULL. */
void trace_data(trace_call *call, const char *key, const SqlCpData *data);
void trace_text(trace_call *call, const char *key, const SqlCpStr *text);
/* {"count":N,"list":[{"type":N,"cb":N,"null":B}, ...]}, with at most eight entries in the list. */
void trace_params(trace_call *call, const SqlCpEncryptionParam *params, SqlCpUlong count);

/* Makes the next line try to open the file again. */
void trace_reopen(void);
void trace_close(void);

#endif
