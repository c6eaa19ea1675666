/* SPDX-License-Identifier: Apache-2.0
 *
 * The RSA key of the timing experiments, which is created on the token of the environment
 * (with-token).
 */
#ifndef BENCH_TIMING_KEY_H
#define BENCH_TIMING_KEY_H

#include "pkcs11/key.h"

/* Opens the token and creates the key; one key at a time. `lines` are added to the configuration.
 * NULL: failed, and the reason is printed. */
tok_key *timing_key_open(const char *lines);
/* Destroys the key, logs out and releases everything. False: the key is still on the token. */
bool timing_key_close(tok_key *key);

#endif
