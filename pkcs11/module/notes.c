/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines of code that holds the lock of the gate. They wait until a thread has left the gate, so
 * that a slow log does not stop the callers of the module.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "pkcs11/module/module_private.h"

void tok_note(tok_gate *gate, core_level level, const char *format, ...)
{
    tok_notes *notes = &gate->notes;
    tok_note_line line = {.level = level};
    va_list args;

    if (!core_log_enabled(level))
        return;
    va_start(args, format);
    (void)vsnprintf(line.text, sizeof line.text, format, args);
    va_end(args);
    core_mutex_lock(&notes->lock);
    const unsigned count = atomic_load(&notes->count);
    if (count < TOK_NOTES_MAX) {
        notes->lines[count] = line;
        atomic_store(&notes->count, count + 1);
    } else {
        notes->lost++;
    }
    core_mutex_unlock(&notes->lock);
}

void tok_note_status(tok_gate *gate, core_level level, const char *where, core_status st,
                     const core_err *err)
{
    tok_note(gate, level, "%s: %s: %s", where, core_status_name(st), core_err_text(err, st));
}

/* Takes the oldest line out; false: there is none. */
static bool take_note(tok_notes *notes, tok_note_line *line, unsigned *lost)
{
    if (atomic_load_explicit(&notes->count, memory_order_relaxed) == 0)
        return false;
    core_mutex_lock(&notes->lock);
    const unsigned count = atomic_load(&notes->count);
    if (count > 0) {
        *line = notes->lines[0];
        memmove(notes->lines, notes->lines + 1, (count - 1) * sizeof *notes->lines);
        atomic_store(&notes->count, count - 1);
        *lost = notes->lost;
        notes->lost = 0;
    }
    core_mutex_unlock(&notes->lock);
    return count > 0;
}

void tok_notes_flush(tok_gate *gate)
{
    tok_note_line line;
    unsigned lost = 0;

    while (take_note(&gate->notes, &line, &lost)) {
        core_log(line.level, "%s", line.text);
        if (lost > 0)
            core_log(CORE_LOG_WARNING, "%u lines after this one are missing", lost);
    }
}
