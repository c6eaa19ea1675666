/* SPDX-License-Identifier: Apache-2.0
 *
 * The lowest layer: what CK_RV values mean, RSA paddings, and a lock with a time limit.
 */
#ifndef PKCS11_BASE_BASE_PRIVATE_H
#define PKCS11_BASE_BASE_PRIVATE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include "core/lock.h"
#include "core/config.h"
#include "core/status.h"

/* One at a time, with a limit to the waiting. */
typedef struct CORE_CAPABILITY("mutex") tok_timed_lock {
    core_mutex lock; /* guards busy */
    core_cond given;
    bool busy CORE_GUARDED;
} tok_timed_lock;
void tok_timed_lock_init(tok_timed_lock *turn);
void tok_timed_lock_destroy(tok_timed_lock *turn);
CORE_MUST_USE bool tok_timed_lock_acquire(tok_timed_lock *turn, unsigned wait_ms)
    CORE_TRY_ACQUIRE(true, *turn);
void tok_timed_lock_release(tok_timed_lock *turn) CORE_RELEASE(*turn);

enum { TOK_BLOCK_MOST = 1024 }; /* the longest RSA block, 8192 bits */

/* --- rv.c: what a CK_RV means. --- */
typedef enum tok_call { TOK_CALL_OTHER, TOK_CALL_DATA } tok_call;
core_status tok_rv_status(CK_RV rv, tok_call kind);
const char *tok_rv_name(CK_RV rv);
/* True if the session, the login or the device failed. Such a status says nothing about the object
 * or the data of the call. */
bool tok_status_is_access_lost(core_status st);

/* Whether a token refuses the template of a call, not what the call is about. */
bool tok_rv_refuses_template(CK_RV rv);

typedef struct tok_padding {
    CK_MECHANISM_TYPE mechanism;
    CK_RSA_PKCS_OAEP_PARAMS oaep; /* of CKM_RSA_PKCS_OAEP */
    size_t overhead;              /* bytes of the modulus that are not for the plaintext */
    int openssl;                  /* the same in software */
    const char *hash;
} tok_padding;

const tok_padding *tok_padding_row(core_padding padding);
bool tok_is_oaep(core_padding padding);
/* The mechanism of a row; `params` is where its parameters are put, and must outlive it. */
CK_MECHANISM tok_padding_mechanism(const tok_padding *row, CK_RSA_PKCS_OAEP_PARAMS *params);
/* Whether the answer of an Init call is the key's or the token's refusal of the mechanism, not the
 * failure of a device, session, login or handle. *certain: it is one of the codes that say so in
 * the standard; another is believed only when it is given twice. */
bool tok_init_refuses(CK_RV rv, bool *certain);
/* Whether a refusal is of the mechanism as such. */
bool tok_rv_refuses_mechanism(CK_RV rv);

#endif
