/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration: one file in OpenSSL's NCONF syntax, read once, then constant. Global keys
 * stand before the first section; a `[token ALIAS]` section names a token and may override the
 * token keys. One table (config_keys.c) holds every key, for the parser and all documentation.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "core/config_types.h"
#include "core/status.h"
#include "core/text.h"

/* The settings that may differ between tokens. core_config.defaults has the global values. */
typedef struct core_token_config {
    char *alias;   /* NULL in the defaults */
    char *token;   /* PKCS#11 URI or label; NULL in the defaults and in a group */
    char *members; /* of a group, the aliases of its tokens; NULL: it is a token */
    core_order group_order;
    core_group_create group_create;
    unsigned member_count; /* of a group */
    const struct core_token_config *member[CORE_GROUP_MOST];
    char *pin_file;             /* NULL: the PIN comes with the credential */
    unsigned max_sessions;      /* 0: what the token allows less one, at most 32 */
    unsigned session_wait_ms;   /* for a free session */
    unsigned pin_tries;         /* wrong PINs sent to the token before rationing */
    unsigned pin_retry_seconds; /* while rationed: one new PIN is sent per this time */
    bool relogin;               /* keep the sealed PIN for recovery while sessions are open */
    core_change pin_change;     /* of a PIN that is not the one logged in */
    core_foreign foreign_login;
    core_padding rsa_padding; /* for wrapping; a weaker OAEP where the token lacks it */
    unsigned rsa_unwrap;      /* set of paddings an unwrap accepts */
    bool rsa_raw;             /* OAEP over raw RSA where the token lacks it */
    core_where public_ops;
    core_drop drop;
    core_expiry expiry;
    unsigned key_recheck_seconds; /* a key's handle and state are used so long; 0: always */
    unsigned algorithms;          /* set: what may be created and used */
    bool create;                  /* whether keys may be created at all */
    core_unprotected unprotected_keys;
    char *ekm_keys; /* patterns of column master keys that SQL Server may use; NULL: none */
} core_token_config;

typedef struct core_config {
    char *path;      /* where it was read from */
    char *module;    /* absolute path of the PKCS#11 library */
    char *init_args; /* CK_C_INITIALIZE_ARGS.pReserved (NSS), NULL */
    core_loader module_loader;
    core_finalize finalize; /* whether C_Finalize may be called */
    core_auto serialize;    /* one call into the module at a time */
    core_auto mask_sigpipe;
    unsigned startup_tries; /* for a token that becomes available late */
    unsigned startup_interval_seconds;
    unsigned shared_reset_seconds; /* see p11ekm.conf(5); 0: never */
    unsigned slow_call_ms;         /* a call into the module longer than this is logged; 0: none */
    char *log;                     /* "stderr", "syslog", "none" or an absolute path */
    char *log_pattern;             /* the path of the log as written, with %u; NULL: has none */
    core_level log_level;
    char *audit;         /* "none" or an absolute path */
    char *audit_pattern; /* the path as written, with %u; NULL: has none */
    bool audit_data;     /* data operations, too */
    core_onfail audit_failure;
    core_blob export_blob;
    char *trusted_paths;        /* patterns of CMK key paths, comma-separated; NULL: any */
    unsigned cek_cache_entries; /* 0: no cache */
    unsigned cek_cache_seconds;
    bool accept_double_hash; /* signatures of MSSQL_CNG_STORE, CSP and the Java key store */
    core_token_config defaults;
    core_token_config *tokens; /* token_count of them, in the order of the file */
    size_t token_count;
} core_config;

/* Reads and checks the file `path`, or with NULL the one named by P11EKM_CONF (not in a process
 * with raised privileges), or the default one. Errors say file, line and key: ST_CONFIG_MISSING,
 * ST_UNSAFE_FILE, ST_CONFIG_INVALID. *out is to be freed with core_config_free. */
CORE_MUST_USE core_status core_config_load(const char *path, core_config **out, core_err *err);
/* The same from memory, for tests and fuzzing; `name` stands in errors. Touches no file. */
CORE_MUST_USE core_status core_config_parse(const char *text, size_t length, const char *name,
                                            core_config **out, core_err *err);
void core_config_free(core_config *config);

/* The path that core_config_load(NULL) would read. Static or environment memory. */
const char *core_config_path(void);
/* The token section of an alias (exact), NULL when there is none. */
const core_token_config *core_config_token(const core_config *config, const char *alias);

/* The one alias that is meant where none is named: the only section that is no member of a group.
 * NULL when there are none or several. */
const core_token_config *core_config_only(const core_config *config);

/* A commented configuration file with every key at its default, for `p11ekm init`. `pin_file`
 * and `audit` (a path) may be NULL. And the key list of the man page, in Markdown. */
void core_config_sample(core_str *out, const char *module, const char *alias, const char *token,
                        const char *pin_file, const char *audit);
void core_config_manual(core_str *out);

/* The field's names: "RSA_2048", "oaep-sha256". Static; NULL when out of range. */
const char *core_algorithm_tag(core_algorithm a);
const char *core_padding_name(core_padding p);
/* Key and block sizes in bits; iv 0 for RSA. */
unsigned core_algorithm_bits(core_algorithm a);
unsigned core_algorithm_iv_bits(core_algorithm a);
bool core_algorithm_is_rsa(core_algorithm a);

#endif
