/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to pkcs11/: keys from the inside.
 */
#ifndef PKCS11_KEY_PRIVATE_H
#define PKCS11_KEY_PRIVATE_H

#include <string.h>
#include "pkcs11/key_list.h"
#include "pkcs11/key_state.h"
#include "pkcs11/tok_private.h"

#define TOK_RETIRED_PREFIX "p11ekm-retired:"

static inline bool tok_label_is_retired(const char *label)
{
    return strncmp(label, TOK_RETIRED_PREFIX, sizeof TOK_RETIRED_PREFIX - 1) == 0;
}

/* Where the key is on one token. The handles are good while `age` is the token's (tok_token_age);
 * 0: find them again. Noted with the token's lock, voided without. */
typedef struct tok_place {
    _Atomic uint64_t age;
    _Atomic uint64_t proven_us; /* when the token last showed that the handle names the key */
    bool proving;               /* a thread is asking for that; guarded by the token's lock */
    _Atomic CK_OBJECT_HANDLE handle;
    _Atomic uint64_t facts; /* facts.c: a generation and tok_fact bits */
} tok_place;

/* What is known of one key on one token. It is forgotten with the token's generation
 * (tok_token_age), and never learned from a data operation that failed. */
enum tok_fact {
    TOK_FACT_PROVEN = 1,   /* modulus and exponent belong to the private key */
    TOK_FACT_RAW = 2,      /* raw RSA gave a known answer back */
    TOK_FACT_CBC_BARE = 4, /* the token fails to take the CBC padding off, and decrypts without */
    TOK_FACT_WARNED = 8,   /* the log has said that new ciphertexts get a weaker padding */
    TOK_FACT_ACCEPTED = 1 << 4, /* << core_padding: C_DecryptInit accepts it */
    TOK_FACT_REFUSED = 1 << 8   /* << core_padding: it refuses it, and accepts another */
};
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
/* The same; faults[i] (NULL: not wanted) is what the token answered for each of them. */
CORE_MUST_USE core_status tok_attributes_each(tok_session *session, CK_OBJECT_HANDLE object,
                                              CK_ATTRIBUTE *attributes, CK_ULONG count,
                                              CK_RV *faults, core_err *err);
/* Fails with an attribute that an object must tell, and what the token answered for it. */
core_status tok_attribute_missing(const char *attribute, CK_RV rv, core_err *err);
/* Sets one attribute and reads it back. ST_MECHANISM where the token says CKR_OK and it is as
 * before. `function` stands in errors. */
CORE_MUST_USE core_status tok_attribute_set(tok_session *session, CK_OBJECT_HANDLE object,
                                            const CK_ATTRIBUTE *wanted, const char *function,
                                            core_err *err);
/* Whether token and session answer a question of ours: if so, what failed is the fault of the
 * object that was asked for, not of the device. */
bool tok_device_answers(tok_session *session);
bool tok_attribute_has(const CK_ATTRIBUTE *attribute);
/* Whether the failure is that of the session, the login, the object's handle or the device, so that
 * to ask for another attribute makes no sense. CKR_GENERAL_ERROR and its kin may be one
 * attribute's: SoftHSM gives it for the dates of a private key, and for what it cannot decrypt. */
bool tok_rv_ends_reading(CK_RV rv);

/* --- search.c --- */
/* All objects that match. *out released with core_free. */
CORE_MUST_USE core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match,
                                     CK_ULONG match_count, CK_OBJECT_HANDLE **out, size_t *count,
                                     core_err *err);

/* --- key_read.c --- */
/* What an object says of itself, beside what goes into tok_key_info. */
typedef struct tok_raw_key {
    CK_KEY_TYPE type;
    CK_ULONG value_len; /* 0: not told */
    CK_BBOOL token, always_authenticate;
    CK_BBOOL encrypt, decrypt, sign, wrap, unwrap; /* CK_TRUE where not told */
    CK_RV modulus_rv;                              /* why an RSA key has no modulus */
} tok_raw_key;
/* Ends a label that was read, NULs at its end cut off; "" for one that is no C string. */
void tok_label_take(char *name, const CK_ATTRIBUTE *label);
/* Reads it, and into *info what needs no further call: label, id, flags, dates, modulus, exponent.
 * Fails where it does not say which type of key it is. */
CORE_MUST_USE core_status tok_key_read(tok_session *session, CK_OBJECT_HANDLE object, bool rsa,
                                       tok_key_info *info, tok_raw_key *raw, core_err *err);

/* --- key_load.c --- */
/* Describes an object. ST_NOT_SUPPORTED for one that is no RSA, AES or 3DES key; ST_POLICY for an
 * unprotected one (unprotected_keys = refuse). */
CORE_MUST_USE core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                                       CK_OBJECT_CLASS object_class, tok_key **out, core_err *err);
/* The same. `thumbs` false: a symmetric key is not used for its thumbprint. `name` gets the label
 * as far as it was read, also on failure. */
