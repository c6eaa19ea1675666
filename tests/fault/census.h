/* SPDX-License-Identifier: Apache-2.0
 *
 * All keys on the token, read by the real module without anything of ours: what torture compares
 * to tell whether a key was lost or changed.
 */
#ifndef FAULT_CENSUS_H
#define FAULT_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

enum { CENSUS_KEYS = 64 };

typedef struct census {
    size_t count;
    struct {
        unsigned long class;
        char label[96];
        /* Of what the key does: its modulus, or something encrypted or signed with it. */
        unsigned long print;
    } keys[CENSUS_KEYS];
} census;

/* Taken by a child process, since the module of this one is not to be initialised. */
bool census_take(census *out);
/* How many keys of `old` are on the token no more, whatever they are called now. */
size_t census_lost(const census *old, const census *now);
/* Whether a key has this label. */
bool census_names(const census *c, const char *label);
/* The same keys with the same names. */
bool census_same(const census *a, const census *b);

#endif
