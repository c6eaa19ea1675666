/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of chaos share: chaos.c unplugs the token, runs the threads and counts;
 * chaos_tde.c is SQL Server's work, chaos_ae.c that of client drivers.
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
    unsigned seen; /* the last outage after which it was served */
    SqlCpSession session;
    p11ekm_cmk *store;
} chaos_worker;

/* One piece of work. *code is what went wrong, 0 where nothing did; false: a result was wrong. */
typedef struct chaos_work {
    const char *name;
    bool (*run)(chaos_worker *w, int *code);
} chaos_work;
enum { CHAOS_WORKS = 8 };

typedef struct chaos_door {
    const char *name;
    const chaos_work *works; /* CHAOS_WORKS of them */
    bool (*open)(chaos_worker *w);
    void (*close)(chaos_worker *w);
    /* Makes what the works need, with an open worker. */
    bool (*prepare)(chaos_worker *w);
    /* How many of its keys are not there or do not open what they sealed, by a fresh session. */
    unsigned (*lost)(void);
} chaos_door;
extern const chaos_door chaos_tde, chaos_ae;

/* The label of the column master key, made by chaos.c with the bare module. */
#define CHAOS_CMK "chaos-cmk"

/* Whether a code says that the token is away or on its way back. */
bool chaos_says_away(int code);
/* The token has served this worker: the first time after an outage tells how long that was. */
void chaos_served(chaos_worker *w);

#endif