CORE_MUST_USE core_status tok_key_describe(tok_session *session, CK_OBJECT_HANDLE object,
                                           CK_OBJECT_CLASS object_class, bool thumbs,
                                           char name[TOK_LABEL_MAX + 1], tok_key **out,
                                           core_err *err);
void tok_strip_zeros(uint8_t *bytes, size_t *length);
/* Computes what only the use of a symmetric key shows: its length, if it is not told, and its
 * thumbprint. */
CORE_MUST_USE core_status tok_key_measure(tok_session *session, CK_OBJECT_HANDLE object,
                                          tok_key *key, core_err *err);
/* The key's handle, proven within key_recheck_seconds. The second searches in any case, as what
 * signs, wraps, renames or destroys has to. ST_HANDLE_LOST: the key is not on the token. */
CORE_MUST_USE core_status tok_key_handle(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                                         core_err *err);
CORE_MUST_USE core_status tok_key_find(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                                       core_err *err);
/* The one object with the key's name (or `other_name`, NULL: none) and thumbprint, or CKA_ID where
 * the key has no thumbprint yet. For renaming and destroying: a copy under another name is another
 * object. ST_KEY_AMBIGUOUS: several. */
CORE_MUST_USE core_status tok_key_find_named(tok_session *session, tok_key *key,
                                             const char *other_name, CK_OBJECT_HANDLE *out,
                                             core_err *err);
/* Looks a status of a key operation over: a lost handle is looked for again by the next try. */
core_status tok_key_outcome(tok_key *key, core_status st);
EVP_PKEY *tok_key_software(tok_key *key);

/* --- key_scan.c: looking through objects, one of which may be unreadable --- */
typedef struct tok_scan {
    bool (*seen)(tok_key *key, void *arg); /* keeps what it wants by tok_key_ref; false: enough */
    void (*ignored)(const tok_ignored_key *ignored, void *arg); /* NULL: not wanted */
    tok_passed *passed; /* notes what is unprotected, or of a retired name; NULL: not wanted */
    void *arg;
    bool thumbs;     /* symmetric keys are used for their thumbprints */
    bool done;       /* out: `seen` had enough */
    core_status bad; /* out: of the first object that could not be read, ST_OK: none */
    core_err why;
    size_t told, silent; /* objects that told something, and that told nothing */
} tok_scan;
/* Describes each object that matches. What cannot be read, or is not ours to use, is passed over
 * (`ignored`, `bad`); fails only with the device, the session or the login. */
CORE_MUST_USE core_status tok_scan_objects(tok_session *session, const CK_ATTRIBUTE *match,
                                           CK_ULONG match_count, CK_OBJECT_CLASS object_class,
                                           tok_scan *scan, core_err *err);
/* One object, with the same rule. */
CORE_MUST_USE core_status tok_scan_object(tok_session *session, CK_OBJECT_HANDLE object,
                                          CK_OBJECT_CLASS object_class, tok_scan *scan,
                                          core_err *err);
/* All keys of these classes (or'ed) on the token whose `type` attribute is `value` (NULL: all);
 * private keys first. */
enum { TOK_PRIVATE_KEYS = 1, TOK_SECRET_KEYS = 2, TOK_ALL_KEYS = 3 };
CORE_MUST_USE core_status tok_scan_keys(tok_session *session, unsigned which,
                                        CK_ATTRIBUTE_TYPE type, const void *value, size_t length,
                                        tok_scan *scan, core_err *err);
/* All whose label is `name` with NULs behind it. */
CORE_MUST_USE core_status tok_scan_padded(tok_session *session, unsigned which, const char *name,
                                          tok_scan *scan, core_err *err);
/* Whether a failure to read or use one object ends the search: it is the device's, the session's or
 * the login's. */
bool tok_scan_stops(tok_session *session, core_status st);
/* Whether keys that anybody can have put on the token are refused. */
bool tok_unprotected_refused(const tok_session *session);

/* --- passed.c --- */
void tok_passed_retired(tok_passed *passed, const char *label);
void tok_passed_unprotected(tok_passed *passed, const char *label);
/* The name that a retired key's label ends in, NULL where it is no such label. */
const char *tok_retired_name(const char *label);
/* ST_NOT_FOUND: `what` was not found, or why what was is not used. */
core_status tok_passed_fail(const tok_token *token, const tok_passed *passed, const char *what,
                            core_err *err);

/* --- recheck.c --- */
/* The state of a key just loaded, by its description; that of the same key, loaded again. */
void tok_key_state_begin(tok_key *key);
void tok_key_state_copy(tok_key *key, const tok_key *fresh);
/* Whether the handle on the session's token has to be proven before its next use. */
bool tok_key_proof_due(const tok_session *session, const tok_key *key);
/* Reads what identifies the key behind the handle, and its state. ST_HANDLE_LOST: another object.
 */
CORE_MUST_USE core_status tok_key_prove(tok_session *session, tok_key *key, CK_OBJECT_HANDLE object,
                                        core_err *err);
