/* SPDX-License-Identifier: Apache-2.0
 *
 * The work of cmk rotate, with one value at a time or with --jobs threads. The threads take rows
 * in order and put the new values into a ring of slots; the calling thread writes the values in
 * the order of the rows. So at each moment the output is the same as that of one job: whole lines
 * of the first rows, which are resumed by the same rules. If the process is killed, the values in
 * the ring are lost.
 */
#include "tools/p11ekm/rotate.h"

#include "core/lock.h"
#include "core/platform.h"

enum { JOBS_MAX = 64, SLOTS_PER_JOB = 2 };
enum { POOL_DEFAULT = 32 }; /* number of sessions of the token layer if max_sessions is 0 */

/* The new value of one row, or the reason for its failure. */
typedef struct slot {
    uint8_t ecek[CLI_ECEK_MAX];
    size_t length;
    core_status status;
    core_err why;
    bool ready; /* guarded by the lock of the queue; the other fields belong to the thread that
                   works on the slot */
} slot;

typedef struct queue {
    cli_rotation *r;
    core_mutex lock;
    core_cond slot_freed; /* a slot became free, or no further row is to be taken */
    core_cond ready;      /* a slot became ready */
    slot *slots;          /* row i uses slot i % slot_count */
    size_t slot_count;
    size_t
        next; /* the first row that no thread has taken; guarded by the lock, as are the next two */
    size_t written; /* the first row that is not in the output */
    bool stopped;   /* no further row is taken */
} queue;

