/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of tokens, what their tests share: two tokens that can be unplugged one by one, a context
 * with a group of them, and the key that both hold.
 */
#ifndef FAULT_GROUP_H
#define FAULT_GROUP_H

#include "pkcs11/key.h"
#include "testing.h"

enum { GRP_BACK_MS = 25000 }; /* the longest pause, and a reset beside the other token */

typedef struct grp_world {
    tok_context *ctx;
    tok_token *group;
    tok_key *rsa;
    uint8_t cipher[512];
    size_t cipher_len;
} grp_world;

/* Opens a context with the aliases zero, one and ha (a group of both); `lines` are further lines of
 * the group's section. Finds and logs in to the group and finds the key. */
bool grp_open(grp_world *w, const char *lines);
/* With further global lines. */
bool grp_open_with(grp_world *w, const char *globals, const char *lines);
void grp_close(grp_world *w);
/* The configuration alone; its path. `globals` come before the sections. */
const char *grp_config(const char *globals, const char *lines);
core_status grp_login(tok_token *token, const char *pin, core_err *err);

/* One decryption; ST_FAILURE when the result is wrong. */
core_status grp_decrypt(grp_world *w, core_err *err);
/* With the same key as another token has it; NULL: the world's. */
core_status grp_decrypt_by(grp_world *w, tok_key *key, core_err *err);
/* The same until the member named serves it: the milliseconds that took, -1 after `most_ms`. */
long grp_until(grp_world *w, const char *member, unsigned most_ms);
bool grp_served_by(grp_world *w, const char *member);
/* "unplug-0", "plug-1", ... */
bool grp_setup(const char *verb);
unsigned grp_logged(const char *text);

/* Prints what two tokens do against one, and what outages of so many seconds cost; the exit status.
 */
int grp_load(unsigned seconds);

extern const test_suite suite_policy, suite_failover, suite_doors, suite_faults, suite_module;

#endif
