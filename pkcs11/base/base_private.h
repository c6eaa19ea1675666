/* SPDX-License-Identifier: Apache-2.0
 *
 * Base layer: the meaning of CK_RV codes, the table of RSA paddings, and a lock whose acquire has a
 * time limit. It knows no token and no module.
 */
#ifndef PKCS11_BASE_BASE_PRIVATE_H
#define PKCS11_BASE_BASE_PRIVATE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include "core/lock.h"
#include "core/config.h"
#include "core/status.h"

/* A lock whose acquire has a time limit, for locks that are held across calls into the module. Not
 * recursive. */
typedef struct CORE_CAPABILITY("mutex") tok_timed_lock {
    core_mutex lock; /* guards busy */
    core_cond released;
    bool busy CORE_GUARDED;
} tok_timed_lock;
void tok_timed_lock_init(tok_timed_lock *timed);
void tok_timed_lock_destroy(tok_timed_lock *timed);
CORE_MUST_USE bool tok_timed_lock_acquire(tok_timed_lock *timed, unsigned wait_ms)
    CORE_TRY_ACQUIRE(true, *timed);
void tok_timed_lock_release(tok_timed_lock *timed) CORE_RELEASE(*timed);

enum { TOK_BLOCK_MOST = 1024 }; /* the longest RSA block in bytes (8192 bits) */

/* --- rv.c: the meaning of CK_RV codes. --- */

/* Which function returned the code: C_Decrypt or C_UnwrapKey (DATA), which check the caller's data,
 * or any other. */
typedef enum tok_call { TOK_CALL_OTHER, TOK_CALL_DATA } tok_call;
/* Maps a code to a status. A code that is not in the table means ST_DECRYPT_FAILED from
 * TOK_CALL_DATA, else ST_DEVICE. */
core_status tok_rv_status(CK_RV rv, tok_call kind);
/* The name of a code ("CKR_..."), or "" if it is not in the table. */
const char *tok_rv_name(CK_RV rv);
/* True if the session, the login or the device failed. Such a status says nothing about the object
 * or the data of the call. */
bool tok_status_is_access_lost(core_status st);

/* True if the token rejects the attributes in the template of a call, not the request itself. */
bool tok_rv_refuses_template(CK_RV rv);

/* One RSA padding. */
typedef struct tok_padding {
    CK_MECHANISM_TYPE mechanism;
    CK_RSA_PKCS_OAEP_PARAMS oaep; /* for CKM_RSA_PKCS_OAEP only */
    size_t overhead;              /* bytes of a block that the plaintext cannot use */
    int openssl;                  /* RSA_..._PADDING of OpenSSL */
    const char *hash;             /* OAEP hash as OpenSSL names it; NULL: not OAEP */
} tok_padding;

const tok_padding *tok_padding_row(core_padding padding);
bool tok_is_oaep(core_padding padding);
/* The mechanism of a row. Its parameters are written to *params, which must outlive the result. */
CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params);
/* True if an Init function (C_EncryptInit, ...) failed because the token or the key does not accept
 * the mechanism, not because of the device, session, login or handle. *certain: the standard
 * defines the code; a vendor code counts only if the token returns it twice. */
bool tok_init_refuses(CK_RV rv, bool *certain);
/* True if the token rejects the mechanism itself, not the key or the data. */
bool tok_rv_refuses_mechanism(CK_RV rv);

#endif
