/* SPDX-License-Identifier: Apache-2.0
 *
 * The one status type. One list makes the enumeration, its names, its texts, the codes a host sees
 * and the class that recovery works by. ekm/ and cmk/ turn a status into their host's form.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define CORE_MUST_USE __attribute__((warn_unused_result))
#ifdef __MINGW32__ /* "printf" means Microsoft's dialect there, and we link C99's */
#define CORE_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define CORE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif
#else
#define CORE_MUST_USE
#define CORE_PRINTF(f, a)
#endif

/* What kind of failure it is, hence what may be done about it (pkcs11/recover.c). */
typedef enum core_class {
    CORE_CLASS_NONE,     /* success */
    CORE_CLASS_DATA,     /* the caller's data: one uniform error, nothing is retried */
    CORE_CLASS_USAGE,    /* the caller's arguments */
    CORE_CLASS_POLICY,   /* configuration or policy says no */
    CORE_CLASS_SESSION,  /* the session is gone: take another, retry once */
    CORE_CLASS_LOGIN,    /* the login is gone: log in once for all, retry once */
    CORE_CLASS_HANDLE,   /* the object handle is gone: find the key again, retry once */
    CORE_CLASS_CAPACITY, /* the token or this machine is full: wait or fail */
    CORE_CLASS_DEVICE,   /* the token is gone: initialise again with back-off */
    CORE_CLASS_PIN,      /* never retried */
    CORE_CLASS_QUIRK     /* the token cannot do it this way: the next row of the table */
} core_class;

/* X(name, code, class, text, next step). The code is what SQL Server shows: 0 to 7 are its own,
 * ours start at 2049, are documented in the man page from this list, and never change meaning. */