core_status cli_rotation_jobs(cli_rotation *r, core_err *err)
{
    const char *text = cli_value(r->call, "--jobs");
    unsigned number = text == NULL ? 1 : 0;
    for (size_t i = 0; text != NULL && text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9' || number > JOBS_MAX)
            return cli_usage(r->call, err, "--jobs: give a number from 1 to 64");
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    if (number < 1 || number > JOBS_MAX)
        return cli_usage(r->call, err, "--jobs: give a number from 1 to 64");
    r->jobs = number;
    return ST_OK;
}

static unsigned smaller_of(unsigned a, uint64_t b)
{
    return b < a ? (unsigned)b : a;
}

static unsigned pool_size(const core_token_config *config)
{
    return config->max_sessions != 0 ? config->max_sessions : POOL_DEFAULT;
}

/* The largest number of sessions that the token layer opens with the token; one more holds the
 * login. Any one member of a group may have to serve all jobs. */
static unsigned sessions_of(const tok_token *token)
{
    const core_token_config *config = tok_token_config(token);
    const tok_token_info *info = tok_token_info_of(token);
    unsigned most = config->member_count == 0 ? pool_size(config) : JOBS_MAX;
    for (size_t i = 0; i < config->member_count; i++)
        most = smaller_of(most, pool_size(config->member[i]));
    if (config->member_count == 0 && info->max_sessions > 0)
        most = smaller_of(most, info->max_sessions - 1);
    if (config->member_count == 0 && info->max_rw_sessions > 0)
        most = smaller_of(most, info->max_rw_sessions - 1);
    return most > 1 ? most : 1;
}

/* With more jobs than sessions, jobs would only wait for each other. */
static void limit_jobs(cli_rotation *r)
{
    const unsigned sessions = sessions_of(r->store.session.token);
    if (r->jobs > sessions) {
        fprintf(stderr,
                "p11ekm: --jobs %u: token \"%s\" has %u session%s for them (max_sessions); "
                "%u job%s run\n",
                r->jobs, cli_show(tok_token_info_of(r->store.session.token)->label).text, sessions,
                sessions == 1 ? "" : "s", sessions, sessions == 1 ? "" : "s");
        r->jobs = sessions;
    }
}

/* Makes the new value of row `i` of the chosen ones. Called by several threads at a time. */
static void rewrap_row(const cli_rotation *r, size_t i, slot *out)
{
    const cli_row *old = &r->old.rows[r->chosen[i]];
    const cmk_where where =
        cli_value(r->call, "--software") == NULL ? CMK_IN_TOKEN : CMK_SOFTWARE_ALLOWED;
    out->length = sizeof out->ecek;
    out->why = (core_err){0};
    out->status =
        cmk_rewrap_cek(r->store.store, core_str_get(&r->from), core_str_get(&r->to), old->algorithm,
                       old->value, old->value_len, where, out->ecek, &out->length, &out->why);
}

/* Writes the new value of row `i` to the output, or returns the reason why there is none. */
static core_status write_row(cli_rotation *r, size_t i, const slot *made, core_err *err)
{
    const cli_row *old = &r->old.rows[r->chosen[i]];
    char digest[CLI_DIGEST_DIGITS + 1];
    cli_row row;
    if (made->status != ST_OK)
        return core_fail(err, made->status, "column encryption key \"%s\": %s", old->cek,
                         core_err_text(&made->why, made->status));
    core_status st = cli_rotation_row(r, old, made->ecek, made->length, digest, &row);
    if (st == ST_OK)
        st = cli_rotation_write(r, &row, err);
    r->fresh += st == ST_OK ? 1 : 0;
    return st;
}

static core_status rewrap_one_by_one(cli_rotation *r, core_err *err)
{
    uint64_t told = core_now_us();
    slot *made = core_calloc(1, sizeof *made);
    core_status st = made == NULL ? ST_NO_MEMORY : ST_OK;
    for (size_t i = r->done.count; st == ST_OK && i < r->chosen_count; i++) {
        rewrap_row(r, i, made);
        st = write_row(r, i, made, err);
        cli_progress(&told, i + 1, r->chosen_count);
    }
    core_free(made);
    return st;
}

/* Main function of a thread. After a failure no further row is taken. All rows before the failed
 * one have been taken by then, so the writer reaches the first failure in the order of the rows. */
static void run_job(void *argument)
{
    queue *q = argument;
    core_mutex_lock(&q->lock);
    for (;;) {
        while (!q->stopped && q->next < q->r->chosen_count && q->next - q->written >= q->slot_count)
            core_cond_wait(&q->slot_freed, &q->lock);
        if (q->stopped || q->next >= q->r->chosen_count)
            break;
        const size_t i = q->next++;
        slot *out = &q->slots[i % q->slot_count];
        core_mutex_unlock(&q->lock);
        rewrap_row(q->r, i, out);
        core_mutex_lock(&q->lock);
        out->ready = true;
        if (out->status != ST_OK) {
            q->stopped = true;
            core_cond_broadcast(&q->slot_freed);
        }
        core_cond_signal(&q->ready);
    }
    core_mutex_unlock(&q->lock);
}

static core_status write_all(queue *q, core_err *err)
{
    cli_rotation *r = q->r;
    uint64_t told = core_now_us();
    core_status st = ST_OK;
    for (size_t i = r->done.count; st == ST_OK && i < r->chosen_count; i++) {
        slot *made = &q->slots[i % q->slot_count];
        core_mutex_lock(&q->lock);
        while (!made->ready)
            core_cond_wait(&q->ready, &q->lock);
        core_mutex_unlock(&q->lock);
        st = write_row(r, i, made, err);
        cli_progress(&told, i + 1, r->chosen_count);
        core_mutex_lock(&q->lock);
        made->ready = false;
        q->written = i + 1;
        core_cond_signal(&q->slot_freed);
        core_mutex_unlock(&q->lock);
    }
    return st;
}

static void stop(queue *q)
{
    core_mutex_lock(&q->lock);
    q->stopped = true;
    core_cond_broadcast(&q->slot_freed);
    core_mutex_unlock(&q->lock);
}

static core_status rewrap_in_threads(cli_rotation *r, core_err *err)
{
    core_thread threads[JOBS_MAX];
    unsigned started = 0;
    queue q = {.r = r,
               .slot_count = (size_t)r->jobs * SLOTS_PER_JOB,
               .next = r->done.count,
               .written = r->done.count};
    q.slots = core_calloc(q.slot_count, sizeof *q.slots);
    if (q.slots == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for %u jobs; give less --jobs", r->jobs);
    core_mutex_init(&q.lock);
    core_cond_init(&q.slot_freed);
    core_cond_init(&q.ready);
    while (started < r->jobs && core_thread_start(&threads[started], run_job, &q))
        started++;
    core_status st =
        started == r->jobs
            ? write_all(&q, err)
            : core_fail(err, ST_NO_MEMORY,
                        "no more than %u threads can be started; give less --jobs", started);
    stop(&q);
    for (unsigned i = 0; i < started; i++)
        core_thread_join(&threads[i]);
    core_cond_destroy(&q.ready);
    core_cond_destroy(&q.slot_freed);
    core_mutex_destroy(&q.lock);
    core_free(q.slots);
    return st;
}

core_status cli_rotation_rewrap(cli_rotation *r, core_err *err)
{
    limit_jobs(r);
    core_status st = r->jobs > 1 ? rewrap_in_threads(r, err) : rewrap_one_by_one(r, err);
    const core_status closed = cli_rotation_close(r, st == ST_OK ? err : NULL);
    return st == ST_OK ? closed : st;
}
