/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys layer, lower half: attributes of single objects, and public keys.
 */
#ifndef PKCS11_KEYS_OBJECT_PRIVATE_H
#define PKCS11_KEYS_OBJECT_PRIVATE_H

#include <string.h>
#include "pkcs11/group/group_private.h"

/* A retired key is labeled "p11ekm-retired:2026-01-31T12:00:00Z:name". The mark is all before the
 * name. Lengths are in bytes. */
#define TOK_RETIRED_PREFIX "p11ekm-retired:"
enum {
    TOK_RETIRED_DATE = sizeof TOK_RETIRED_PREFIX - 1, /* where the date begins */
    TOK_RETIRED_DATE_LEN = 20,
    TOK_RETIRED_MARK_LEN = TOK_RETIRED_DATE + TOK_RETIRED_DATE_LEN + 1
};

/* True if the label has the prefix of a retired key. */
static inline bool tok_label_is_retired(const char *label)
{
    return strncmp(label, TOK_RETIRED_PREFIX, sizeof TOK_RETIRED_PREFIX - 1) == 0;
}

/* Reads attributes. An attribute that the token does not tell, or that is longer than its buffer,
 * gets the ulValueLen CK_UNAVAILABLE_INFORMATION. At most 24 attributes. */
CORE_MUST_USE core_status tok_attributes(tok_session *session, CK_OBJECT_HANDLE object,
                                         CK_ATTRIBUTE *attributes, CK_ULONG count, core_err *err);
/* The same. faults[i] is the code of the token for attribute i; NULL: not wanted. */
CORE_MUST_USE core_status tok_attributes_each(tok_session *session, CK_OBJECT_HANDLE object,
                                              CK_ATTRIBUTE *attributes, CK_ULONG count,
                                              CK_RV *faults, core_err *err);
/* Fails with ST_KEY_USAGE: the object does not tell a required attribute, with the code `rv`. */
core_status tok_attribute_missing(const char *attribute, CK_RV rv, core_err *err);
/* Sets one attribute and reads it back. ST_MECHANISM: the token returned CKR_OK and changed
 * nothing. `function` is the name of the call in error texts. */
CORE_MUST_USE core_status tok_attribute_set(tok_session *session, CK_OBJECT_HANDLE object,
                                            const CK_ATTRIBUTE *wanted, const char *function,
                                            core_err *err);
/* True if the token told the attribute. */
bool tok_attribute_has(const CK_ATTRIBUTE *attribute);
/* True if the session, the login, the object handle, the capacity or the device failed, so that
 * reading another attribute is useless. CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED and CKR_DEVICE_ERROR
 * may concern one attribute: SoftHSM returns CKR_GENERAL_ERROR for the dates of a private key and
 * for an attribute that it cannot decrypt. */
bool tok_rv_ends_reading(CK_RV rv);
/* Finds all objects that match. *out: an array of *count handles; release it with core_free. */
CORE_MUST_USE core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match,
                                     CK_ULONG match_count, CK_OBJECT_HANDLE **out, size_t *count,
                                     core_err *err);

/* The attributes of a key object that tok_key_info does not have. */
typedef struct tok_raw_key {
    CK_KEY_TYPE type;
    CK_ULONG value_len; /* 0: not told */
    CK_BBOOL token, always_authenticate;
    CK_BBOOL encrypt, decrypt, sign, wrap, unwrap; /* CK_TRUE if not told */
    CK_RV modulus_rv;                              /* the code for a missing modulus */
} tok_raw_key;

/* Terminates the label read into `name` and removes trailing NULs; "" if it has a NUL inside. */
void tok_label_take(char *name, const CK_ATTRIBUTE *label);
/* Reads the attributes of an object into *raw, and label, id, flags, dates, modulus and exponent
 * into *info. ST_KEY_USAGE: the object does not tell its CKA_KEY_TYPE. */
CORE_MUST_USE core_status tok_key_read(tok_session *session, CK_OBJECT_HANDLE object, bool rsa,
                                       tok_key_info *info, tok_raw_key *raw, core_err *err);
