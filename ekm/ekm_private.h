/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the EKM door. Every export (abi.c) runs the same way: ekm_begin, ekm_enter or
 * ekm_enter_session, one function of the room, ekm_result. The ekm_call carries what that function
 * is about; ekm_result, and nothing else, turns the status into the engine's code, logs it, writes
 * the audit record and gives back what the call held.
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
    EKM_MAX_PLAIN = 1 << 20, /* a longer value can only be a broken length */
    /* The longest ciphertext of that: with the IV in front and a block of padding. */
    EKM_MAX_CIPHER = EKM_MAX_PLAIN + 32,
    EKM_MAX_SESSIONS = 1 << 16
};

/* Names of retired keys begin so on the token (pkcs11/key.h): no key of SQL Server may. */
#define EKM_RETIRE_PREFIX "p11ekm-retired:"

/* A key id once given in a session means the same key until the session ends. */
typedef struct ekm_key_id {
    uint8_t thumb[TOK_THUMB_LEN];
    SqlCpKeyId id;
    bool listed; /* on the token at the last listing */
} ekm_key_id;

/* One open session of SQL Server. `refs` is guarded by the handle table's lock (handle.c), what
 * stands under `lock` by that; the rest is constant. */
typedef struct ekm_session {
    uint64_t handle;
    unsigned refs;
    tok_token *token; /* logged in once for this session */
    char *identity;
    core_lock lock;
    tok_key **own; /* volatile keys: they live as long as the session */
    size_t own_count;
    ekm_key_id *ids; /* ids[n].id == n + 1 */
    ekm_key_id *by_thumb;
    size_t id_count;
    bool listed; /* ids have been given at least once */
} ekm_session;

/* What is recorded of a call. */
typedef enum ekm_record {
    EKM_UNRECORDED,
    EKM_RECORD_SESSION,
    EKM_RECORD_KEY,
    EKM_RECORD_DATA
} ekm_record;

typedef struct ekm_call {
    const char *operation; /* the export's name without SqlCrypt */
    ekm_record record;
    bool recorded;
    bool entered;
    uint64_t started; /* 0 where nobody will ask */
    tok_context *context;
    const core_config *config;
    ekm_session *session; /* referenced */
    tok_key *key;         /* referenced */
    char *identity;       /* owned; of a session that is being opened */
    const uint8_t *thumb; /* 16 bytes of the caller's */
    char name[TOK_NAME_MAX + 1];
    core_err err;
} ekm_call;

/* call.c */
void ekm_begin(ekm_call *call, const char *operation, ekm_record record);
/* ST_PROVIDER_ERROR before Initialize. Until ekm_result, Free waits for this call. */
CORE_MUST_USE core_status ekm_enter(ekm_call *call);
/* The same and the session: ST_INVALID_ARGUMENT (NULL), ST_AUTH_FAILED (no open session). */
CORE_MUST_USE core_status ekm_enter_session(ekm_call *call, const SqlCpSession *session);
SqlCpError ekm_result(ekm_call *call, core_status st);
/* Writes the audit record now, for calls that must undo what cannot be recorded. */
CORE_MUST_USE core_status ekm_audit(ekm_call *call, core_status st);
/* Writes the intent of a change, before the token is touched: ST_AUDIT forbids it. */
CORE_MUST_USE core_status ekm_audit_begin(ekm_call *call);

/* provider.c: the life cycle, and what the provider says of itself. */
CORE_MUST_USE core_status ekm_provider_open(core_err *err);
void ekm_provider_close(void);
CORE_MUST_USE core_status ekm_provider_enter(tok_context **context, core_err *err);
void ekm_provider_leave(void);
bool ekm_provider_closing(void);
CORE_MUST_USE core_status ekm_provider_info(ekm_call *call, SqlCpProviderInfo *info);

/* handle.c: the table of open sessions. A handle is a number, never an address. */
CORE_MUST_USE core_status ekm_handle_add(ekm_session *session, core_err *err);
ekm_session *ekm_handle_ref(const SqlCpSession *handle);  /* NULL: not open */
ekm_session *ekm_handle_take(const SqlCpSession *handle); /* with the table's reference */
void ekm_handle_unref(ekm_session *session);              /* the last one frees the session */
void ekm_handle_clear(void);

/* session.c, login.c */
CORE_MUST_USE core_status ekm_session_new(tok_token *token, const char *identity,
                                          ekm_session **out);
void ekm_session_free(ekm_session *session);
tok_key *ekm_session_own_by_thumb(ekm_session *session, const uint8_t thumb[TOK_THUMB_LEN]);
tok_key *ekm_session_own_by_name(ekm_session *session, const char *name);
/* Keeps a volatile key (a reference of its own), unless its name is taken: ST_KEY_EXISTS. */
CORE_MUST_USE core_status ekm_session_own_add(ekm_session *session, tok_key *key);
void ekm_session_own_remove(ekm_session *session, const tok_key *key);
CORE_MUST_USE core_status ekm_login(ekm_call *call, const SqlCpCredential *credential,
                                    SqlCpSession *out);

/* startup.c: whether the wait at start-up is over for an identity. */
bool ekm_startup_is_done(const char *identity);
/* Without memory to note it, the next session may wait again. */
void ekm_startup_set_done(const char *identity);
void ekm_startup_reset(void);

/* buffer.c: what the caller hands in, checked, and the two-call buffers it owns. */
CORE_MUST_USE core_status ekm_check_data(const SqlCpData *data, size_t limit, const char *what,
                                         core_err *err);
CORE_MUST_USE core_status ekm_check_text(const SqlCpStr *text, size_t limit, const char *what,
                                         core_err *err);
CORE_MUST_USE core_status ekm_check_thumb(const SqlCpKeyThumbprint *thumb, core_err *err);
/* Whether an output has room for `need` bytes. */
bool ekm_fits(const void *buffer, SqlCpUlong cb, size_t need);
/* Fills it, or sets the size and answers ST_BUFFER_TOO_SMALL. */
CORE_MUST_USE core_status ekm_write_output(SqlCpData *out, const void *bytes, size_t length);
bool ekm_overlap(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
