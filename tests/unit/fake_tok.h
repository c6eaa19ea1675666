/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake token layer in memory, for tests of the front ends: it implements the functions of
 * pkcs11/token.h and pkcs11/key.h that the EKM provider calls, on one token ("alpha", label "fake
 * token", PIN "1234"). It counts calls, fails on demand, and detects misuse: objects that are not
 * released, released twice, or used without a login. Its ciphers are not secure: they only undo
 * themselves and detect changes.
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

/* Empties the token and clears faults and counts; `config` is parsed by the next open, NULL for
 * FAKE_CONFIG and FAKE_ALIAS. Nothing may be open. */
void fake_reset(const char *config);
/* From now on the function returns `st` for `times` calls (0: until changed); ST_OK ends it. */
void fake_fail(fake_function function, core_status st, unsigned times);
unsigned fake_calls(fake_function function);
unsigned fake_calls_all(void);
/* References and logins that were handed out and not returned; 0: all are released. */
unsigned fake_live(void);
/* Number of uses that the contracts forbid. */
unsigned fake_misuses(void);
/* A number that changes when the token's persistent keys do. */
uint64_t fake_state(void);
/* Puts a key on the token as another program would: any name, any algorithm (CORE_ALG_COUNT: one
 * that SQL Server does not know). */
void fake_put_key(const char *name, core_algorithm algorithm, uint8_t thumb[TOK_THUMB_LEN]);
/* Copies an existing key under another name. */
void fake_copy_key(const uint8_t thumb[TOK_THUMB_LEN], const char *name);
/* Removes a key without any call of the token layer. */
void fake_take_key(const uint8_t thumb[TOK_THUMB_LEN]);
/* Removes all keys whose names end so, also retired ones. */
void fake_purge(const char *ending);
/* Delays each decryption. */
void fake_delay_ms(unsigned milliseconds);

#endif
