/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the parts of chaos: chaos.c unplugs the token, runs the threads and counts; chaos_tde.c
 * does SQL Server's work, chaos_ae.c that of client drivers.
 */
#ifndef TESTS_FAULT_CHAOS_H
#define TESTS_FAULT_CHAOS_H

#include <stdbool.h>
#include "cmk/p11ekm_cmk.h"
#include "ekm/sqlcp.h"

typedef enum chaos_kind { CHAOS_TDE, CHAOS_AE, CHAOS_KINDS } chaos_kind;

typedef struct chaos_worker {
    chaos_kind kind;
    unsigned number, rounds;
    unsigned seen; /* the last outage after which this worker was served */
    SqlCpSession session;
    p11ekm_cmk *store;
} chaos_worker;

/* One piece of work. *code is the error, 0 for none; false: the result was wrong. */
typedef struct chaos_work {
    const char *name;
    bool (*run)(chaos_worker *w, int *code);
} chaos_work;
enum { CHAOS_WORKS = 8 };

typedef struct chaos_front_end {
    const char *name;
    const chaos_work *works; /* CHAOS_WORKS of them */
    bool (*open)(chaos_worker *w);
    void (*close)(chaos_worker *w);
    /* Makes what the works need, with an open worker. */
    bool (*prepare)(chaos_worker *w);
    /* How many of its keys are missing or do not decrypt what they encrypted, checked in a new
     * session. */
    unsigned (*lost)(void);
} chaos_front_end;
extern const chaos_front_end chaos_tde, chaos_ae;

/* The label of the column master key, made by chaos.c with the bare module. */
#define CHAOS_CMK "chaos-cmk"

/* True if the code says that the token is away or being recovered. */
bool chaos_says_away(int code);
/* Records that the token has served this worker: the first time after an outage gives the recovery
 * time. */
void chaos_served(chaos_worker *w);

#endif
