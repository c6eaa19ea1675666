/* SPDX-License-Identifier: Apache-2.0
 *
 * Session layer: the struct of a key, the handle cache, and keys that live in a session.
 */
#ifndef PKCS11_SESSION_KEY_PRIVATE_H
#define PKCS11_SESSION_KEY_PRIVATE_H

#include "pkcs11/key_list.h"
#include "pkcs11/key_state.h"
#include "pkcs11/session/session_private.h"

/* True if the token has a session key. */
bool tok_session_keys_any(tok_token *token);
/* Closes the sessions of all session keys; inside the gate. */
void tok_session_keys_end(tok_token *token);
/* Clears the key cache. Keys that callers still hold search for their handles again. */
void tok_keys_forget(tok_token *token);

/* The handle of a key on one token. It is valid while handle_generation equals the token's
 * (tok_token_handle_generation); 0: search again. A handle is stored with the token's lock held and
 * invalidated without it. */
typedef struct tok_key_handles {
    _Atomic uint64_t handle_generation;
    _Atomic uint64_t proven_us; /* when the token last confirmed that the handle is of this key */
    bool proving;               /* a thread is verifying that; guarded by the token's lock */
    _Atomic CK_OBJECT_HANDLE handle;
    _Atomic uint64_t facts; /* facts.c: a generation and tok_fact bits */
} tok_key_handles;

/* Cached facts about one key on one token. They are valid for one generation
 * (tok_token_handle_generation), and never derived from a failed data operation. */
enum tok_fact {
    TOK_FACT_PROVEN = 1,   /* modulus and exponent belong to the private key */
    TOK_FACT_RAW = 2,      /* raw RSA passed a known-answer test */
    TOK_FACT_CBC_BARE = 4, /* the token fails to strip CBC padding, but decrypts without it */
    TOK_FACT_WARNED = 8    /* the log has warned that new ciphertexts get a weaker padding */
};
/* One bit for each padding. Unsigned, which constants of an enum are not: they are shifted. */
#define TOK_FACT_ACCEPTED (1U << 4) /* << core_padding: C_DecryptInit accepts the padding */
#define TOK_FACT_REFUSED  (1U << 8) /* << core_padding: it rejects it, but accepts another */

/* Log lines about a key in use, each limited in frequency. */
typedef enum tok_notice {
    TOK_NOTICE_RETIRED, /* once a minute: the key is retired */
    TOK_NOTICE_DATES,   /* once a day: the key is outside its dates, or will soon be */
    TOK_NOTICE_COUNT
} tok_notice;

struct tok_key {
    tok_token *token; /* or group */
    _Atomic unsigned refs;
    tok_key *next; /* in the token's table or list, guarded by its lock */
    tok_key_info info;
    CK_OBJECT_CLASS object_class;
    bool always_authenticate;
    bool exponent_told; /* the private key object reports CKA_PUBLIC_EXPONENT */
    /* recheck.c: attributes that other processes may change, and when they were read. */
    _Atomic uint64_t state;
    _Atomic uint64_t state_us;
    _Atomic unsigned ever;                      /* all uses that the key was seen with */
    _Atomic unsigned silent;                    /* attributes that the token does not report */
    _Atomic uint64_t said_us[TOK_NOTICE_COUNT]; /* when each notice was last logged (use.c) */
    tok_key_handles handles[CORE_GROUP_MOST];   /* by member index; [0] without a group */
    /* Of a session key: its session (0: closed) and the module generation in which it was opened;
     * guarded by the token's lock. */
    CK_SESSION_HANDLE own_session;
    uint64_t own_generation;
    _Atomic(EVP_PKEY *) software; /* the public key for OpenSSL, made when first needed */
};

/* Adds the thumbprints of a list of keys that leave the cache. Call tok_known_sort after the last
 * list, before tok_known_find. */
void tok_known_add(tok_token *token, const tok_key *keys);
void tok_known_sort(tok_token *token);
bool tok_known_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);
void tok_known_remove(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);

/* --- id_table.c, and tok_ids_build of id_index.c --- */
typedef struct tok_id {
    uint8_t id[TOK_THUMB_LEN];
    CK_OBJECT_HANDLE object;
    CK_OBJECT_CLASS object_class;
} tok_id;
CORE_MUST_USE core_status tok_ids_build(tok_session *session, core_err *err);
/* Compares two tok_id, for qsort and bsearch. */
int tok_id_compare(const void *a, const void *b);
bool tok_ids_known(tok_token *token);
bool tok_ids_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_id *out);
void tok_ids_forget(tok_token *token);

/* Gives a session key the session in which it was created; releasing the key closes it. */
void tok_session_key_add(tok_key *key, CK_SESSION_HANDLE session);
/* Adds the key to the cache with a reference, and replaces an older object of the same key. */
void tok_keys_put(tok_key *key);
void tok_keys_remove(tok_key *key);
/* The facts (tok_fact bits) about the key on the session's token, in the session's generation; or
 * on the member with that index (0 without a group), in the current generation. */
unsigned tok_facts(const tok_session *session, const tok_key *key);
unsigned tok_facts_at(const tok_key *key, const tok_token *token, unsigned member_index);
/* Adds facts that were found in that generation of the token. Any thread, no lock. */
void tok_facts_add(tok_key *key, unsigned member_index, uint64_t handle_generation, unsigned facts);
/* Copies the facts about `old`, an older object of the key, on each token where both have the same
 * handle in the same generation. */
void tok_facts_inherit(tok_key *key, const tok_key *old);
/* Copies when each notice was last logged from an older object of the key. */
void tok_key_notices_copy(tok_key *key, const tok_key *older);
tok_key *tok_keys_cached(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);
/* Closes the session of a session key. Called outside the gate, except for a key without a session
 * (its token does not report CKA_TOKEN): then it does not enter the gate. */
void tok_session_key_destroy(tok_key *key);

#endif
