/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token: a small PKCS#11 module for tests, whose token lives in the memory of the
 * process and is lost with it (a forked child has a copy). OpenSSL does its work. It is built with
 * the flags of everything else, so that a sanitizer sees inside, and all its functions may be
 * called from many threads at once, as CKF_OS_LOCKING_OK promises.
 *
 * One slot. P11MEMORY_LABEL and P11MEMORY_PIN in the environment name the token and its user's PIN
 * ("memory", "1234"); the tenth wrong PIN in a row locks it. Of the functions with a size query a
 * query and CKR_BUFFER_TOO_SMALL leave the operation active. Private parts of RSA keys are never
 * given away. After a login the handles of private objects from before it name other ones.
 *
 * Tests reach the functions below by dlsym of a handle of the module's path.
 */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <p11-kit/pkcs11.h>

#if defined(__GNUC__)
#define P11MEMORY_EXPORT __attribute__((visibility("default")))
#else
#define P11MEMORY_EXPORT
#endif

#define MEM_ANY (~0UL)

/* A rendezvous: the next call of a function stops, before its work is done or (`after`) when it is
 * done but not yet returned. The number of the place, or -1 (no such function, or no place left).
 */
P11MEMORY_EXPORT int p11memory_park(const char *function, int after);
/* Waits until a call has come to stand there; 0 after `ms` without one. */
P11MEMORY_EXPORT int p11memory_await(int place, unsigned ms);
/* Lets it go on; the place is free again. With `rv` not CKR_OK that is its result: stopped before
 * its work, it does none. Nobody there yet: nobody will be stopped. */
P11MEMORY_EXPORT void p11memory_go(int place, CK_RV rv);

/* What others do to the token: closes all sessions (and so ends the login), takes it away or
 * brings it back (sessions are lost), limits how many sessions there may be (0: as many as there
 * is room for). */
P11MEMORY_EXPORT void p11memory_lose_sessions(void);
P11MEMORY_EXPORT void p11memory_unplug(int away);
P11MEMORY_EXPORT void p11memory_limit(unsigned sessions);
/* Habits of real tokens: every private key that is made may decrypt, sign and unwrap, whatever its
 * template says; the next object that is made gets this handle, which must be free. */
P11MEMORY_EXPORT void p11memory_all_uses(int on);
/* Every private and secret key that is made gets this flag with this value, whatever its template
 * says; MEM_ANY: as the template says. */
P11MEMORY_EXPORT void p11memory_make_with(CK_ATTRIBUTE_TYPE flag, CK_BBOOL value);
P11MEMORY_EXPORT void p11memory_next_handle(CK_OBJECT_HANDLE handle);
/* Two objects exchange their handles. */
P11MEMORY_EXPORT void p11memory_swap_handles(CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b);
/* Objects that behave as on real tokens, until p11memory_as_usual. `label` NULL: all objects;
 * `class` MEM_ANY: of all classes. At most 16 at a time. An attribute (MEM_ANY: all) is answered
 * with `rv`; CKR_OK: the call succeeds, its length is CK_UNAVAILABLE_INFORMATION. */
P11MEMORY_EXPORT void p11memory_refuse_attribute(const char *label, CK_OBJECT_CLASS class,
                                                 CK_ATTRIBUTE_TYPE type, CK_RV rv);
/* C_EncryptInit with a secret key is answered with `rv`. */
P11MEMORY_EXPORT void p11memory_refuse_encrypt(const char *label, CK_RV rv);
/* C_SetAttributeValue is answered with `rv` and changes nothing, also when that is CKR_OK. */
P11MEMORY_EXPORT void p11memory_refuse_change(const char *label, CK_RV rv);
P11MEMORY_EXPORT void p11memory_as_usual(void);
/* The token is in a second slot, too (8, the first is 7), which differs by its description. */
P11MEMORY_EXPORT void p11memory_twin(int on);
/* How it stands: sessions open, session objects, whether somebody is logged in, calls of C_Login
 * and of C_Initialize that succeeded. */
typedef struct p11memory_state {
    unsigned sessions, session_objects, logged_in, logins, initialisations;
} p11memory_state;
P11MEMORY_EXPORT void p11memory_get(p11memory_state *out);

#endif
