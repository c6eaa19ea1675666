/* SPDX-License-Identifier: Apache-2.0
 *
 * p11-kit's URI parser as the judge of ours, for the unit test and the fuzz target. What ours
 * accepts p11-kit must accept and read alike, and the canonical text must read back the same. Where
 * ours is stricter (it refuses, p11-kit accepts) is no contradiction: blanks inside, unknown,
 * repeated or misplaced attributes, pin-value, characters the RFC wants encoded, empty parts
 * ("a;;b"), encoded digits and types, text that is not UTF-8 or holds U+0000. Two differences
 * the other way are let pass: a library-version without a minor number, or with a 255 in it, which
 * p11-kit 0.24 refuses and the RFC allows.
 */
#ifndef TESTS_URI_ORACLE_H
#define TESTS_URI_ORACLE_H

/* NULL when all is well, else what the two disagree about (static). */
const char *uri_oracle(const char *text);

#endif
