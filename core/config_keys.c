/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of configuration keys, and the words their values are made of.
 */
#include "core/config_private.h"

#include <string.h>

static const char *const loader_words[] = {"auto", "p11-kit", "direct", NULL};
static const char *const finalize_words[] = {"auto", "never", NULL};
static const char *const auto_words[] = {"auto", "yes", "no", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_words[] = {"stderr", "syslog", "none", NULL};
static const char *const audit_words[] = {"none", NULL};
static const char *const onfail_words[] = {"refuse", "warn", NULL};
static const char *const blob_words[] = {"cng", "capi", "der", NULL};
static const char *const change_words[] = {"relogin", "reinitialize", "refuse", NULL};
static const char *const foreign_words[] = {"refuse", "logout", "trust", NULL};
static const char *const padding_words[] = {"oaep-sha256", "oaep-sha1", "pkcs1", NULL};
static const char *const where_words[] = {"token", "software", NULL};
static const char *const drop_words[] = {"retire", "destroy", "deny", NULL};
static const char *const expiry_words[] = {"deny-new", "deny", "warn", "ignore", NULL};
static const char *const unprotected_words[] = {"refuse", "allow", NULL};
static const char *const order_words[] = {"preference", "round-robin", NULL};
static const char *const group_create_words[] = {"refuse", "single", NULL};
static const char *const algorithm_words[] = {"RSA_2048",        "RSA_3072", "RSA_4096",
                                              "AES_128",         "AES_192",  "AES_256",
                                              "TRIPLE_DES_3KEY", "RSA_1024", NULL};

#define GLOBAL(field) CONFIG_GLOBAL, offsetof(core_config, field)
#define TOKEN(field)  CONFIG_TOKEN, offsetof(core_token_config, field)
#define BOTH(field)   CONFIG_BOTH, offsetof(core_token_config, field)
/* Expanded in two steps, so that GLOBAL and its like become two arguments. */
#define KEY(...) KEY_(__VA_ARGS__)
#define KEY_(name, scope, offset, type, words, min, max, fallback, brief, more)    \
    {                                                                              \
        name, scope, CONFIG_##type, offset, words, min, max, fallback, brief, more \
    }

/* clang-format off */
const config_key config_keys[] = {
    KEY("module", GLOBAL(module), PATH, NULL, 0, 0, NULL,
        "The PKCS#11 library of the token: its absolute path. Required.",
        "Neither it nor any directory above it may be writable by others than root and the "
        "running user."),
    KEY("init_args", GLOBAL(init_args), STRING, NULL, 0, 0, NULL,
        "A string for the module's C_Initialize (pReserved).",
        "NSS needs one; other modules refuse it."),
    KEY("module_loader", GLOBAL(module_loader), WORD, loader_words, 0, 0, "auto",
        "How the module is loaded.",
        "p11-kit shares one initialisation with other users of the module in the process; direct "
        "uses the system's loader; auto is p11-kit where there is one."),
    KEY("finalize", GLOBAL(finalize), WORD, finalize_words, 0, 0, "auto",
        "Whether the module's C_Finalize may be called.",
        "C_Finalize ends the work of every component of the process that uses the module. auto: it is "
        "called only where p11ekm called C_Initialize, with no call of p11ekm inside: when the last "
        "configuration that uses the module closes, and to recover; on Windows not at a close while "
        "another copy of p11ekm is loaded in the process. never: not at all, not to recover either; "
        "for a module that another component uses without asking whether it is initialized. One "
        "configuration with never decides for all that use the module."),
    KEY("serialize", GLOBAL(serialize), WORD, auto_words, 0, 0, "auto",
        "Only one call into the module at a time.",
        "For modules that are not safe with threads, although they say so. auto: yes for those "
        "known to need it by the name of their file (p11-kit-client.so, libtpm2_pkcs11.so), else "
        "no."),
    KEY("mask_sigpipe", GLOBAL(mask_sigpipe), WORD, auto_words, 0, 0, "auto",
        "Keep SIGPIPE from the process while the module runs.",
        "Modules that talk to a service over a socket may raise it when the service ends, which "
        "kills a process that does not ignore it. auto: yes where SIGPIPE would kill the process, "
        "except for software tokens known to use no connection (SoftHSM, NSS). Costs about a "
        "microsecond an operation."),
    KEY("startup_tries", GLOBAL(startup_tries), NUMBER, NULL, 1, 1000, "20",
        "How often the first sessions to a token try to reach it.",
        "A database that starts with the machine may be earlier than the HSM's service."),
    KEY("startup_interval_seconds", GLOBAL(startup_interval_seconds), NUMBER, NULL, 0, 600, "5",
        "Seconds between two of these tries.", NULL),
    KEY("shared_reset_seconds", GLOBAL(shared_reset_seconds), NUMBER, NULL, 0, 86400, "5",
        "How long one token of the module is gone before the module is initialised anew for it while "
        "others are at work; 0: never.",
        "Some modules find a token that came back in no other way. It makes the others wait for as "
        "long as it takes, and log in again. The time doubles with each try, up to 64-fold, and is "
        "at least twenty times as long as the last try took."),
    KEY("slow_call_ms", GLOBAL(slow_call_ms), NUMBER, NULL, 0, 3600000, "2000",
        "Log calls into the module that take longer than this many milliseconds; 0: none.", NULL),
    KEY("log", GLOBAL(log), WORD_OR_PATH, log_words, 0, 0, "syslog",
        "Where the log goes.",
        "On Windows, syslog is the event log. In a path, %u stands for the account that writes the "
        "file, so that each has its own: nobody but that account and administrators may write it."),
    KEY("log_level", GLOBAL(log_level), WORD, level_words, 0, 0, "info",
        "The least important lines that are logged.", NULL),
    KEY("audit", GLOBAL(audit), WORD_OR_PATH, audit_words, 0, 0, "none",
        "Where the audit trail goes, one JSON object per line.",
        "It records sessions and key management. %u in the path as for log. The file may be rotated by renaming it. FILE.lock "
        "beside it orders the writers. A text of more than 4096 bytes is cut off, and ends in \"...\"."),
    KEY("audit_data", GLOBAL(audit_data), BOOL, NULL, 0, 0, "no",
        "Audit encryption and decryption, too.", NULL),
    KEY("audit_failure", GLOBAL(audit_failure), WORD, onfail_words, 0, 0, "refuse",
        "What to do when a record cannot be written.",
        "refuse fails the operation, before the token is touched where it changes a key; warn logs "
        "once and goes on."),
    KEY("export_blob", GLOBAL(export_blob), WORD, blob_words, 0, 0, "cng",
        "The form in which public keys are given to SQL Server.",
        "cng: BCRYPT_RSAPUBLIC_BLOB; capi: PUBLICKEYBLOB; der: PKCS#1 RSAPublicKey."),
    KEY("trusted_paths", GLOBAL(trusted_paths), STRING, NULL, 0, 0, NULL,
        "Patterns of the column master key paths that may be used, comma-separated.",
        "A key path that matches none is refused before the token is touched. Unset, any path "
        "may be used."),
    KEY("cek_cache_entries", GLOBAL(cek_cache_entries), NUMBER, NULL, 0, 10000, "0",
        "How many column encryption keys are kept in memory; 0: none.",
        "For drivers without a cache of their own."),
    KEY("cek_cache_seconds", GLOBAL(cek_cache_seconds), NUMBER, NULL, 1, 86400, "7200",
        "How long one is kept.", NULL),
    KEY("accept_double_hash", GLOBAL(accept_double_hash), BOOL, NULL, 0, 0, "no",
        "Accept signatures over a hash of the hash.",
        "MSSQL_CNG_STORE, MSSQL_CSP_PROVIDER and the Java key store make them. For migration."),

    KEY("token", TOKEN(token), STRING, NULL, 0, 0, NULL,
        "Which token this is: its PKCS#11 URI (RFC 7512) or its label. Required, except in a group.",
        "Exactly one token must match. Each attribute of a URI is compared, those of slot, library "
        "and module, too; one that names a key (object, id, type) or a PIN is refused. Two tokens "
        "that differ by their slots only are told apart by slot-id."),
    KEY("members", TOKEN(members), STRING, NULL, 0, 0, NULL,
        "Makes the section a group of tokens that hold the same keys: the aliases of 2 to 8 tokens, "
        "comma-separated, in the order of preference.",
        "An operation that fails on one because the device fails is done on another."),
    KEY("group_order", TOKEN(group_order), WORD, order_words, 0, 0, "preference",
        "Which member serves: the first that is there, or each in turn.", NULL),
    KEY("group_create", TOKEN(group_create), WORD, group_create_words, 0, 0, "refuse",
        "Whether keys may be created on the group.",
        "single creates them on the first member only, from where they have to be copied to the "
        "others; it needs group_order = preference."),
    KEY("pin_file", BOTH(pin_file), PATH, NULL, 0, 0, NULL,
        "A file with the PIN, for credentials with an empty SECRET. Without it, a token that has a "
        "keypad of its own is logged in to there, and one that has no user login without a PIN.",
        "Owned by root or the running user and readable by nobody else; no symbolic link."),
    KEY("max_sessions", BOTH(max_sessions), NUMBER, NULL, 0, 1024, "0",
        "The most sessions to open with the token; 0: what it allows less one, at most 32.", NULL),
    KEY("session_wait_ms", BOTH(session_wait_ms), NUMBER, NULL, 0, 600000, "10000",
        "How long a request waits for a free session, in milliseconds.", NULL),
    KEY("pin_tries", BOTH(pin_tries), NUMBER, NULL, 1, 100, "2",
        "How many PINs in a row may fail at the token before they are rationed.",
        "Each login that fails counts, unless the token's answer proves that it did not look at the "
        "PIN: many tokens report a wrong PIN by a vendor's code or as a general error. Stay below "
        "the limit at which the token locks itself."),
    KEY("pin_retry_seconds", BOTH(pin_retry_seconds), NUMBER, NULL, 1, 86400, "300",
        "When rationed, one new PIN is tried each so many seconds.", NULL),
    KEY("relogin", BOTH(relogin), BOOL, NULL, 0, 0, "yes",
        "Keep the PIN, sealed in locked memory, while sessions are open.",
        "It lets the provider log in again by itself after the token was gone."),
    KEY("pin_change", BOTH(pin_change), WORD, change_words, 0, 0, "relogin",
        "What to do with a PIN that is not the one logged in, as it may be the token's new one.",
        "relogin asks the token: it is logged out and in with it while all wait, and if it refuses "
        "the PIN, with the old one again. reinitialize does so with the module initialised anew, "
        "for modules that go by the PIN of their start (SoftHSM: relogin does it, too). refuse "
        "takes the PIN for a wrong one, as is done with relogin = no: a new one works when all "
        "sessions are closed."),
    KEY("foreign_login", BOTH(foreign_login), WORD, foreign_words, 0, 0, "refuse",
        "What to do when another component of the process has logged in to the token.",
        "The PIN cannot be verified beside it. logout ends its login; trust takes the PIN "
        "unverified."),
    KEY("rsa_padding", BOTH(rsa_padding), WORD, padding_words, 0, 0, "oaep-sha256",
        "The padding for RSA encryption.",
        "Where a key refuses oaep-sha256 and rsa_unwrap allows oaep-sha1, that is used, and the log says "
        "so. It must be one of rsa_unwrap."),
    KEY("rsa_unwrap", BOTH(rsa_unwrap), SET, padding_words, 0, 0, "oaep-sha256, oaep-sha1",
        "The paddings that RSA decryption accepts, tried in the order oaep-sha256, oaep-sha1, "
        "pkcs1.",
        "pkcs1 (PKCS#1 v1.5) is open to padding oracles; allow it only for old data."),
    KEY("rsa_raw", BOTH(rsa_raw), BOOL, NULL, 0, 0, "no",
        "Do OAEP over raw RSA (CKM_RSA_X_509) where the token lacks it.",
        "The token then takes no padding off: the padded block of what is decrypted passes through "
        "the memory of this process, which unpads it in constant time. Keys must allow raw RSA on "
        "the token. Wrapping inside the token cannot be done so."),
    KEY("public_ops", BOTH(public_ops), WORD, where_words, 0, 0, "token",
        "Where RSA encryption, which needs the public key only, is done.",
        "Either way the public key is first proven to belong to the private key. token uses a session "
        "object made from the proven numbers, or the token's own public object, compared each time; "
        "a token that has neither is refused. software encrypts in this process."),
    KEY("drop", BOTH(drop), WORD, drop_words, 0, 0, "retire",
        "What DROP ... REMOVE PROVIDER KEY does.",
        "retire renames and hides the key, and p11ekm key can restore or purge it; destroy "
        "deletes it from the token for good; deny refuses."),
    KEY("expiry", BOTH(expiry), WORD, expiry_words, 0, 0, "deny-new",
        "What to do with keys outside their validity dates.",
        "deny-new: such a key stops encrypting, wrapping and signing, and still decrypts and "
        "unwraps, with a warning a day in the log. deny: it stops altogether, so a database whose "
        "protector expires does not open at its next start. warn: it goes on, with a warning a day. "
        "ignore: dates are not looked at. Except with ignore, a key in use is named in the log once "
        "a day from 30 days before its end."),
    KEY("key_recheck_seconds", BOTH(key_recheck_seconds), NUMBER, NULL, 0, 86400, "10",
        "How long a key that was found on the token is believed to be the same, and to be neither "
        "retired, disabled nor expired; 0: until the session with the token ends.",
        "The first use after that reads the key's identity and state again, with one call. What an "
        "administrator changes in another process takes effect within this time. Signing, making "
        "and rewrapping column encryption keys, renaming and destroying search for the key each "
        "time."),
    KEY("algorithms", BOTH(algorithms), SET, algorithm_words, 0, 0,
        "RSA_2048, RSA_3072, RSA_4096, AES_128, AES_192, AES_256, TRIPLE_DES_3KEY",
        "The algorithms of keys that may be created and used.",
        "Column master keys of Always Encrypted are bound, too: one of another algorithm makes no "
        "values and opens none. Of those, an RSA key of another size counts as the largest size "
        "below it."),
    KEY("create", BOTH(create), BOOL, NULL, 0, 0, "yes",
        "Whether keys may be created at all.", NULL),
    KEY("ekm_keys", BOTH(ekm_keys), STRING, NULL, 0, 0, NULL,
        "RSA keys that may both sign and unwrap and that SQL Server may use all the same, by patterns "
        "of their names (`*` is any text), separated by commas.",
        "An RSA key that may both sign and unwrap is a column master key of Always Encrypted. The "
        "EKM provider refuses it, because a database administrator could read column encryption "
        "keys with DecryptByAsymKey. Name here imported keys that protect databases, and keys of "
        "tokens that cannot separate the uses, such as a TPM; never a column master key."),
    KEY("unprotected_keys", BOTH(unprotected_keys), WORD, unprotected_words, 0, 0, "refuse",
        "What to do with keys whose CKA_PRIVATE is not TRUE.",
        "Anybody who reaches the token can put such a key on it without the PIN, under any name. "
        "refuse leaves them out of every search, and p11ekm doctor fails on them; allow is for a "
        "token that has no other keys. In a group, each token goes by its own section."),
};
/* clang-format on */
const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

const config_key *config_key_find(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    }
    return NULL;
}

