/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: keys from the inside.
 */
#ifndef PKCS11_KEY_PRIVATE_H
#define PKCS11_KEY_PRIVATE_H

#include "pkcs11/tok_private.h"

#define TOK_RETIRED_PREFIX "p11ekm-retired:"

/* Where the key is on one token. The handles are good while `age` is the token's (tok_token_age);
 * 0: find them again. Noted with the token's lock, voided without. */
typedef struct tok_place {
    _Atomic uint64_t age;
    _Atomic CK_OBJECT_HANDLE handle;
    _Atomic CK_OBJECT_HANDLE public_handle; /* 0: not looked for yet, or there is none */
} tok_place;

struct tok_key {
    tok_token *token; /* or group */
    _Atomic unsigned refs;
    tok_key *next; /* in the token's table or list, guarded by its lock */
    tok_key_info info;
    CK_OBJECT_CLASS object_class;
    bool always_authenticate;
    tok_place at[CORE_GROUP_MOST]; /* by the place of the token in the group; else the first */
    /* Of a volatile key, which lives in it (0: it has ended), and when it was opened; guarded by
     * the token's lock. */
    CK_SESSION_HANDLE own_session;
    uint64_t own_epoch;
    _Atomic(EVP_PKEY *) software; /* the public part, made when first needed */
};

/* --- attributes.c --- */
/* Reads attributes; what the token does not give has ulValueLen CK_UNAVAILABLE_INFORMATION
 * afterwards. */
CORE_MUST_USE core_status tok_attributes(tok_session *session, CK_OBJECT_HANDLE object,
                                         CK_ATTRIBUTE *attributes, CK_ULONG count, core_err *err);
bool tok_attribute_has(const CK_ATTRIBUTE *attribute);
/* All objects that match. *out released with core_free. */
CORE_MUST_USE core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match,
                                     CK_ULONG match_count, CK_OBJECT_HANDLE **out, size_t *count,
                                     core_err *err);

/* --- key_load.c --- */
/* Describes an object. ST_NOT_SUPPORTED for one that is no RSA, AES or 3DES key, or tells too
 * little. */
CORE_MUST_USE core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                                       CK_OBJECT_CLASS object_class, tok_key **out, core_err *err);
CORE_MUST_USE core_status tok_key_handle(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                                         core_err *err);
/* The public object; *out 0 where the token has none. */
CORE_MUST_USE core_status tok_key_public_handle(tok_session *session, tok_key *key,
                                                CK_OBJECT_HANDLE *out, core_err *err);
/* Looks a status of a key operation over: a lost handle is looked for again by the next try. */
core_status tok_key_outcome(tok_key *key, core_status st);
EVP_PKEY *tok_key_software(tok_key *key);

/* --- thumb.c --- */
CORE_MUST_USE core_status tok_thumb_rsa(tok_key_info *info);
CORE_MUST_USE core_status tok_thumb_symmetric(tok_session *session, CK_OBJECT_HANDLE object,
                                              CK_KEY_TYPE type, uint8_t thumb[TOK_THUMB_LEN],
                                              core_err *err);

/* --- id_index.c --- */
typedef struct tok_id {
    uint8_t id[TOK_THUMB_LEN];
    CK_OBJECT_HANDLE object;
    CK_OBJECT_CLASS object_class;
} tok_id;
CORE_MUST_USE core_status tok_ids_build(tok_session *session, core_err *err);
bool tok_ids_known(tok_token *token);
bool tok_ids_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_id *out);
void tok_ids_forget(tok_token *token);

/* --- keys.c --- */
/* Gives a volatile key the session it was made in, which is closed with it. */
void tok_volatile_add(tok_key *key, CK_SESSION_HANDLE session);
/* Enters the key in the cache (in place of an older description) and adds a reference for it. */
void tok_keys_put(tok_key *key);
void tok_keys_remove(tok_key *key);
/* How many keys, not retired, bear the name; one of them in *out (NULL: not wanted). */
CORE_MUST_USE core_status tok_keys_named(tok_session *session, const char *name, tok_key **out,
                                         size_t *count, core_err *err);

/* --- rsa.c --- */
/* With the padding of the policy; with each padding the policy allows, in order. */
CORE_MUST_USE core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len,
                                                 uint8_t *out, size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, core_err *err);

/* --- use.c --- */
/* Whether the key may be used so: rights, dates. */
CORE_MUST_USE core_status tok_key_may(const tok_key *key, unsigned can, core_err *err);

#endif
