/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory token: a small PKCS#11 module for tests, whose token exists in the memory of the
 * process and is lost with it (a forked child has a copy). OpenSSL does the cryptography. It is
 * built with the same flags as all other code, so that sanitizers check it, and all its functions
 * may be called from many threads at once, as CKF_OS_LOCKING_OK promises.
 *
 * It has one slot. P11MEMORY_LABEL and P11MEMORY_PIN in the environment set the token's label and
 * user PIN ("memory", "1234"); the tenth wrong PIN in a row locks it. A size query and
 * CKR_BUFFER_TOO_SMALL leave the operation active. Private parts of RSA keys cannot be read. After
 * a login, handles of private objects from before it denote other objects.
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

/* Sets a rendezvous: the next call of a function stops, before its work is done or (`after`) when
 * it is done but has not returned. Returns the number of the rendezvous, or -1 (no such function,
 * or all are in use). */
P11MEMORY_EXPORT int p11memory_park(const char *function, int after);
/* Waits until a call has stopped at the rendezvous; 0 after `ms` without one. */
P11MEMORY_EXPORT int p11memory_await(int place, unsigned ms);
/* Releases the call and the rendezvous. With `rv` not CKR_OK that is the call's result; stopped
 * before its work, it does none. If no call has stopped there, none will. */
P11MEMORY_EXPORT void p11memory_go(int place, CK_RV rv);

/* Actions of other users of the token: closes all sessions (which ends the login), removes the
 * token or brings it back (sessions are lost), limits the number of sessions (0: no limit but the
 * table's size). */
P11MEMORY_EXPORT void p11memory_lose_sessions(void);
P11MEMORY_EXPORT void p11memory_unplug(int away);
P11MEMORY_EXPORT void p11memory_limit(unsigned sessions);
/* Behaviors of real tokens: every new private key may decrypt, sign and unwrap, whatever its
 * template says; the next new object gets this handle, which must be free. */
P11MEMORY_EXPORT void p11memory_all_uses(int on);
/* Every new private and secret key gets this flag with this value, whatever its template says;
 * MEM_ANY: as the template says. */
P11MEMORY_EXPORT void p11memory_make_with(CK_ATTRIBUTE_TYPE flag, CK_BBOOL value);
P11MEMORY_EXPORT void p11memory_next_handle(CK_OBJECT_HANDLE handle);
/* Two objects exchange their handles. */
P11MEMORY_EXPORT void p11memory_swap_handles(CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b);
/* Objects that behave as on real tokens, until p11memory_as_usual. `label` NULL: all objects;
 * `class` MEM_ANY: all classes. At most 16 at a time. Reading an attribute (MEM_ANY: any) returns
 * `rv`; CKR_OK: the call succeeds with the length CK_UNAVAILABLE_INFORMATION. */
P11MEMORY_EXPORT void p11memory_refuse_attribute(const char *label, CK_OBJECT_CLASS class,
                                                 CK_ATTRIBUTE_TYPE type, CK_RV rv);
/* C_EncryptInit with a secret key returns `rv`. */
P11MEMORY_EXPORT void p11memory_refuse_encrypt(const char *label, CK_RV rv);
/* C_SetAttributeValue returns `rv` and changes nothing, even if `rv` is CKR_OK. */
P11MEMORY_EXPORT void p11memory_refuse_change(const char *label, CK_RV rv);
P11MEMORY_EXPORT void p11memory_as_usual(void);
/* Shows the token in a second slot, too (8; the first is 7), with another description. */
P11MEMORY_EXPORT void p11memory_twin(int on);
/* Counters: open sessions, session objects, whether a user is logged in, calls of C_Login and of
 * C_Initialize that succeeded. */
typedef struct p11memory_state {
    unsigned sessions, session_objects, logged_in, logins, initialisations;
} p11memory_state;
P11MEMORY_EXPORT void p11memory_get(p11memory_state *out);

#endif
