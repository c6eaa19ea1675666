/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the fault proxy: counts, the log ring, and what Cryptoki allows the caller to do
 * now. One lock guards all of it and is never held while the module is called.
 */
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "count.h"
#include "count_private.h"

enum { SESSIONS = 4096, OBJECTS = 16384, LINES = 4096, FUNCTIONS_MAX = 80 };

typedef struct session {
    CK_SESSION_HANDLE handle;
    CK_SLOT_ID slot;
    bool open, busy;
    count_op op;
    unsigned op_thread; /* thread that began it */
    CK_OBJECT_CLASS find_class;
} session;

static struct {
    pthread_mutex_t lock;
    pid_t pid; /* a forked child starts with an empty state */
    bool initialised;
    unsigned inside;
    session sessions[SESSIONS];
    struct {
        CK_OBJECT_HANDLE handle;
        CK_OBJECT_CLASS class;
    } objects[OBJECTS]; /* by handle modulo OBJECTS; a newer one replaces an older one */
    unsigned long calls[FUNCTIONS_MAX];
    unsigned long violations;
    char lines[LINES][160];
    unsigned long line_count;
    char *log;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned thread_number(void)
{
    static _Thread_local unsigned mine;
    static unsigned last;

    if (!mine)
        mine = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return mine;
}

__attribute__((format(printf, 1, 2))) static void add_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(state.lines[state.line_count++ % LINES], sizeof state.lines[0], format, args);
    va_end(args);
}

static void violation(const count_call *call, const char *what)
{
    state.violations++;
    add_line("VIOLATION %s session=%lu thread=%u: %s", count_name(call->function), call->session,
             thread_number(), what);
}

static session *find_session(CK_SESSION_HANDLE handle)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (state.sessions[i].open && state.sessions[i].handle == handle)
            return &state.sessions[i];
    return NULL;
}

static void forget_sessions(const CK_SLOT_ID *slot)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (!slot || state.sessions[i].slot == *slot)
            state.sessions[i].open = false;
}

static void open_session(const count_call *call)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        if (state.sessions[i].open)
            continue;
        state.sessions[i] = (session){.handle = *call->opened, .slot = *call->slot, .open = true};
        return;
    }
    violation(call, "more sessions than the proxy can follow");
}

static CK_OBJECT_CLASS template_class(const count_call *call)
{
    CK_OBJECT_CLASS class = ULONG_MAX;

    for (CK_ULONG i = 0; call->template && i < call->template_count; i++)
        if (call->template[i].type == CKA_CLASS && call->template[i].ulValueLen == sizeof class)
            memcpy(&class, call->template[i].pValue, sizeof class);
    return class;
}

static void know_object(CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS class)
{
    if (class == ULONG_MAX)
        return;
    state.objects[handle % OBJECTS].handle = handle;
    state.objects[handle % OBJECTS].class = class;
}

static void learn_objects(const count_call *call, const session *s)
{
    CK_OBJECT_CLASS class = template_class(call);

    if (call->op == OP_FIND && s)
        class = s->find_class;
    if (call->made_private) {
        know_object(*call->made, CKO_PUBLIC_KEY);
        know_object(*call->made_private, CKO_PRIVATE_KEY);
    } else if (call->made_count) {
        for (CK_ULONG i = 0; i < *call->made_count; i++)
            know_object(call->made[i], class);
    } else if (call->made) {
        know_object(*call->made, class);
    }
}

/* A logout ends the operations of all sessions with the token. */
static bool others_at_work(const session *mine)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        const session *s = &state.sessions[i];
        if (s != mine && s->open && s->slot == mine->slot && (s->busy || s->op != OP_NONE))
            return true;
    }
    return false;
}

static void check_session(const count_call *call)
{
    session *s = find_session(call->session);

    if (!s) {
        violation(call, "the session is not open");
        return;
    }
    if (s->busy)
        violation(call, "another thread is in this session");
    s->busy = true;
    if (call->verb == V_LOGOUT && others_at_work(s))
        violation(call, "others are at work");
    if (call->verb == V_START && s->op != OP_NONE)
        violation(call, "an operation is active");
    if ((call->verb == V_ONCE || call->verb == V_PART || call->verb == V_END) && s->op != call->op)
        violation(call, "no such operation is active");
    else if (s->op != OP_NONE && call->verb != V_START && call->op == s->op &&
             s->op_thread != thread_number())
        violation(call, "the operation is another thread's");
}

