/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys layer, upper half: searches, loading, the handle of a key, and its state. The functions that
 * take a session run inside an operation (tok_execute) and may be called by any thread.
 */
#ifndef PKCS11_KEYS_KEYS_PRIVATE_H
#define PKCS11_KEYS_KEYS_PRIVATE_H

#include "pkcs11/keys/object_private.h"

/* Makes a tok_key from an object; *out is a new reference. ST_NOT_SUPPORTED: not an RSA, AES or
 * 3DES key. ST_POLICY: an unprotected key (unprotected_keys = refuse). */
CORE_MUST_USE core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                                       CK_OBJECT_CLASS object_class, tok_key **out, core_err *err);
/* The same. `thumbs` false: a symmetric key is not used to compute its thumbprint. `name` receives
 * the label if it was read, also on failure. */
CORE_MUST_USE core_status tok_key_describe(tok_session *session, CK_OBJECT_HANDLE object,
                                           CK_OBJECT_CLASS object_class, bool thumbs,
                                           char name[TOK_LABEL_MAX + 1], tok_key **out,
                                           core_err *err);
/* Uses a symmetric key to compute its thumbprint, and its length if the token does not tell it. */
CORE_MUST_USE core_status tok_key_measure(tok_session *session, CK_OBJECT_HANDLE object,
                                          tok_key *key, core_err *err);
/* Both set *out to the key's object handle. tok_key_handle uses the cache if its entry was proven
 * within key_recheck_seconds. tok_key_find always searches, as signing, wrapping, renaming and
 * destroying require. ST_HANDLE_LOST: the key is not on the token. */
CORE_MUST_USE core_status tok_key_handle(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                                         core_err *err);
CORE_MUST_USE core_status tok_key_find(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                                       core_err *err);
/* Finds the one object that has the key's name (or `other_name`; NULL: none) and its thumbprint, or
 * its CKA_ID if the key is not identified. For renaming and destroying, where a copy under another
 * name is another object. ST_KEY_AMBIGUOUS: several objects; ST_HANDLE_LOST: none. */
CORE_MUST_USE core_status tok_key_find_named(tok_session *session, tok_key *key,
                                             const char *other_name, CK_OBJECT_HANDLE *out,
                                             core_err *err);
/* Returns `st`. ST_HANDLE_LOST: the cached handles are dropped, so that the next try searches.
 * ST_KEY_USAGE: the state is read again at the next use. */
core_status tok_key_invalidate_if_lost(tok_key *key, core_status st);
/* The public part of an RSA key for OpenSSL, created at the first call; the key owns it. NULL: not
 * an RSA key, or out of memory. Any thread; no token call. */
EVP_PKEY *tok_key_software(tok_key *key);

/* --- key_scan.c: scanning objects, some of which may be unreadable --- */
typedef struct tok_scan {
    bool (*seen)(tok_key *key, void *arg); /* keeps keys with tok_key_ref; false: end the scan */
    void (*ignored)(const tok_ignored_key *ignored, void *arg); /* NULL: not wanted */
    tok_passed *passed;  /* receives the first unprotected or retired match; NULL: not wanted */
    void *arg;           /* of both callbacks */
    bool thumbs;         /* use symmetric keys to compute their thumbprints */
    bool done;           /* out: `seen` ended the scan */
    core_status bad;     /* out: of the first unreadable object; ST_OK: none */
    core_err why;        /* out: its text */
    size_t told, silent; /* objects that told some attribute, and objects that told none */
} tok_scan;

/* Describes each object that matches the template and calls scan->seen. Objects that cannot be read
 * or must not be used are skipped (`ignored`, `bad`). Fails only if the device, the session or the
 * login fails. */
CORE_MUST_USE core_status tok_scan_objects(tok_session *session, const CK_ATTRIBUTE *match,
                                           CK_ULONG match_count, CK_OBJECT_CLASS object_class,
                                           tok_scan *scan, core_err *err);
/* The same for one object. */
CORE_MUST_USE core_status tok_scan_object(tok_session *session, CK_OBJECT_HANDLE object,
                                          CK_OBJECT_CLASS object_class, tok_scan *scan,
                                          core_err *err);

/* Scans the token objects of these classes (a bit set) whose attribute `type` has the value of
 * `length` bytes (NULL: all), private keys first. */
enum { TOK_PRIVATE_KEYS = 1, TOK_SECRET_KEYS = 2, TOK_ALL_KEYS = 3 };
CORE_MUST_USE core_status tok_scan_keys(tok_session *session, unsigned which,
                                        CK_ATTRIBUTE_TYPE type, const void *value, size_t length,
                                        tok_scan *scan, core_err *err);

/* Scans the keys whose label is `name` followed by NULs. */
CORE_MUST_USE core_status tok_scan_padded(tok_session *session, unsigned which, const char *name,
                                          tok_scan *scan, core_err *err);
/* True if a failure to read or use one object must end the scan, because the device, the session,
 * the login, the PIN or the capacity of the token is the cause. May call the token. */
bool tok_scan_stops(tok_session *session, core_status st);
/* Sets the state of a new tok_key from its description. */
void tok_key_state_begin(tok_key *key);
/* Copies the state of `fresh`, the same key loaded again. */
void tok_key_state_copy(tok_key *key, const tok_key *fresh);
/* True if the handle on the session's token must be proven before its next use. */
bool tok_key_proof_due(const tok_session *session, const tok_key *key);
/* Reads the identity and the state of the object, with one C_GetAttributeValue for all threads that
 * need it. ST_HANDLE_LOST: the handle names another object. */
CORE_MUST_USE core_status tok_key_prove(tok_session *session, tok_key *key, CK_OBJECT_HANDLE object,
                                        core_err *err);
/* Makes the next use read the identity and the state again. */
void tok_key_doubt(tok_key *key);
/* Counts the keys with this name: not the retired ones, but those that cannot be read, too. */
CORE_MUST_USE core_status tok_keys_named(tok_session *session, const char *name, size_t *count,
                                         core_err *err);
/* Caches the key's handle on the session's token, unless the cache has a later generation. While it
 * writes, handle_generation is 0: a concurrent reader then treats the handle as unknown and
 * searches. */
void tok_key_note_handle(const tok_session *session, tok_key *key, CK_OBJECT_HANDLE object);
/* True if the state is older than key_recheck_seconds. */
bool tok_key_state_due(const tok_key *key);

#endif
