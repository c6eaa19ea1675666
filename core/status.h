/* SPDX-License-Identifier: Apache-2.0
 *
 * The status type of all components. One list defines its values, names, texts, the codes that a
 * host sees, and the class that recovery uses.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define CORE_MUST_USE __attribute__((warn_unused_result))
#ifdef __MINGW32__ /* "printf" means Microsoft's dialect there, and we link C99's printf */
#define CORE_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define CORE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif
#else
#define CORE_MUST_USE
#define CORE_PRINTF(f, a)
#endif

/* The kind of a failure decides what recovery may do (pkcs11/recovery). */
typedef enum core_class {
    CORE_CLASS_NONE,     /* success */
    CORE_CLASS_DATA,     /* the caller's data is invalid: one uniform error, never retried */
    CORE_CLASS_USAGE,    /* the caller's arguments are invalid */
    CORE_CLASS_POLICY,   /* configuration or policy forbids it */
    CORE_CLASS_SESSION,  /* the session is lost: use another one, retry once */
    CORE_CLASS_LOGIN,    /* the login is lost: log in once for all sessions, retry once */
    CORE_CLASS_HANDLE,   /* the object handle is invalid: find the key again, retry once */
    CORE_CLASS_CAPACITY, /* the token or this machine has no resources left: wait or fail */
    CORE_CLASS_DEVICE,   /* the token is unavailable: initialize the module again, with back-off */
    CORE_CLASS_PIN,      /* never retried */
    CORE_CLASS_QUIRK     /* the token does not support this method: try the next one */
} core_class;

/* X(name, code, class, text, next step). SQL Server shows the code: it defines 0 to 7, ours start
 * at 2049 and never change their meaning. p11ekm-ekm(7) has this table (test_ekm --manual). */
