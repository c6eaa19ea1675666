/* SPDX-License-Identifier: Apache-2.0
 *
 * Deviations of the memory token's login from a well-behaved one, and a record of the PINs that
 * reached it. Tests reach the functions by dlsym, as those of memory.h.
 */
#ifndef TESTS_MEMORY_LOGIN_QUIRK_H
#define TESTS_MEMORY_LOGIN_QUIRK_H

#include "tests/tokens/memory/memory.h"

/* All zero: no deviation. */
typedef struct p11memory_quirks {
    CK_RV wrong_pin_rv;   /* result for a wrong PIN instead of CKR_PIN_INCORRECT */
    CK_RV login_rv;       /* result of C_Login, without a check of the PIN */
    unsigned login_times; /* number of calls that return `login_rv`; 0: all */
    int blind;            /* wrong PINs change no flag and never lock the token */
    CK_FLAGS set, clear;  /* flags of the token */
    CK_ULONG min_pin, max_pin, max_sessions,
        max_rw;        /* values that the token reports; 0: the real ones */
    unsigned limit_rw; /* number of read-write sessions; 0: no limit of its own */
    int keypad;        /* the PIN is typed at the token: C_Login accepts NULL only */
    int no_login;      /* there is no user: all sessions see all objects */
    unsigned login_ms; /* duration of C_Login */
} p11memory_quirks;
/* Sets the quirks (NULL: none) and clears the record. */
P11MEMORY_EXPORT void p11memory_set_quirks(const p11memory_quirks *quirks);
/* Changes the token's PIN as another process would, and sets the count of wrong PINs to 0. */
P11MEMORY_EXPORT void p11memory_set_pin(const char *pin);

/* Closes the oldest open session. */
P11MEMORY_EXPORT void p11memory_lose_oldest(void);

/* C_Login calls with the right PIN, with a wrong one, and all, whatever their result. */
typedef struct p11memory_tries {
    unsigned right, wrong, all;
} p11memory_tries;
P11MEMORY_EXPORT void p11memory_get_tries(p11memory_tries *out);

#endif