#define CORE_STATUS_LIST(X)                                                                        \
    X(OK, 0, NONE, "success", "")                                                                  \
    X(FAILURE, 1, USAGE, "internal error", "report it with the log around this line")              \
    X(BUFFER_TOO_SMALL, 2, USAGE, "the buffer is too small", "call again with the size returned")  \
    X(NOT_SUPPORTED, 3, POLICY, "not supported", "use what the manual page names instead")         \
    X(NOT_FOUND, 4, USAGE, "no such object", "list what is there: p11ekm key list")                \
    X(AUTH_FAILED, 5, PIN, "the token refused the PIN, or no session is open",                     \
      "check the PIN (SECRET of the credential, pin_file): each wrong one that is sent counts")    \
    X(INVALID_ARGUMENT, 6, USAGE, "invalid argument",                                              \
      "correct what it names, or report it if a program made this call")                           \
    X(PROVIDER_ERROR, 7, USAGE, "provider not initialised", "load the provider first")             \
    X(CONFIG_MISSING, 2049, POLICY, "no configuration", "run p11ekm init, or set P11EKM_CONF")     \
    X(CONFIG_INVALID, 2050, POLICY, "the configuration is not valid",                              \
      "correct the line named, then run p11ekm doctor")                                            \
    X(UNSAFE_FILE, 2051, POLICY, "others may write this file",                                     \
      "let nobody own or write it but root or administrators and the account of the service")      \
    X(MODULE_LOAD, 2052, POLICY, "the PKCS#11 module cannot be loaded",                            \
      "check 'module' in the configuration and the vendor's installation")                         \
    X(MODULE_INIT, 2053, DEVICE, "the PKCS#11 module does not initialise",                         \
      "check the vendor's service, licence, this account's environment (SoftHSM: SOFTHSM2_CONF)")  \
    X(TOKEN_NOT_FOUND, 2054, DEVICE, "no such token", "p11ekm token list shows the tokens seen")   \
    X(TOKEN_AMBIGUOUS, 2055, POLICY, "more than one token matches",                                \
      "name it by a PKCS#11 URI with its serial number")                                           \
    X(DEVICE, 2056, DEVICE, "the token does not answer",                                           \
      "check the HSM and its client service: operation resumes by itself")                         \
    X(DEVICE_BACKOFF, 2057, CAPACITY, "the token is gone, and the next attempt is not due yet",    \
      "check the HSM and its client service: operation resumes by itself")                         \
    X(POOL_TIMEOUT, 2058, CAPACITY, "all sessions to the token stayed busy",                       \
      "raise max_sessions or find out why the token is slow")                                      \
    X(TOKEN_FULL, 2059, CAPACITY, "the token is out of memory or sessions",                        \
      "free space on the token or lower max_sessions")                                             \
    X(NO_MEMORY, 2060, CAPACITY, "out of memory", "free memory on this machine")                   \
    X(PIN_LOCKED, 2061, PIN, "the user PIN of the token is locked",                                \
      "unlock it with the vendor's tool as security officer")                                      \
    X(PIN_LAST_TRY, 2062, PIN, "the token has one PIN attempt left: not tried",                    \
      "log in once with the right PIN: p11ekm doctor --last-try, or the vendor's tool")            \
    X(PIN_RATIONED, 2063, PIN, "too many wrong PINs: this one was not tried",                      \
      "correct SECRET, then wait for pin_retry_seconds")                                           \
    X(PIN_EXPIRED, 2064, PIN, "the PIN must be changed or was never set",                          \
      "set the user PIN with the vendor's tool")                                                   \
    X(PIN_SOURCE, 2065, PIN, "no PIN", "give SECRET, or name pin_file in the configuration")       \
    X(PIN_FOREIGN_LOGIN, 2066, PIN,                                                                \
      "another component of this process has logged in to the token",                              \
      "let only one of them log in, or set foreign_login")                                         \
    X(KEY_EXISTS, 2067, USAGE, "a key of this name exists", "choose another name")                 \
    X(KEY_AMBIGUOUS, 2068, USAGE, "more than one key matches",                                     \
      "rename or remove one on the token")                                                         \
    X(KEY_USAGE, 2069, POLICY, "the key does not permit this use",                                 \
      "check the attributes named (p11ekm key show)")                                              \
    X(KEY_EXPIRED, 2070, POLICY, "the key is outside its validity dates",                          \
      "rotate to a valid key, or set expiry = warn")                                               \
    X(POLICY, 2071, POLICY, "the policy forbids it", "see the policy keys in p11ekm.conf(5)")      \
    X(MECHANISM, 2072, QUIRK, "the token does not offer this mechanism",                           \
      "p11ekm probe shows what the token can do")                                                  \
    X(DECRYPT_FAILED, 2073, DATA, "decryption failed",                                             \
      "use the key that the data was made with (its thumbprint), or the data's backup")            \
    X(DATA_LENGTH, 2074, DATA, "the data has a length this key cannot take", "check the data")     \
    X(SIGNATURE_INVALID, 2075, DATA, "the signature does not verify",                              \
      "restore what was signed, or verify with the key that signed it")                            \
    X(FORMAT, 2076, DATA, "the data is not of the expected format", "check where it comes from")   \
    X(AUDIT, 2077, POLICY, "the audit record cannot be written",                                   \
      "make room or correct 'audit' (audit_failure = warn goes on without)")                       \
    X(IO, 2078, POLICY, "a file cannot be read or written", "check the path and its rights")       \
    X(SESSION_LOST, 2079, SESSION, "the token dropped the session", "operation resumes by itself") \
    X(LOGIN_LOST, 2080, LOGIN, "the token forgot the login", "open a new session")                 \
    X(HANDLE_LOST, 2081, HANDLE, "the key is no longer where it was",                              \
      "p11ekm key list shows whether it is still on the token")                                    \
    X(UNTRUSTED_PATH, 2082, POLICY, "the key path is not on the list of trusted paths",            \
      "add it to trusted_paths if it is yours")                                                    \
    X(SIGN_FAILED, 2083, DEVICE, "the token did not sign", "p11ekm doctor")                        \
    X(SESSION_BUSY, 2084, SESSION, "an operation was left open in the session",                    \
      "operation resumes by itself")                                                               \
    X(KEY_UNPROVEN, 2085, POLICY, "the public key is not proven to fit the private key",           \
      "p11ekm doctor tries the key")

typedef enum core_status {
#define CORE_STATUS_ENUM(name, code, cls, text, next) ST_##name,
    CORE_STATUS_LIST(CORE_STATUS_ENUM)
#undef CORE_STATUS_ENUM
        ST_COUNT_
} core_status;

/* The table's columns. An unknown value reads as ST_FAILURE. Strings are static. */
const char *core_status_name(core_status st);
const char *core_status_text(core_status st);
const char *core_status_next(core_status st);
unsigned core_status_code(core_status st);
core_class core_status_class(core_status st);

/* What a failed call has to say beyond its status. `text` names the object, the cause and the next
 * step in UTF-8, never a secret, and is empty where nothing was said. Owned by the caller. */
typedef struct core_err {
    core_status status;
    char text[512];
    bool passed_over; /* ST_NOT_FOUND of what is there, and is not ours to use */
    const char
        *served_by; /* label of the group's token asked last, the context's; NULL: no group */
} core_err;

/* Notes `st` and the formatted text (cut at a character boundary, made fit to print) in *err, which
 * may be NULL, and returns `st`: `return core_fail(err, ST_IO, "...")`. */
core_status core_fail(core_err *err, core_status st, const char *format, ...) CORE_PRINTF(3, 4);

/* The next step: what follows the last "; " of err->text outside quotes, else the table's. */
const char *core_err_next(const core_err *err, core_status st);
/* What to show: err->text, else the status's own text and next step. Both: static or of *err. */
const char *core_err_text(const core_err *err, core_status st);

#endif
