/* SPDX-License-Identifier: Apache-2.0
 *
 * Group layer: several tokens with the same keys that are used as one. The layers above treat a
 * group as a token. It has a user count, a key cache and a policy of its own, but no slot and no
 * sessions. Any thread may call these functions, without a lock and outside an operation.
 */
#ifndef PKCS11_GROUP_GROUP_PRIVATE_H
#define PKCS11_GROUP_GROUP_PRIVATE_H

#include "pkcs11/recovery/recovery_private.h"

/* Runs `op` in a session that is logged in. If the failure allows it, recovers the token and runs
 * `op` once more; `op` must therefore be repeatable. On a group, it runs on one member. */
CORE_MUST_USE core_status tok_execute(tok_token *token, tok_op op, void *arg, core_err *err);
/* The same, and once more in another session after ST_FAILURE, because a device that fails once may
 * return a vendor-defined code. */
CORE_MUST_USE core_status tok_execute_twice(tok_token *token, tok_op op, void *arg, core_err *err);
/* tok_execute for an operation that must not run twice because it creates something. It is tried
 * again only if the failure came before `op` ran. */
CORE_MUST_USE core_status tok_execute_once(tok_token *token, tok_op op, void *arg, core_err *err);
/* tok_execute and tok_execute_once of a group. */
CORE_MUST_USE core_status tok_group_execute(tok_token *group, tok_op op, void *arg, bool once,
                                            core_err *err);
/* The member's token if it is available, else NULL. The context owns it. */
tok_token *tok_group_member(tok_token *group, unsigned member_index);
/* The member's token, available or not; NULL: never found. */
tok_token *tok_group_token(tok_token *group, unsigned member_index);
/* tok_execute on this member, whatever the order of the group. The member must have been found. */
CORE_MUST_USE core_status tok_group_execute_at(tok_token *group, unsigned member_index, tok_op op,
                                               void *arg, core_err *err);
/* Runs `op` on every member; ST_DEVICE if one is unavailable. If `op` fails on a member, `undo`
 * runs on the members before it. `undo` NULL: `op` cannot be undone but can be repeated; then a
 * member without the key counts as done, unless no member has it. On a token that is not a group:
 * tok_execute, or without `undo` tok_execute_once. */
CORE_MUST_USE core_status tok_execute_on_all_members(tok_token *token, tok_op op, tok_op undo,
                                                     void *arg, core_err *err);
/* tok_execute_once on the first member only, for an operation that creates something; ST_DEVICE if
 * it is unavailable. On a token that is not a group: tok_execute_once. */
CORE_MUST_USE core_status tok_execute_on_primary(tok_token *token, tok_op op, void *arg,
                                                 core_err *err);
/* The functions of pkcs11/token.h for a group: tok_token_find, _login, _logout and _stats_get.
 * tok_group_stats adds to *out. tok_group_free is for the context when it closes. */
CORE_MUST_USE core_status tok_group_find(tok_context *ctx, const core_token_config *config,
                                         tok_token **out, core_err *err);
CORE_MUST_USE core_status tok_group_login(tok_token *group, const char *pin, size_t pin_len,
                                          core_err *err);
void tok_group_logout(tok_token *group);
void tok_group_free(tok_token *group);
void tok_group_stats(tok_token *group, tok_token_stats *out);

typedef struct tok_member {
    const core_token_config *config;
    _Atomic(tok_token *) token;   /* NULL: never found */
    _Atomic uint32_t prober;      /* id of the process that is searching for it; 0: none */
    _Atomic bool refused;         /* it rejected the group's PIN; false again at the next login */
    _Atomic uint64_t probe_at_us; /* no search before this time */
    _Atomic unsigned backoff_ms;  /* the present pause, while it was never found */
    _Atomic unsigned joined;      /* logins of the group; changes under the group's login lock */
} tok_member;

struct tok_group {
    unsigned count;
    tok_member members[CORE_GROUP_MOST];
    _Atomic unsigned next_first; /* round robin: the member that the next operation tries first */
};

/* True if the member was found, is available, and is logged in. No token call. */
bool tok_member_up(const tok_member *member);
/* Finds the member's token if it was never found, recovers it if it is lost, and logs in to it. */
CORE_MUST_USE core_status tok_member_fetch(tok_token *group, tok_member *member, core_err *err);
/* Logs in to a member that became available after the group's login. Takes its login lock. */
CORE_MUST_USE core_status tok_member_join(tok_token *group, tok_member *member, core_err *err);

#endif
