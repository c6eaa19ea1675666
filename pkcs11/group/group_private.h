/* SPDX-License-Identifier: Apache-2.0
 *
 * Group layer: several tokens that hold the same keys and serve as one. To all layers above, a
 * group is a token: it has users, a cache of keys and a policy of its own, but no slot and no
 * sessions.
 */
#ifndef PKCS11_GROUP_GROUP_PRIVATE_H
#define PKCS11_GROUP_GROUP_PRIVATE_H

#include "pkcs11/recovery/recovery_private.h"

/* Runs `op` in a logged-in session; heals and runs it once more where its failure allows. */
CORE_MUST_USE core_status tok_execute(tok_token *token, tok_op op, void *arg, core_err *err);
/* The same, once more in another session where it ended with ST_FAILURE: a device that fails once
 * may have given a code of its vendor for it. */
CORE_MUST_USE core_status tok_execute_twice(tok_token *token, tok_op op, void *arg, core_err *err);
/* tok_execute for what must not be done twice (it makes something): only what failed before `op`
 * ran is tried again. */
CORE_MUST_USE core_status tok_execute_once(tok_token *token, tok_op op, void *arg, core_err *err);
/* tok_execute and tok_execute_once of a group. */
CORE_MUST_USE core_status tok_group_execute(tok_token *group, tok_op op, void *arg, bool once,
                                            core_err *err);
/* The member's token where it can be asked now, else NULL; and an operation on it, whatever the
 * order of the group. */
tok_token *tok_group_member(tok_token *group, unsigned member_index);
/* The member's token, whether it can be asked or not; NULL: never seen. */
tok_token *tok_group_token(tok_token *group, unsigned member_index);
CORE_MUST_USE core_status tok_group_execute_at(tok_token *group, unsigned member_index, tok_op op,
                                               void *arg, core_err *err);
/* On every member, which must all be there; what fails on one is undone by `undo` on those before
 * it. NULL: it cannot be undone, but done again; then members that do not have the key any more
 * count as done, unless none has it. Of a token that is no group: tok_execute. */
CORE_MUST_USE core_status tok_execute_on_all_members(tok_token *token, tok_op op, tok_op undo,
                                                     void *arg, core_err *err);
/* On the first member only, once: what makes something. Of a token that is no group:
 * tok_execute_once.
 */
CORE_MUST_USE core_status tok_execute_on_primary(tok_token *token, tok_op op, void *arg,
                                                 core_err *err);
CORE_MUST_USE core_status tok_group_find(tok_context *ctx, const core_token_config *config,
                                         tok_token **out, core_err *err);
CORE_MUST_USE core_status tok_group_login(tok_token *group, const char *pin, size_t pin_len,
                                          core_err *err);
void tok_group_logout(tok_token *group);
void tok_group_free(tok_token *group);
void tok_group_stats(tok_token *group, tok_token_stats *out);

typedef struct tok_member {
    const core_token_config *config;
    _Atomic(tok_token *) token;   /* NULL: never seen */
    _Atomic uint32_t prober;      /* process that is looking for it; 0: none */
    _Atomic bool refused;         /* it did not take the PIN of the group; until the next login */
    _Atomic uint64_t probe_at_us; /* not looked for before then */
    _Atomic unsigned backoff_ms;  /* of one never seen */
    _Atomic unsigned joined;      /* logins the group holds, changed in the group's login turn */
} tok_member;

struct tok_group {
    unsigned count;
    tok_member members[CORE_GROUP_MOST];
    _Atomic unsigned turn; /* of round robin */
};

/* Whether the member was found, answers, and is logged in to. */
bool tok_member_up(const tok_member *member);
/* Finds the member's token if it was never seen, heals it if it is lost, and logs in to it. */
CORE_MUST_USE core_status tok_member_fetch(tok_token *group, tok_member *member, core_err *err);
/* Logs in to a member that came later than the group's first user. */
CORE_MUST_USE core_status tok_member_join(tok_token *group, tok_member *member, core_err *err);

#endif
