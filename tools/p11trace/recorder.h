/* SPDX-License-Identifier: Apache-2.0
 *
 * The recorder of p11trace: one line of JSON a call, in the file that P11TRACE_FILE names, else in
 * log/p11trace-PID.jsonl in the folder of the default configuration. A line holds sizes, flags, the
 * result and the time, and describes the thread. It never holds bytes of a key, a plaintext, an IV,
 * IDENTITY or SECRET, nor the size of one of the two last.
 *
 * A call is recorded so: trace_begin, the arguments, trace_start, the call itself, trace_stop, the
 * outputs, trace_end. A recorder that cannot write never changes a call's result: it logs a warning
 * once and records nothing.
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

/* Each adds one member to the line. */
void trace_number(trace_call *call, const char *key, uint64_t value);
void trace_flag(trace_call *call, const char *key, bool value);
/* Number of the session's table entry, which tells sessions apart; null where `session` is NULL. */
void trace_session(trace_call *call, const char *key, const SqlCpSession *session);
/* {"cb":N,"null":true|false} of a buffer; null where the structure itself is missing. */
void trace_data(trace_call *call, const char *key, const SqlCpData *data);
void trace_text(trace_call *call, const char *key, const SqlCpStr *text);
/* {"count":N,"list":[{"type":N,"cb":N,"null":B}, ...]}, of the first eight. */
void trace_params(trace_call *call, const SqlCpEncryptionParam *params, SqlCpUlong count);

/* Lets the next line try to open the file again. */
void trace_reopen(void);
void trace_close(void);

#endif
