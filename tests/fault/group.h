/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of the group tests: two tokens that can be unplugged separately, a context with a group
 * of them, and a key that both hold.
 */
#ifndef FAULT_GROUP_H
#define FAULT_GROUP_H

#include "pkcs11/key.h"
#include "testing.h"

enum {
    GRP_BACK_MS = 25000
}; /* the longest back-off, and a reset while the other token is in use */

typedef struct grp_fixture {
    tok_context *ctx;
    tok_token *group;
    tok_key *rsa;
    uint8_t cipher[512];
    size_t cipher_len;
} grp_fixture;

/* Opens a context with the aliases zero, one and ha (a group of both); `lines` are further lines of
 * the group's section. Finds and logs in to the group and finds the key. */
bool grp_open(grp_fixture *w, const char *lines);
/* The same with further global lines. */
bool grp_open_with(grp_fixture *w, const char *globals, const char *lines);
void grp_close(grp_fixture *w);
/* Writes the configuration only; returns its path. `globals` come before the sections. */
const char *grp_config(const char *globals, const char *lines);
core_status grp_login(tok_token *token, const char *pin, core_err *err);

/* One decryption; ST_FAILURE when the result is wrong. */
core_status grp_decrypt(grp_fixture *w, core_err *err);
/* Decrypts with another handle of the same key; NULL: the fixture's. */
core_status grp_decrypt_by(grp_fixture *w, tok_key *key, core_err *err);
/* Decrypts until the named member serves it: milliseconds, or -1 after `most_ms`. */
long grp_until(grp_fixture *w, const char *member, unsigned most_ms);
bool grp_served_by(grp_fixture *w, const char *member);
/* "unplug-0", "plug-1", ... */
bool grp_setup(const char *verb);
unsigned grp_logged(const char *text);

/* Prints the throughput of two tokens against one, and the cost of outages during `seconds`
 * seconds; returns the exit status. */
int grp_load(unsigned seconds);

extern const test_suite suite_policy, suite_failover, suite_front_ends, suite_faults, suite_module;

#endif
