/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares our URI parser with p11-kit's, for the unit test and the fuzz target. What ours accepts,
 * p11-kit must accept and parse alike, and the canonical text must parse to the same. Ours may be
 * stricter and refuse what p11-kit accepts: blanks inside, unknown, repeated or misplaced
 * attributes, pin-value, characters that the RFC wants encoded, empty parts ("a;;b"), encoded
 * digits and types, text that is not UTF-8 or contains U+0000. Two differences in the other
 * direction are allowed: a library-version without a minor number, or with 255 in it, which p11-kit
 * 0.24 refuses and the RFC allows.
 */
#ifndef TESTS_URI_ORACLE_H
#define TESTS_URI_ORACLE_H

/* NULL if both agree, else a description of the difference (static). */
const char *uri_oracle(const char *text);

#endif
