/* SPDX-License-Identifier: Apache-2.0
 *
 * The RSA key whose decryptions are timed: a new one on the token of the environment (with-token).
 */
#ifndef BENCH_TIMING_KEY_H
#define BENCH_TIMING_KEY_H

#include "pkcs11/key.h"

/* Of one at a time. `lines` go into the configuration. NULL, and the reason printed, when it cannot
 * be had. */
tok_key *timing_key_open(const char *lines);
/* Destroys it, logs out and clears up; false when it is still on the token. */
bool timing_key_close(tok_key *key);

#endif