/* Removes leading zeros. */
void tok_strip_zeros(uint8_t *bytes, size_t *length);
/* True if both are the same number; leading zeros do not count. */
bool tok_number_is(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* True if an RSA key can have this exponent (big endian, no leading zeros): odd and at least 3. */
bool tok_exponent_is_possible(const uint8_t *bytes, size_t length);
/* True if the policy refuses keys that can be created without the PIN (unprotected_keys). */
bool tok_unprotected_refused(const tok_session *session);
/* Note a key that a search skipped, with its label; `passed` may be NULL. */
void tok_passed_retired(tok_passed *passed, const char *label);
void tok_passed_unprotected(tok_passed *passed, const char *label);
/* The name at the end of a retired key's label; NULL: the label is not of that form. */
const char *tok_retired_name(const char *label);
/* Fails with ST_NOT_FOUND: `what` does not exist, or the reason why the key noted is not used. */
core_status tok_passed_fail(const tok_token *token, const tok_passed *passed, const char *what,
                            core_err *err);
/* Measures the length in bytes of a secret key by wrapping it; the key must be extractable. *length
 * 0: the result is of no use. */
CORE_MUST_USE core_status tok_secret_length(tok_session *session, CK_OBJECT_HANDLE key,
                                            CK_ULONG *length, core_err *err);
/* Compute the thumbprint, by the rule in pkcs11/key.h: from the numbers in *info without a token
 * call; with one encryption by the object, of the type CKK_AES or CKK_DES3. */
CORE_MUST_USE core_status tok_thumb_rsa(tok_key_info *info);
CORE_MUST_USE core_status tok_thumb_symmetric(tok_session *session, CK_OBJECT_HANDLE object,
                                              CK_KEY_TYPE type, uint8_t thumb[TOK_THUMB_LEN],
                                              core_err *err);
/* Sets *out to a public key object with the key's modulus and exponent, for C_Encrypt and C_WrapKey
 * in this session: a session object created from these numbers, else the token's own object, whose
 * numbers were compared just before. The numbers must be proven (tok_rsa_is_ready). The session
 * owns the object. ST_MECHANISM: the token has neither. */
CORE_MUST_USE core_status tok_public_object(tok_session *session, tok_key *key,
                                            CK_OBJECT_HANDLE *out, core_err *err);
/* Finds the token's own public object of the key, to rename or destroy it with the key: the object
 * with the key's modulus and exponent; of several the one with the key's CKA_ID. *out 0: none. */
CORE_MUST_USE core_status tok_public_own(tok_session *session, const tok_key *key,
                                         CK_OBJECT_HANDLE *out, core_err *err);

/* Reads the exponents of the public objects with this modulus: each value once, at most `room`
 * values, only possible ones. *count: their number. */
typedef struct tok_exponent {
    uint8_t bytes[TOK_EXPONENT_MAX];
    size_t length;
} tok_exponent;
CORE_MUST_USE core_status tok_public_exponents(tok_session *session, const tok_key_info *info,
                                               tok_exponent *out, size_t room, size_t *count,
                                               core_err *err);

/* Finds the exponent of an RSA private object that does not tell it, and stores it in key->info: a
 * common value, or that of a public object, that passes a known-answer test. ST_NOT_SUPPORTED: none
 * does. */
CORE_MUST_USE core_status tok_exponent_find(tok_session *session, CK_OBJECT_HANDLE object,
                                            tok_key *key, core_err *err);
/* Makes a known-answer test with key->info.modulus and this exponent, with the first padding that
 * the object accepts. *right: it passed; valid with ST_OK only. */
CORE_MUST_USE core_status tok_exponent_proves(tok_session *session, CK_OBJECT_HANDLE object,
                                              tok_key *key, const tok_exponent *exponent,
                                              bool *right, core_err *err);
/* Finds modulus and exponent of an RSA private object that does not tell its modulus, and stores
 * them in key->info: those of a public object with its CKA_ID that pass a known-answer test. */
CORE_MUST_USE core_status tok_modulus_find(tok_session *session, CK_OBJECT_HANDLE object,
                                           tok_key *key, bool *found, core_err *err);
/* Makes one known-answer test: OpenSSL encrypts a random value with `public`, and the object
 * decrypts it in this session. *right: the value came back. ST_MECHANISM: the object refuses the
 * padding. Random value and result are wiped. */
CORE_MUST_USE core_status tok_answer_comes_back(tok_session *session, CK_OBJECT_HANDLE object,
                                                const tok_key *key, EVP_PKEY *public,
                                                core_padding padding, bool *right, core_err *err);
/* The length of such a value in bytes: 32, or less if the modulus is short; 0: none fits. */
size_t tok_answer_length(const tok_key *key, core_padding padding);
/* The template of a transit key: an extractable session AES key. A token that refuses all of it may
 * take the first TOK_TRANSIT_LEAST attributes. The values are static; they must not be written. */
enum { TOK_TRANSIT_ALL = 5, TOK_TRANSIT_LEAST = 3 };
void tok_transit_template(CK_ATTRIBUTE out[TOK_TRANSIT_ALL]);
/* Creates a transit key of `key_len` bytes in this session. End it with tok_transit_end. */
core_status tok_transit_new(tok_session *session, size_t key_len, CK_OBJECT_HANDLE *out,
                            core_err *err);
/* Destroys a transit key (0: none). If that fails, the session is marked to be closed, which
 * destroys the key. `st`: the status of the operation so far. */
void tok_transit_end(tok_session *session, CK_OBJECT_HANDLE key, core_status st);

#endif
