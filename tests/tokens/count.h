/* SPDX-License-Identifier: Apache-2.0
 *
 * The fault proxy (also: counting module): a PKCS#11 library that passes every call to the real one
 * named by P11COUNT_MODULE, counts and logs it, and checks its caller against the rules of
 * Cryptoki. A plan can make chosen calls fail or delay them. Tests load it as their token's module
 * and reach the functions below by dlsym of a handle of the same path.
 *
 * Reported as violations: calls before C_Initialize or after C_Finalize; sessions that are not
 * open; an operation that begins while one is active in the session; one that continues or ends
 * while none is active, or in another thread than the one that began it (this shows the use of a
 * closed session's handle that has been reassigned); two threads in one session at once; C_Logout
 * while other sessions with the token have operations; C_Finalize during calls.
 */
#ifndef TESTS_COUNT_H
#define TESTS_COUNT_H

#if defined(__GNUC__)
#define P11COUNT_EXPORT __attribute__((visibility("default")))
#else
#define P11COUNT_EXPORT
#endif

/* Calls of one function since the last reset; NULL: of all. ULONG_MAX for an unknown name. */
P11COUNT_EXPORT unsigned long p11count_get(const char *name);
/* Violations of the rules since the last reset; each has a line in the log. */
P11COUNT_EXPORT unsigned long p11count_violations(void);
/* Clears counts and log; open sessions and operations stay known. */
P11COUNT_EXPORT void p11count_reset(void);
/* The last few thousand calls, oldest first, one a line:
 * "C_DecryptInit session=3 mechanism=0x9 object=5 class=3 rv=0x0 thread=1". Valid until the next
 * call of this function. */
P11COUNT_EXPORT const char *p11count_log(void);

/* Sets the plan, NULL or "" for none; 0, or -1 when it is not understood (the old one stays). Rules
 * are separated by newlines or ';', each made of words:
 *   call=C_Decrypt   the function (required; * is any)
 *   nth=3            the first call that is hit, counted from now (1)
 *   times=2          how many are hit from there (1; 0: all)
 *   rv=0x30          what is returned instead of calling the module
 *   after            the module is called first, then rv replaces its result
 *   delay=200        milliseconds, before the call
 *   hang             the call blocks until the next plan is set
 *   within=1500      hits only in the first 1500 milliseconds of the plan
 *   without=0x161    hits only calls whose template lacks this attribute
 *   object=5         hits only calls with this object or key
 *   hash=0x250       hits only calls with CKM_RSA_PKCS_OAEP and this hash
 *   hide=0x122       the object does not tell this attribute: CKR_ATTRIBUTE_TYPE_INVALID
 *   read-only        hits only calls that open a session for reading
 *   mechanism=0x9    hits only calls with this mechanism, and questions about it
 *   close, logout    the module loses the session, or the login, right before the call
 *   twice            a search that finds one object gives it twice
 *   length=3         the length of the output, whatever it is
 *   short=1          the length of the output, less by this
 *   consume          a question for the size of an output ends the operation
 *   absent           with mechanism=: it is not listed, and CKR_MECHANISM_INVALID
 *   swap             the slot has another token (see below)
 *   max-sessions=2   what C_GetTokenInfo says of them
 *   slots=7          (with no call) all slots bear numbers higher by this
 *   reuse            (with no call) a new session gets the handle of the one that was closed last
 * With P11COUNT_OTHER in the environment, the token of that label is hidden. While calls are hit by
 * a rule with `swap`, it is in the slot of the first token, whose sessions are gone; when a call is
 * not hit, the first is back, and the other's sessions are gone.
 * The environment variable P11COUNT_PLAN sets one at loading. */
P11COUNT_EXPORT int p11count_plan(const char *text);

#endif
