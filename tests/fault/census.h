/* SPDX-License-Identifier: Apache-2.0
 *
 * All keys on the token, read through the real module without any code of ours: torture compares
 * two censuses to tell whether a key was lost or changed.
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
        /* fingerprint: the modulus, or a block encrypted or signed with the key */
        unsigned long print;
    } keys[CENSUS_KEYS];
} census;

/* Taken in a child process, so that the module of this process stays uninitialised. */
bool census_take(census *out);
/* How many keys of `old` the token no longer has, whatever their names are now. */
size_t census_lost(const census *old, const census *now);
/* Whether a key has this label. */
bool census_names(const census *c, const char *label);
/* The same keys with the same names. */
bool census_same(const census *a, const census *b);

#endif
