/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys layer, upper half: searches, loading, the handle of a key, and its state.
 */
#ifndef PKCS11_KEYS_KEYS_PRIVATE_H
#define PKCS11_KEYS_KEYS_PRIVATE_H

#include "pkcs11/keys/object_private.h"

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
core_status tok_key_invalidate_if_lost(tok_key *key, core_status st);
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
/* How many keys, not retired, bear the name, those among them that cannot be read. */
CORE_MUST_USE core_status tok_keys_named(tok_session *session, const char *name, size_t *count,
                                         core_err *err);
/* Notes where the key is on the session's token, unless somebody knows it of a later age. A reader
 * that meets `age` at 0 in between looks for himself. */
void tok_key_note_handle(const tok_session *session, tok_key *key, CK_OBJECT_HANDLE object);
bool tok_key_state_due(const tok_key *key);

#endif