void count_before(count_call *call)
{
    (void)pthread_mutex_lock(&state.lock);
    if (state.pid != getpid()) {
        state.pid = getpid();
        state.initialised = false;
        state.inside = 0;
        forget_sessions(NULL);
    }
    state.calls[call->function]++;
    if (!state.initialised && call->verb != V_INITIALIZE && call->verb != V_ANYTIME)
        violation(call, "the module is not initialised");
    if (call->verb == V_FINALIZE && state.inside)
        violation(call, "calls are under way in other threads");
    if (call->in_session)
        check_session(call);
    state.inside++;
    (void)pthread_mutex_unlock(&state.lock);
}

/* True if the result leaves the operation active: a size query, or a buffer that was too small. */
static bool asked_size(const count_call *call, CK_RV rv)
{
    return call->sized && (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && !call->out));
}

static void follow_operation(const count_call *call, session *s, CK_RV rv)
{
    if (call->verb == V_START && rv == CKR_OK) {
        s->op = call->op;
        s->op_thread = thread_number();
        s->find_class = template_class(call);
    } else if (call->verb == V_ONCE || call->verb == V_END) {
        if (!asked_size(call, rv))
            s->op = OP_NONE;
    } else if (call->verb == V_PART && rv != CKR_OK && !asked_size(call, rv)) {
        /* After a failed C_FindObjects the search still has to be ended. */
        if (call->op != OP_FIND)
            s->op = OP_NONE;
    }
}

static void follow(const count_call *call, CK_RV rv)
{
    session *s = call->in_session ? find_session(call->session) : NULL;

    if (s) {
        s->busy = false;
        follow_operation(call, s, rv);
        if (rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
            (call->verb == V_CLOSE && rv == CKR_OK))
            s->open = false;
    }
    if (rv != CKR_OK)
        return;
    if (call->verb == V_INITIALIZE)
        state.initialised = true;
    if (call->verb == V_FINALIZE)
        state.initialised = false;
    if (call->verb == V_FINALIZE || call->verb == V_CLOSE_ALL)
        forget_sessions(call->slot);
    if (call->opened)
        open_session(call);
    learn_objects(call, s);
}

static void log_call(const count_call *call, CK_RV rv)
{
    char session_text[32] = "", mechanism[32] = "", object[64] = "";

    if (call->opened && rv == CKR_OK)
        (void)snprintf(session_text, sizeof session_text, " session=%lu", *call->opened);
    else if (call->in_session)
        (void)snprintf(session_text, sizeof session_text, " session=%lu", call->session);
    if (call->mechanism)
        (void)snprintf(mechanism, sizeof mechanism, " mechanism=0x%lx", call->mechanism->mechanism);
    if (call->object && state.objects[call->object % OBJECTS].handle == call->object)
        (void)snprintf(object, sizeof object, " object=%lu class=%lu", call->object,
                       state.objects[call->object % OBJECTS].class);
    else if (call->object)
        (void)snprintf(object, sizeof object, " object=%lu", call->object);
    add_line("%s%s%s%s rv=0x%lx thread=%u", count_name(call->function), session_text, mechanism,
             object, rv, thread_number());
}

void count_after(count_call *call, CK_RV rv)
{
    (void)pthread_mutex_lock(&state.lock);
    if (state.inside)
        state.inside--;
    log_call(call, rv);
    follow(call, rv);
    (void)pthread_mutex_unlock(&state.lock);
}

unsigned long p11count_get(const char *name)
{
    unsigned long count = name ? ULONG_MAX : 0;

    (void)pthread_mutex_lock(&state.lock);
    for (unsigned i = 0; i < count_functions(); i++) {
        if (!name)
            count += state.calls[i];
        else if (strcmp(name, count_name(i)) == 0)
            count = state.calls[i];
    }
    (void)pthread_mutex_unlock(&state.lock);
    return count;
}

unsigned long p11count_violations(void)
{
    unsigned long count;

    (void)pthread_mutex_lock(&state.lock);
    count = state.violations;
    (void)pthread_mutex_unlock(&state.lock);
    return count;
}

void p11count_reset(void)
{
    (void)pthread_mutex_lock(&state.lock);
    memset(state.calls, 0, sizeof state.calls);
    state.violations = 0;
    state.line_count = 0;
    (void)pthread_mutex_unlock(&state.lock);
}

const char *p11count_log(void)
{
    unsigned long first;
    size_t length = 0;

    (void)pthread_mutex_lock(&state.lock);
    free(state.log);
    state.log = calloc(LINES, sizeof state.lines[0] + 1);
    first = state.line_count > LINES ? state.line_count - LINES : 0;
    for (unsigned long i = first; state.log && i < state.line_count; i++) {
        const char *line = state.lines[i % LINES];

        memcpy(state.log + length, line, strlen(line));
        length += strlen(line);
        state.log[length++] = '\n';
    }
    (void)pthread_mutex_unlock(&state.lock);
    return state.log ? state.log : "";
}
