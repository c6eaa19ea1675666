/* SPDX-License-Identifier: Apache-2.0
 *
 * A back door made of memory, for tests of the fronts: it implements the functions of
 * pkcs11/token.h and pkcs11/key.h that the EKM door calls, on one token ("alpha", label
 * "fake token", PIN "1234"). It counts calls, fails on demand, and notices misuse: what is not
 * released, released twice, or used without a login. Its ciphers are no ciphers: they only undo
 * themselves and notice changes.
 */
#ifndef FAKE_TOK_H
#define FAKE_TOK_H

#include "pkcs11/key.h"

#define FAKE_FUNCTIONS(X) \
    X(tok_context_open)   \
    X(tok_token_list)     \
    X(tok_token_find)     \
    X(tok_token_login)    \
    X(tok_key_by_thumb)   \
    X(tok_key_by_name)    \
    X(tok_key_list)       \
    X(tok_key_create)     \
    X(tok_key_retire)     \
    X(tok_key_restore)    \
    X(tok_key_destroy)    \
    X(tok_encrypt)        \
    X(tok_decrypt)

typedef enum fake_function {
#define FAKE_ENUM(name) FAKE_##name,
    FAKE_FUNCTIONS(FAKE_ENUM)
#undef FAKE_ENUM
        FAKE_COUNT
} fake_function;

#define FAKE_CONFIG "module = /usr/lib/fake.so\nlog = none\naudit = none\nstartup_tries = 1\n"
#define FAKE_ALIAS  "[token alpha]\ntoken = fake token\n"

/* Empties the token and forgets faults and counters; `config` is what the next open parses, NULL
 * for FAKE_CONFIG and FAKE_ALIAS. Nothing may be open. */
void fake_reset(const char *config);
/* From now on the function answers `st` for `times` calls (0: as long as it is set); ST_OK ends it.
 */
void fake_fail(fake_function function, core_status st, unsigned times);
unsigned fake_calls(fake_function function);
unsigned fake_calls_all(void);
/* References and logins handed out and not given back; 0 when all is tidy. */
unsigned fake_live(void);
/* What was done that the contracts forbid; 0 is right. */
unsigned fake_misuses(void);
/* A number that changes when the token's persistent keys do. */
uint64_t fake_state(void);
/* Puts a key on the token as another program would: any name, any algorithm (CORE_ALG_COUNT: one
 * that SQL Server does not know). */
void fake_put_key(const char *name, core_algorithm algorithm, uint8_t thumb[TOK_THUMB_LEN]);
/* A copy of a key that is there, under another name. */
void fake_copy_key(const uint8_t thumb[TOK_THUMB_LEN], const char *name);
/* Removes one behind everybody's back. */
void fake_take_key(const uint8_t thumb[TOK_THUMB_LEN]);
/* Removes all keys whose names end so, retired ones, too. */
void fake_purge(const char *ending);
/* Each decrypt takes so long. */
void fake_delay_ms(unsigned milliseconds);

#endif
