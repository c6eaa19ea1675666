/* SPDX-License-Identifier: Apache-2.0
 *
 * Session layer: the struct of a key, the handle cache, and keys that live in a session.
 */
#ifndef PKCS11_SESSION_KEY_PRIVATE_H
#define PKCS11_SESSION_KEY_PRIVATE_H

#include "pkcs11/key_list.h"
#include "pkcs11/key_state.h"
#include "pkcs11/session/session_private.h"

/* Whether a volatile key is alive. */
bool tok_session_keys_any(tok_token *token);
/* Ends the sessions of all volatile keys; inside the gate. */
void tok_session_keys_end(tok_token *token);
/* Drops the cache; keys still held by callers find their handles again. */
void tok_keys_forget(tok_token *token);

/* Where the key is on one token. The handles are good while `age` is the token's
 * (tok_token_handle_generation); 0: find them again. Noted with the token's lock, voided without.
 */
typedef struct tok_key_handles {
    _Atomic uint64_t handle_generation;
    _Atomic uint64_t proven_us; /* when the token last showed that the handle names the key */
    bool proving;               /* a thread is asking for that; guarded by the token's lock */
    _Atomic CK_OBJECT_HANDLE handle;
    _Atomic uint64_t facts; /* facts.c: a generation and tok_fact bits */
} tok_key_handles;

/* What is known of one key on one token. It is forgotten with the token's generation
 * (tok_token_handle_generation), and never learned from a data operation that failed. */
enum tok_fact {
    TOK_FACT_PROVEN = 1,   /* modulus and exponent belong to the private key */
    TOK_FACT_RAW = 2,      /* raw RSA gave a known answer back */
    TOK_FACT_CBC_BARE = 4, /* the token fails to take the CBC padding off, and decrypts without */
    TOK_FACT_WARNED = 8    /* the log has said that new ciphertexts get a weaker padding */
};
/* One bit for each padding. Unsigned, which constants of an enum are not: they are shifted. */
#define TOK_FACT_ACCEPTED (1U << 4) /* << core_padding: C_DecryptInit accepts it */
#define TOK_FACT_REFUSED  (1U << 8) /* << core_padding: it refuses it, and accepts another */

/* What the log says of a key in use, at most so often. */
typedef enum tok_notice {
    TOK_NOTICE_RETIRED, /* a minute */
    TOK_NOTICE_DATES,   /* a day: it is outside its dates, or will soon be */
    TOK_NOTICE_COUNT
} tok_notice;

struct tok_key {
    tok_token *token; /* or group */
    _Atomic unsigned refs;
    tok_key *next; /* in the token's table or list, guarded by its lock */
    tok_key_info info;
    CK_OBJECT_CLASS object_class;
    bool always_authenticate;
    bool exponent_told; /* by the private object itself */
    /* recheck.c: what other processes change, when it was read, and attributes not told. */
    _Atomic uint64_t state;
    _Atomic uint64_t state_us;
    _Atomic unsigned ever; /* all uses that it was seen with */
    _Atomic unsigned silent;
    _Atomic uint64_t said_us[TOK_NOTICE_COUNT]; /* when the log last had each notice (use.c) */
    tok_key_handles
        handles[CORE_GROUP_MOST]; /* by the place of the token in the group; else the first */
    /* Of a volatile key, which lives in it (0: it has ended), and when it was opened; guarded by
     * the token's lock. */
    CK_SESSION_HANDLE own_session;
    uint64_t own_generation;
    _Atomic(EVP_PKEY *) software; /* the public part, made when first needed */
};

/* Notes a list of keys that leaves the cache; tok_known_sort after the last. */
void tok_known_add(tok_token *token, const tok_key *keys);
void tok_known_sort(tok_token *token);
bool tok_known_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);
void tok_known_remove(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);

/* --- id_index.c --- */
typedef struct tok_id {
    uint8_t id[TOK_THUMB_LEN];
    CK_OBJECT_HANDLE object;
    CK_OBJECT_CLASS object_class;
} tok_id;
CORE_MUST_USE core_status tok_ids_build(tok_session *session, core_err *err);
/* Of two tok_id, for qsort and bsearch. */
int tok_id_compare(const void *a, const void *b);
bool tok_ids_known(tok_token *token);
bool tok_ids_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_id *out);
void tok_ids_forget(tok_token *token);

/* Gives a volatile key the session it was made in, which is closed with it. */
void tok_session_key_add(tok_key *key, CK_SESSION_HANDLE session);
/* Enters the key in the cache (in place of an older description) and adds a reference for it. */
void tok_keys_put(tok_key *key);
void tok_keys_remove(tok_key *key);
/* What is known of the key on the session's token; on the member `place` of its group (0 for a
 * token that is no group), as of now. */
unsigned tok_facts(const tok_session *session, const tok_key *key);
unsigned tok_facts_at(const tok_key *key, const tok_token *token, unsigned member_index);
/* Adds facts that were found in the generation `age` of the token. Any thread, no lock. */
void tok_facts_add(tok_key *key, unsigned member_index, uint64_t handle_generation, unsigned facts);
/* What is known of `old`, an older description of a key with this thumbprint, is known of `key`
 * where both are the same object in the same generation. */
void tok_facts_inherit(tok_key *key, const tok_key *old);
/* Keeps what the log has said of an older description of the key. */
void tok_key_notices_copy(tok_key *key, const tok_key *older);
tok_key *tok_keys_cached(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);
/* A key whose token does not tell CKA_TOKEN may be released inside the gate; it has no session, and
 * the gate is not entered twice. */
void tok_session_key_destroy(tok_key *key);

#endif
