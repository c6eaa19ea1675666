/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of configuration keys, and the words that their values consist of.
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
/* Expanded in two steps, so that GLOBAL and similar macros become two arguments. */
#define KEY(...) KEY_(__VA_ARGS__)
#define KEY_(name, scope, offset, type, words, min, max, fallback, brief, more)    \
    {                                                                              \
        name, scope, CONFIG_##type, offset, words, min, max, fallback, brief, more \
    }

/* clang-format off */
const config_key config_keys[] = {
    KEY("module", GLOBAL(module), PATH, NULL, 0, 0, NULL,
        "The PKCS#11 library of the token: its absolute path. Required.",
        "Only root and the running user may have write access to it and to the directories above "
        "it."),
    KEY("init_args", GLOBAL(init_args), STRING, NULL, 0, 0, NULL,
        "A string for the module's C_Initialize (pReserved).",
        "NSS requires one; other modules refuse it."),
    KEY("module_loader", GLOBAL(module_loader), WORD, loader_words, 0, 0, "auto",
        "How the module is loaded.",
        "p11-kit: through p11-kit, which shares one initialization among all its users in the "
        "process. direct: with the system's loader. auto: p11-kit on Linux if init_args is not "
        "set, else direct."),
    KEY("finalize", GLOBAL(finalize), WORD, finalize_words, 0, 0, "auto",
        "Whether p11ekm may call the module's C_Finalize.",
        "C_Finalize ends the sessions of every component of the process that uses the module. "
        "auto: p11ekm calls it only if p11ekm called C_Initialize and no call of p11ekm is "
        "active: when the last configuration that uses the module closes, and for recovery; on "
        "Windows not at a close while another copy of p11ekm is loaded in the process. never: "
        "p11ekm does not call it, not even for recovery; for a module that another component "
        "uses without checking whether it is initialized. If one configuration says never, that "
        "applies to all that use the module."),
    KEY("serialize", GLOBAL(serialize), WORD, auto_words, 0, 0, "auto",
        "Allow only one call into the module at a time.",
        "For modules that are not thread-safe although they claim to be. auto: yes for modules "
        "that are known to need it, by file name (p11-kit-client.so, libtpm2_pkcs11.so), else no."),
    KEY("mask_sigpipe", GLOBAL(mask_sigpipe), WORD, auto_words, 0, 0, "auto",
        "Block SIGPIPE while the module runs.",
        "Modules that use a socket may raise it when the service at the other end stops, which "
        "kills a process that does not ignore it. auto: yes if SIGPIPE would kill the process, "
        "except for software tokens known to use no connection (SoftHSM, NSS). Costs about a "
        "microsecond per operation."),
    KEY("startup_tries", GLOBAL(startup_tries), NUMBER, NULL, 1, 1000, "20",
        "How many times the first sessions to a token try to reach it.",
        "A database that starts with the machine may start before the HSM's service."),
    KEY("startup_interval_seconds", GLOBAL(startup_interval_seconds), NUMBER, NULL, 0, 600, "5",
        "Seconds between two of these tries.", NULL),
    KEY("shared_reset_seconds", GLOBAL(shared_reset_seconds), NUMBER, NULL, 0, 86400, "5",
        "If one token is unavailable while other tokens of the module are in use, wait this many "
        "seconds before the module is re-initialized to recover it; 0: never re-initialize for "
        "this.",
        "Some modules find a token that came back only after re-initialization. All other "
        "sessions wait for it and log in again. The time doubles after each failed attempt, up "
        "to 64-fold, and is at least twenty times the duration of the last attempt."),
    KEY("slow_call_ms", GLOBAL(slow_call_ms), NUMBER, NULL, 0, 3600000, "2000",
        "Log calls into the module that take longer than this many milliseconds; 0: none.", NULL),
    KEY("log", GLOBAL(log), WORD_OR_PATH, log_words, 0, 0, "syslog",
        "Where the log is written.",
        "On Windows, syslog is the event log. In a path, %u stands for the account that writes "
        "the file, so that each account has its own file: only that account and administrators "
        "may have write access to it."),
    KEY("log_level", GLOBAL(log_level), WORD, level_words, 0, 0, "info",
        "The least important level that is logged.", NULL),
    KEY("audit", GLOBAL(audit), WORD_OR_PATH, audit_words, 0, 0, "none",
        "Where the audit trail is written, one JSON object per line.",
        "It records sessions and key management. %u in the path has the same meaning as for log. "
        "The file may be rotated by renaming it. Writers lock FILE.lock in the same directory. A "
        "text of more than 4096 bytes is truncated and ends in \"...\"."),
    KEY("audit_data", GLOBAL(audit_data), BOOL, NULL, 0, 0, "no",
        "Also audit encryption and decryption.", NULL),
    KEY("audit_failure", GLOBAL(audit_failure), WORD, onfail_words, 0, 0, "refuse",
        "What to do if an audit record cannot be written.",
        "refuse: the operation fails; one that changes a key fails before the token is changed. "
        "warn: log a warning once and continue."),
    KEY("export_blob", GLOBAL(export_blob), WORD, blob_words, 0, 0, "cng",
        "The format of public keys that SQL Server gets.",
        "cng: BCRYPT_RSAPUBLIC_BLOB; capi: PUBLICKEYBLOB; der: PKCS#1 RSAPublicKey."),
    KEY("trusted_paths", GLOBAL(trusted_paths), STRING, NULL, 0, 0, NULL,
        "Patterns of the column master key paths that may be used, comma-separated.",
        "A key path that matches no pattern is refused before any call to the token. If this key "
        "is not set, every path may be used."),
    KEY("cek_cache_entries", GLOBAL(cek_cache_entries), NUMBER, NULL, 0, 10000, "0",
        "How many column encryption keys are cached in memory; 0: none.",
        "For drivers without a cache of their own."),
    KEY("cek_cache_seconds", GLOBAL(cek_cache_seconds), NUMBER, NULL, 1, 86400, "7200",
        "How many seconds a column encryption key is cached.", NULL),
    KEY("accept_double_hash", GLOBAL(accept_double_hash), BOOL, NULL, 0, 0, "no",
        "Accept signatures over a hash of the hash.",
        "MSSQL_CNG_STORE, MSSQL_CSP_PROVIDER and the Java key store create them. For migration."),

    KEY("token", TOKEN(token), STRING, NULL, 0, 0, NULL,
        "The PKCS#11 URI (RFC 7512) or the label of this token. Required, except in a group.",
        "Exactly one token must match. Each attribute of a URI is compared, including those of "
        "slot, library and module; an attribute of a key (object, id, type) or a PIN is refused. "
        "Use slot-id to distinguish two tokens that differ only by their slots."),
    KEY("members", TOKEN(members), STRING, NULL, 0, 0, NULL,
        "Makes the section a group of tokens that hold the same keys: the aliases of 2 to 8 "
        "tokens, comma-separated, in the order of preference.",
        "An operation that fails on one member because the device fails is repeated on another."),
    KEY("group_order", TOKEN(group_order), WORD, order_words, 0, 0, "preference",
        "Which member serves: preference: the first that is available; round-robin: each member, "
        "one after the other.", NULL),
    KEY("group_create", TOKEN(group_create), WORD, group_create_words, 0, 0, "refuse",
        "Whether keys may be created on the group.",
        "single: they are created on the first member only, and an administrator must copy them "
        "to the others; it requires group_order = preference."),
    KEY("pin_file", BOTH(pin_file), PATH, NULL, 0, 0, NULL,
        "A file with the PIN, for credentials with an empty SECRET. Without it, p11ekm logs in "
        "on the keypad of a token that has one, and uses a token that has no user login without "
        "a PIN.",
        "Root or the running user must own it, nobody else may read it, and it must not be a "
        "symbolic link."),
    KEY("max_sessions", BOTH(max_sessions), NUMBER, NULL, 0, 1024, "0",
        "The maximum number of sessions with the token; 0: one less than the token allows, at "
        "most 32.", NULL),
    KEY("session_wait_ms", BOTH(session_wait_ms), NUMBER, NULL, 0, 600000, "10000",
        "How many milliseconds a request waits for a free session.", NULL),
    KEY("pin_tries", BOTH(pin_tries), NUMBER, NULL, 1, 100, "2",
        "How many PINs in a row may fail at the token before p11ekm limits the rate of tries.",
        "Each failed login counts, unless the token's return value proves that it did not check "
        "the PIN: many tokens report a wrong PIN by a vendor's code or as a general error. Use a "
        "smaller number than the limit at which the token locks itself."),
    KEY("pin_retry_seconds", BOTH(pin_retry_seconds), NUMBER, NULL, 1, 86400, "300",
        "While tries are limited, one new PIN is tried per this many seconds.", NULL),
    KEY("relogin", BOTH(relogin), BOOL, NULL, 0, 0, "yes",
        "Cache the PIN, encrypted in locked memory, while sessions are open.",
        "The provider can then log in again by itself after an outage of the token."),
    KEY("pin_change", BOTH(pin_change), WORD, change_words, 0, 0, "relogin",
        "What to do with a PIN that is not the one logged in, because it may be the token's new "
        "PIN.",
        "relogin: ask the token: log out and log in with the new PIN while all sessions wait, "
        "and, if the token refuses it, log in with the old PIN again. reinitialize: the same, "
        "but re-initialize the module, for modules that read the PIN only at C_Initialize (for "
        "SoftHSM relogin does this, too). refuse: treat it as a wrong PIN, as with relogin = no: "
        "a new PIN works after all sessions are closed."),
    KEY("foreign_login", BOTH(foreign_login), WORD, foreign_words, 0, 0, "refuse",
        "What to do when another component of the process has logged in to the token.",
        "In this state the PIN cannot be verified. refuse: fail. logout: end the other login. "
        "trust: accept the PIN unverified."),
    KEY("rsa_padding", BOTH(rsa_padding), WORD, padding_words, 0, 0, "oaep-sha256",
        "The padding for RSA encryption.",
        "If a key refuses oaep-sha256 and rsa_unwrap allows oaep-sha1, p11ekm uses oaep-sha1 and "
        "logs it. The value must be one of rsa_unwrap."),
    KEY("rsa_unwrap", BOTH(rsa_unwrap), SET, padding_words, 0, 0, "oaep-sha256, oaep-sha1",
        "The paddings that RSA decryption accepts, tried in the order oaep-sha256, oaep-sha1, "
        "pkcs1.",
        "pkcs1 (PKCS#1 v1.5) is vulnerable to padding oracles; allow it only for old data."),
    KEY("rsa_raw", BOTH(rsa_raw), BOOL, NULL, 0, 0, "no",
        "Do OAEP over raw RSA (CKM_RSA_X_509) if the token lacks it.",
        "The token then does not remove the padding: the padded block of decrypted data is in "
        "the memory of this process, which removes the padding in constant time. Keys must allow "
        "raw RSA on the token. Wrapping inside the token is not possible this way."),
    KEY("public_ops", BOTH(public_ops), WORD, where_words, 0, 0, "token",
        "Where RSA encryption is done, which needs the public key only.",
        "In both cases the public key is first proven to belong to the private key. token: with "
        "a session object created from the proven numbers, or with the token's own public "
        "object, which is compared each time; a token that has neither is refused. software: in "
        "this process."),
    KEY("drop", BOTH(drop), WORD, drop_words, 0, 0, "retire",
        "What DROP ... REMOVE PROVIDER KEY does.",
        "retire: rename and hide the key; p11ekm key can restore or purge it. destroy: delete it "
        "from the token permanently. deny: refuse."),
    KEY("expiry", BOTH(expiry), WORD, expiry_words, 0, 0, "deny-new",
        "What to do with keys outside their validity dates.",
        "deny-new: such a key no longer encrypts, wraps or signs, but still decrypts and "
        "unwraps, with one warning per day in the log. deny: it does nothing any more, so a "
        "database whose protector has expired does not open at its next start. warn: it still "
        "does everything, with one warning per day. ignore: dates are not checked. Except with "
        "ignore, the log names a key in use once per day from 30 days before its end."),
    KEY("key_recheck_seconds", BOTH(key_recheck_seconds), NUMBER, NULL, 0, 86400, "10",
        "How many seconds p11ekm trusts that a key found on the token is still the same, and is "
        "not retired, disabled or expired; 0: until the session with the token ends.",
        "The first use after that reads the key's identity and state again, with one call. A "
        "change by an administrator in another process takes effect within this time. Signing, "
        "creating and rewrapping column encryption keys, renaming and destroying always search "
        "for the key."),
    KEY("algorithms", BOTH(algorithms), SET, algorithm_words, 0, 0,
        "RSA_2048, RSA_3072, RSA_4096, AES_128, AES_192, AES_256, TRIPLE_DES_3KEY",
        "The algorithms of keys that may be created and used.",
        "This applies to column master keys of Always Encrypted, too: one of another algorithm "
        "can neither create nor open encrypted values. For these, an RSA key of another size "
        "counts as the largest size below it."),
    KEY("create", BOTH(create), BOOL, NULL, 0, 0, "yes",
        "Whether keys may be created at all.", NULL),
    KEY("ekm_keys", BOTH(ekm_keys), STRING, NULL, 0, 0, NULL,
        "RSA keys that may both sign and unwrap and that SQL Server may use nevertheless: "
        "patterns of their names (`*` is any text), comma-separated.",
        "An RSA key that may both sign and unwrap counts as a column master key of Always "
        "Encrypted. The EKM provider refuses it, because a database administrator could read "
        "column encryption keys with DecryptByAsymKey. Name here imported keys that protect "
        "databases, and keys of tokens that cannot separate the uses, such as a TPM; never a "
        "column master key."),
    KEY("unprotected_keys", BOTH(unprotected_keys), WORD, unprotected_words, 0, 0, "refuse",
        "What to do with keys whose CKA_PRIVATE is not TRUE.",
        "Everybody who can reach the token can create such a key without the PIN, under any "
        "name. refuse: searches ignore them, and p11ekm doctor fails on them. allow: for a token "
        "that has no other keys. In a group, the section of each token applies to its keys."),
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

/* The Levenshtein distance. Names that are too long for the row count as different in every letter.
 */
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
    unsigned best = 4; /* at most three errors, and fewer than half of the letters */
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
