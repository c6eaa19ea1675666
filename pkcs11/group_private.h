/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: groups of tokens that hold the same keys. To everybody else a group is a
 * token: it has users, a cache of keys and a policy of its own, but no slot and no sessions. What
 * is done with it is done by one of its members (gate.c), and a key knows its handle on each.
 */
#ifndef PKCS11_GROUP_PRIVATE_H
#define PKCS11_GROUP_PRIVATE_H

#include "pkcs11/tok_private.h"

typedef struct tok_member {
    const core_token_config *config;
    _Atomic(tok_token *) token;  /* NULL: never seen */
    _Atomic bool sought;         /* somebody is looking for it */
    _Atomic bool refused;        /* it did not take the PIN of the group; until the next login */
    _Atomic uint64_t seek_at_us; /* not looked for before then */
    _Atomic unsigned backoff_ms; /* of one never seen */
    _Atomic unsigned joined;     /* logins the group holds, changed in the group's login turn */
} tok_member;

struct tok_group {
    unsigned count;
    tok_member members[CORE_GROUP_MOST];
    _Atomic unsigned turn; /* of round robin */
};

/* Whether a status says that the device is away, so that another member may serve. */
static inline bool tok_says_away(core_status st)
{
    return core_status_class(st) == CORE_CLASS_DEVICE || st == ST_DEVICE_BACKOFF;
}

/* --- group.c --- */
/* Whether the member was found, answers, and is logged in to. */
bool tok_member_up(const tok_member *member);
/* Finds the member's token if it was never seen, heals it if it is lost, and logs in to it. */
CORE_MUST_USE core_status tok_member_fetch(tok_token *group, tok_member *member, core_err *err);

/* --- group_login.c --- */
/* Logs in to a member that came later than the group's first user. */
CORE_MUST_USE core_status tok_member_join(tok_token *group, tok_member *member, core_err *err);

#endif