/* Has the next use read all of it again. */
void tok_key_doubt(tok_key *key);

/* --- known.c --- */
/* Notes a list of keys that leaves the cache; tok_known_sort after the last. */
void tok_known_add(tok_token *token, const tok_key *keys);
void tok_known_sort(tok_token *token);
bool tok_known_find(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);
void tok_known_remove(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN]);

/* --- wrap.c --- */
/* The length of a secret key that the token does not tell, by wrapping it: it must be extractable.
 */
CORE_MUST_USE core_status tok_secret_length(tok_session *session, CK_OBJECT_HANDLE key,
                                            CK_ULONG *length, core_err *err);

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
/* How many keys, not retired, bear the name, those among them that cannot be read. */
CORE_MUST_USE core_status tok_keys_named(tok_session *session, const char *name, size_t *count,
                                         core_err *err);

/* --- facts.c --- */
/* What is known of the key on the session's token; on the member `place` of its group (0 for a
 * token that is no group), as of now. */
unsigned tok_facts(const tok_session *session, const tok_key *key);
unsigned tok_facts_at(const tok_key *key, const tok_token *token, unsigned place);
/* Adds facts that were found in the generation `age` of the token. Any thread, no lock. */
void tok_facts_add(tok_key *key, unsigned place, uint64_t age, unsigned facts);
/* What is known of `old`, an older description of a key with this thumbprint, is known of `key`
 * where both are the same object in the same generation. */
void tok_facts_inherit(tok_key *key, const tok_key *old);

/* --- public_key.c --- */
/* A public key object with the key's modulus and exponent that the session may encrypt and wrap
 * with: a session object made from these numbers, else the token's own object, whose numbers were
 * compared in this session just before. The numbers must have been proven (tok_rsa_is_ready).
 * ST_MECHANISM where the token has neither. */
CORE_MUST_USE core_status tok_public_object(tok_session *session, tok_key *key,
                                            CK_OBJECT_HANDLE *out, core_err *err);
/* The token's own public object of the key, to be renamed or destroyed with it: one with the key's
 * modulus and exponent, if there are several the one with its CKA_ID. *out 0: there is none. */
CORE_MUST_USE core_status tok_public_own(tok_session *session, const tok_key *key,
                                         CK_OBJECT_HANDLE *out, core_err *err);
/* The exponents that public objects with this modulus tell, each once, at most `room`; without
 * those that no RSA key can have. *count: how many. */
typedef struct tok_exponent {
    uint8_t bytes[TOK_EXPONENT_MAX];
    size_t length;
} tok_exponent;
CORE_MUST_USE core_status tok_public_exponents(tok_session *session, const tok_key_info *info,
                                               tok_exponent *out, size_t room, size_t *count,
                                               core_err *err);

/* --- exponent.c --- */
/* The exponent of an RSA private object that does not tell it, into key->info: what a public object
 * tells, or a common value, that proves right by a known answer. ST_NOT_SUPPORTED: none does. */
CORE_MUST_USE core_status tok_exponent_find(tok_session *session, CK_OBJECT_HANDLE object,
                                            tok_key *key, core_err *err);
/* Whether what key->info.modulus and this exponent encrypt comes back from the object, by the first
 * padding that it decrypts. *right is set with ST_OK only. */
CORE_MUST_USE core_status tok_exponent_proves(tok_session *session, CK_OBJECT_HANDLE object,
                                              tok_key *key, const tok_exponent *exponent,
                                              bool *right, core_err *err);

/* --- modulus.c --- */
/* Modulus and exponent of an RSA private object that does not tell its modulus, into key->info:
 * those of a public object with its CKA_ID, if they prove right. */
CORE_MUST_USE core_status tok_modulus_find(tok_session *session, CK_OBJECT_HANDLE object,
                                           tok_key *key, bool *found, core_err *err);

/* --- cipher.c --- */
/* Whether a decryption that ended so is made once more, in another session, without a reset. A
 * device that fails once may answer as it does for bad data, and a database whose key is not
 * decrypted at its start stays closed. It is done for all failures alike, so that the number of
 * calls does not tell them apart; never with PKCS#1 v1.5, where success and failure take the same
 * calls. */
bool tok_second_try(core_status st);

/* --- rsa.c --- */
/* With the padding of the policy; with each padding the policy allows, in order. */
CORE_MUST_USE core_status tok_rsa_encrypt_policy(tok_key *key, const uint8_t *in, size_t in_len,
                                                 uint8_t *out, size_t *out_len, core_err *err);
CORE_MUST_USE core_status tok_rsa_decrypt_any(tok_key *key, const uint8_t *in, size_t in_len,
                                              uint8_t *out, size_t *out_len, core_err *err);

/* --- use.c --- */
/* tok_key_may without a look at the token. */
CORE_MUST_USE core_status tok_key_allows(tok_key *key, unsigned can, core_err *err);
/* Keeps what the log has said of an older description of the key. */
void tok_key_notices_copy(tok_key *key, const tok_key *older);

#endif