#define CORE_STATUS_LIST(X)                                                                       \
    X(OK, 0, NONE, "success", "")                                                                 \
    X(FAILURE, 1, USAGE, "internal error", "report it with the surrounding log lines")            \
    X(BUFFER_TOO_SMALL, 2, USAGE, "the buffer is too small", "call again with the size returned") \
    X(NOT_SUPPORTED, 3, POLICY, "not supported", "see the manual page for what is supported")     \
    X(NOT_FOUND, 4, USAGE, "no such object", "list the keys: p11ekm key list")                    \
    X(AUTH_FAILED, 5, PIN, "the token refused the PIN, or no session is open",                    \
      "check the PIN (SECRET of the credential, pin_file): the token counts each wrong PIN")      \
    X(INVALID_ARGUMENT, 6, USAGE, "invalid argument",                                             \
      "correct the argument named, or report it if a program made the call")                      \
    X(PROVIDER_ERROR, 7, USAGE, "provider not initialized", "load the provider first")            \
    X(CONFIG_MISSING, 2049, POLICY, "no configuration", "run p11ekm init, or set P11EKM_CONF")    \
    X(CONFIG_INVALID, 2050, POLICY, "the configuration is not valid",                             \
      "correct the line named, then run p11ekm doctor")                                           \
    X(UNSAFE_FILE, 2051, POLICY, "other accounts may write this file",                            \
      "only root or administrators and the account of the service may own or write it")           \
    X(MODULE_LOAD, 2052, POLICY, "the PKCS#11 module cannot be loaded",                           \
      "check 'module' in the configuration and the vendor's installation")                        \
    X(MODULE_INIT, 2053, DEVICE, "the PKCS#11 module does not initialize",                        \
      "check the vendor's service, license, this account's environment (SoftHSM: SOFTHSM2_CONF)") \
    X(TOKEN_NOT_FOUND, 2054, DEVICE, "no such token", "list the tokens found: p11ekm token list") \
    X(TOKEN_AMBIGUOUS, 2055, POLICY, "more than one token matches",                               \
      "name it by a PKCS#11 URI with its serial number")                                          \
    X(DEVICE, 2056, DEVICE, "the token does not answer",                                          \
      "check the HSM and its client service: operation resumes by itself")                        \
    X(DEVICE_BACKOFF, 2057, CAPACITY, "the token is unavailable until the next attempt",          \
      "check the HSM and its client service: operation resumes by itself")                        \
    X(POOL_TIMEOUT, 2058, CAPACITY, "all sessions to the token stayed busy",                      \
      "raise max_sessions or find out why the token is slow")                                     \
    X(TOKEN_FULL, 2059, CAPACITY, "the token is out of memory or sessions",                       \
      "free space on the token or lower max_sessions")                                            \
    X(NO_MEMORY, 2060, CAPACITY, "out of memory", "free memory on this machine")                  \
    X(PIN_LOCKED, 2061, PIN, "the user PIN of the token is locked",                               \
      "unlock it with the vendor's tool as security officer")                                     \
    X(PIN_LAST_TRY, 2062, PIN, "the token has one PIN attempt left: the PIN was not sent",        \
      "log in once with the right PIN: p11ekm doctor --last-try, or the vendor's tool")           \
    X(PIN_RATIONED, 2063, PIN, "too many wrong PINs: this PIN was not sent",                      \
      "correct SECRET, then wait for pin_retry_seconds")                                          \
    X(PIN_EXPIRED, 2064, PIN, "the PIN must be changed or was never set",                         \
      "set the user PIN with the vendor's tool")                                                  \
    X(PIN_SOURCE, 2065, PIN, "no PIN", "set SECRET of the credential, or pin_file")               \
    X(PIN_FOREIGN_LOGIN, 2066, PIN,                                                               \
      "another component of this process has logged in to the token",                             \
      "let only one of them log in, or set foreign_login")                                        \
    X(KEY_EXISTS, 2067, USAGE, "a key of this name exists", "choose another name")                \
    X(KEY_AMBIGUOUS, 2068, USAGE, "more than one key matches",                                    \
      "rename or remove one on the token")                                                        \
    X(KEY_USAGE, 2069, POLICY, "the key does not permit this use",                                \
      "check the attributes named (p11ekm key show)")                                             \
    X(KEY_EXPIRED, 2070, POLICY, "the key is outside its validity dates",                         \
      "rotate to a valid key, or set expiry = warn")                                              \
    X(POLICY, 2071, POLICY, "the policy forbids it", "see the policy keys in p11ekm.conf(5)")     \
    X(MECHANISM, 2072, QUIRK, "the token does not support this mechanism",                        \
      "see what the token supports: p11ekm probe")                                                \
    X(DECRYPT_FAILED, 2073, DATA, "decryption failed",                                            \
      "use the key that the data was made with (its thumbprint), or the data's backup")           \
    X(DATA_LENGTH, 2074, DATA, "the length of the data is invalid for the key", "check the data") \
    X(SIGNATURE_INVALID, 2075, DATA, "the signature does not verify",                             \
      "restore what was signed, or verify with the key that signed it")                           \
    X(FORMAT, 2076, DATA, "the data does not have the expected format", "check its source")       \
    X(AUDIT, 2077, POLICY, "the audit record cannot be written",                                  \
      "make room or correct 'audit' (audit_failure = warn continues without)")                    \
    X(IO, 2078, POLICY, "a file cannot be read or written", "check the path and its permissions") \
    X(SESSION_LOST, 2079, SESSION, "the token closed the session", "operation resumes by itself") \
    X(LOGIN_LOST, 2080, LOGIN, "the token lost the login", "open a new session")                  \
    X(HANDLE_LOST, 2081, HANDLE, "the key handle is no longer valid",                             \
      "check that the key is still on the token: p11ekm key list")                                \
    X(UNTRUSTED_PATH, 2082, POLICY, "the key path matches no pattern of trusted_paths",           \
      "add it to trusted_paths if it is yours")                                                   \
    X(SIGN_FAILED, 2083, DEVICE, "the token did not sign", "run p11ekm doctor")                   \
    X(SESSION_BUSY, 2084, SESSION, "another operation was active in the session",                 \
      "operation resumes by itself")                                                              \
    X(KEY_UNPROVEN, 2085, POLICY, "the public key is not proven to belong to the private key",    \
      "test the key: p11ekm doctor")

typedef enum core_status {
#define CORE_STATUS_ENUM(name, code, cls, text, next) ST_##name,
    CORE_STATUS_LIST(CORE_STATUS_ENUM)
#undef CORE_STATUS_ENUM
        ST_COUNT_
} core_status;

/* The columns of the table. An unknown value reads as ST_FAILURE. The strings are static. */
const char *core_status_name(core_status st);
const char *core_status_text(core_status st);
const char *core_status_next(core_status st);
unsigned core_status_code(core_status st);
core_class core_status_class(core_status st);

/* The details of a failed call. `text` names the object, the cause and the next step in UTF-8. It
 * contains no secret, and is empty if there are no details. The caller owns it. */
typedef struct core_err {
    core_status status;
    char text[512];
    bool passed_over;      /* ST_NOT_FOUND: the object exists, but policy excludes it */
    const char *served_by; /* label of the group's token called last, owned by the context; NULL */
} core_err;

/* Stores `st` and the formatted text in *err, which may be NULL, and returns `st`: `return
 * core_fail(err, ST_IO, "...")`. The text is truncated at a character boundary and sanitized. */
core_status core_fail(core_err *err, core_status st, const char *format, ...) CORE_PRINTF(3, 4);

/* The next step: the text after the last "; " of err->text outside quotes, else the table's. */
const char *core_err_next(const core_err *err, core_status st);
/* The text to show: err->text, else text and next step of the table. Static or part of *err. */
const char *core_err_text(const core_err *err, core_status st);

#endif