enum { NAME_ROOM = 32 };

/* Levenshtein's distance; names too long for the row are far from all. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_ROOM + 1];
    const size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_ROOM || b_len > NAME_ROOM)
        return NAME_ROOM;
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            const unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            const unsigned changed = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = replaced < changed ? replaced : changed;
        }
    }
    return row[b_len];
}

const char *config_key_near(const char *name)
{
    const char *nearest = NULL;
    unsigned best = 4; /* three slips at most, and fewer than half the letters */
    for (size_t i = 0; i < config_key_count; i++) {
        const unsigned d = distance(name, config_keys[i].name);
        if (d < best && 2 * (size_t)d < strlen(config_keys[i].name)) {
            best = d;
            nearest = config_keys[i].name;
        }
    }
    return nearest;
}

static const struct {
    unsigned bits, iv_bits;
} algorithm_sizes[CORE_ALG_COUNT] = {
    [CORE_ALG_RSA_2048] = {2048, 0}, [CORE_ALG_RSA_3072] = {3072, 0},
    [CORE_ALG_RSA_4096] = {4096, 0}, [CORE_ALG_AES_128] = {128, 128},
    [CORE_ALG_AES_192] = {192, 128}, [CORE_ALG_AES_256] = {256, 128},
    [CORE_ALG_3DES] = {192, 64},     [CORE_ALG_RSA_1024] = {1024, 0}};

const char *core_algorithm_tag(core_algorithm a)
{
    return (unsigned)a < CORE_ALG_COUNT ? algorithm_words[a] : NULL;
}

const char *core_padding_name(core_padding p)
{
    return (unsigned)p < CORE_PAD_COUNT ? padding_words[p] : NULL;
}

unsigned core_algorithm_bits(core_algorithm a)
{
    return (unsigned)a < CORE_ALG_COUNT ? algorithm_sizes[a].bits : 0;
}

unsigned core_algorithm_iv_bits(core_algorithm a)
{
    return (unsigned)a < CORE_ALG_COUNT ? algorithm_sizes[a].iv_bits : 0;
}

bool core_algorithm_is_rsa(core_algorithm a)
{
    return (unsigned)a < CORE_ALG_COUNT && algorithm_sizes[a].iv_bits == 0;
}
