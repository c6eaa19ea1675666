/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the EKM provider. Every exported function (abi.c) follows the same sequence:
 * ekm_begin, ekm_enter or ekm_enter_session, one implementation function, ekm_result. The ekm_call
 * holds the state of one call. Only ekm_result turns the status into the code of the SQL Crypto
 * API, logs it, writes the audit record and releases what the call holds.
 */
#ifndef EKM_PRIVATE_H
#define EKM_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/lock.h"
#include "core/log.h"
#include "ekm/sqlcp.h"
#include "pkcs11/key.h"

enum {
    EKM_MAX_IDENTITY = 8000, /* bytes of UTF-16: nvarchar(4000) */
    EKM_MAX_SECRET = 2048,
    EKM_MAX_PLAIN = 1 << 20, /* bytes; a larger length is treated as an invalid argument */
    /* The longest ciphertext of that plaintext: with its IV and a block of padding. */
    EKM_MAX_CIPHER = EKM_MAX_PLAIN + 32,
    EKM_MAX_SESSIONS = 1 << 16
};

/* Labels of retired keys on the token begin with this (pkcs11/key.h). SqlCryptCreateKey rejects
 * such names. */
#define EKM_RETIRE_PREFIX "p11ekm-retired:"

/* A key id of a session. It keeps its meaning until the session ends. */
typedef struct ekm_key_id {
    uint8_t thumb[TOK_THUMB_LEN];
    SqlCpKeyId id;
    bool listed; /* the key was on the token at the last listing */
} ekm_key_id;

/* One open session of SQL Server. A reference is taken with the lock of the handle table (handle.c)
 * held. `lock` guards the members that follow it; session_key_count may be read without it. The
 * others are constant. */
typedef struct ekm_session {
    uint64_t handle;
    _Atomic unsigned refs;
    tok_token *token; /* a reference; logged in once for this session */
    char *identity;
    core_lock lock;
    tok_key **session_keys; /* session keys (scp_kf_Volatile); a reference to each */
    _Atomic size_t session_key_count;
    ekm_key_id *ids; /* ids[n].id == n + 1 */
    ekm_key_id *by_thumb;
    size_t id_count;
    bool listed; /* ids have been assigned at least once */
} ekm_session;

/* Which audit records a call writes. */
typedef enum ekm_record {
    EKM_UNRECORDED,
    EKM_RECORD_SESSION,
    EKM_RECORD_KEY,
    EKM_RECORD_DATA
} ekm_record;

typedef struct ekm_call {
    const char *operation; /* the name of the export without SqlCrypt */
    ekm_record record;
    bool recorded;
    bool entered;
    uint64_t started; /* core_now_us(), or 0 if no audit record will need it */
    tok_context *context;
    const core_config *config;
    ekm_session *session; /* a reference, or NULL */
    tok_key *key;         /* a reference, or NULL */
    char *identity;       /* owned; IDENTITY of a session that is being opened */
    const uint8_t *thumb; /* 16 bytes in memory of the caller */
    char name[TOK_NAME_MAX + 1];
    core_err err;
} ekm_call;

/* call.c */
void ekm_begin(ekm_call *call, const char *operation, ekm_record record);
/* Enters the provider. ST_PROVIDER_ERROR before SqlCryptInitializeProvider. SqlCryptFreeProvider
 * waits until ekm_result has ended this call. */
CORE_MUST_USE core_status ekm_enter(ekm_call *call);
/* The same, and takes a reference to the session. ST_INVALID_ARGUMENT: `session` is NULL;
 * ST_AUTH_FAILED: no open session has this handle. */
CORE_MUST_USE core_status ekm_enter_session(ekm_call *call, const SqlCpSession *session);
SqlCpError ekm_result(ekm_call *call, core_status st);
/* Writes the audit record now, so that the caller can undo its operation if the record cannot be
 * written (ST_AUDIT). ekm_result then writes no second record. */
CORE_MUST_USE core_status ekm_audit(ekm_call *call, core_status st);
/* Writes the intent of a change before the token is called. On ST_AUDIT the change must not be
 * made. */
CORE_MUST_USE core_status ekm_audit_begin(ekm_call *call);

/* provider.c: initialization, and SqlCryptGetProviderInfo. */
CORE_MUST_USE core_status ekm_provider_open(core_err *err);
void ekm_provider_close(void);
CORE_MUST_USE core_status ekm_provider_enter(tok_context **context, core_err *err);
void ekm_provider_leave(void);
bool ekm_provider_closing(void);
CORE_MUST_USE core_status ekm_provider_info(ekm_call *call, SqlCpProviderInfo *info);

/* handle.c: the table of open sessions. A handle is a number, never an address. */
CORE_MUST_USE core_status ekm_handle_add(ekm_session *session, core_err *err);
ekm_session *ekm_handle_ref(const SqlCpSession *handle);  /* a reference; NULL: not open */
ekm_session *ekm_handle_take(const SqlCpSession *handle); /* moves the reference of the table */
void ekm_handle_unref(ekm_session *session);              /* the last reference frees the session */
void ekm_handle_clear(void);

/* session.c, login.c */
CORE_MUST_USE core_status ekm_session_new(tok_token *token, const char *identity,
                                          ekm_session **out);
void ekm_session_free(ekm_session *session);
tok_key *ekm_session_key_by_thumb(ekm_session *session, const uint8_t thumb[TOK_THUMB_LEN]);
tok_key *ekm_session_key_by_name(ekm_session *session, const char *name);
/* Adds a session key and takes a reference to it. ST_KEY_EXISTS: the session has a key of this
 * name. */
CORE_MUST_USE core_status ekm_session_key_add(ekm_session *session, tok_key *key);
void ekm_session_key_remove(ekm_session *session, const tok_key *key);
CORE_MUST_USE core_status ekm_login(ekm_call *call, const SqlCpCredential *credential,
                                    SqlCpSession *out);

/* startup.c: whether the wait for a token at startup has ended for an identity. */
bool ekm_startup_is_done(const char *identity);
/* If memory is out nothing is noted, and the next session may wait again. */
void ekm_startup_set_done(const char *identity);
void ekm_startup_reset(void);

/* buffer.c: checks of arguments, and output buffers that belong to the caller. `limit` is in bytes.
 */
CORE_MUST_USE core_status ekm_check_data(const SqlCpData *data, size_t limit, const char *what,
                                         core_err *err);
CORE_MUST_USE core_status ekm_check_text(const SqlCpStr *text, size_t limit, const char *what,
                                         core_err *err);
CORE_MUST_USE core_status ekm_check_thumb(const SqlCpKeyThumbprint *thumb, core_err *err);
/* True if an output buffer of `cb` bytes holds `need` bytes. */
bool ekm_fits(const void *buffer, SqlCpUlong cb, size_t need);
/* Copies the bytes to `out`, or only sets out->cb and returns ST_BUFFER_TOO_SMALL. */
CORE_MUST_USE core_status ekm_write_output(SqlCpData *out, const void *bytes, size_t length);
bool ekm_overlap(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
