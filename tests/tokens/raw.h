/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module used without any code of ours, for tests that check and benchmarks that compare:
 * loaded by dlopen, initialised, one token found by its label, the user logged in.
 */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

typedef struct raw_token {
    void *library;
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session; /* logged in, read-write */
} raw_token;

/* Opens the token that setup-*.sh describes in the environment: MODULE, TOKEN, PIN, INIT_ARGS.
 * False with a line on stderr. Other code in the process may already have called C_Initialize. */
bool raw_open(raw_token *token);
/* The same without C_Login and without the PIN. */
bool raw_open_public(raw_token *token);
/* Logs out and closes the session; finalises the module if `finalize`. The library stays mapped. */
void raw_close(raw_token *token, bool finalize);
/* Another session of the same login; 0 on failure. */
CK_SESSION_HANDLE raw_session(const raw_token *token);

/* An RSA pair or an AES key of `bits`, labelled; kept on the token when `persistent`. */
CK_RV raw_generate_rsa(const raw_token *token, const char *label, CK_ULONG bits, bool persistent,
                       CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key);
CK_RV raw_generate_aes(const raw_token *token, const char *label, CK_ULONG bits, bool persistent,
                       CK_OBJECT_HANDLE *key);
/* The first object of a class and label; 0 if there is none. */
CK_OBJECT_HANDLE raw_find(const raw_token *token, CK_OBJECT_CLASS class, const char *label);
/* True if the token lists a mechanism. */
bool raw_has(const raw_token *token, CK_MECHANISM_TYPE type);

#endif
