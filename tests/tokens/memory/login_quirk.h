/* SPDX-License-Identifier: Apache-2.0
 *
 * How the memory token can differ from a well-behaved one at its login, and a record of the PINs
 * that reached it. Tests reach the functions by dlsym, as those of memory.h.
 */
#ifndef TESTS_MEMORY_LOGIN_QUIRK_H
#define TESTS_MEMORY_LOGIN_QUIRK_H

#include "tests/tokens/memory/memory.h"

/* All zero: none. */
typedef struct p11memory_quirks {
    CK_RV wrong_pin_rv;   /* answer to a wrong PIN in place of CKR_PIN_INCORRECT */
    CK_RV login_rv;       /* answer to C_Login, without a look at the PIN, */
    unsigned login_times; /* so many times; 0: always */
    int blind;            /* wrong PINs change no flag and never lock the token */
    CK_FLAGS set, clear;  /* of the token's flags */
    CK_ULONG min_pin, max_pin, max_sessions, max_rw; /* what the token says; 0: the truth */
    unsigned limit_rw; /* so many sessions for writing; 0: as many as there is room for */
    int keypad;        /* the PIN is typed at the token: C_Login takes no other than NULL */
    int no_login;      /* there is no user: all objects are seen by all sessions */
    unsigned login_ms; /* how long C_Login takes */
} p11memory_quirks;
/* Sets them, NULL: none; and the record to 0. */
P11MEMORY_EXPORT void p11memory_set_quirks(const p11memory_quirks *quirks);
/* The token's PIN is another one from now on, as if another process had changed it, and its count
 * of wrong PINs is 0. */
P11MEMORY_EXPORT void p11memory_set_pin(const char *pin);

/* Closes the session that was opened first of those that are open. */
P11MEMORY_EXPORT void p11memory_lose_oldest(void);

/* C_Login calls: with the right PIN, with a wrong one, and all, whatever became of them. */
typedef struct p11memory_tries {
    unsigned right, wrong, all;
} p11memory_tries;
P11MEMORY_EXPORT void p11memory_get_tries(p11memory_tries *out);

#endif
