/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys layer, lower half: what single objects tell, and public keys.
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

static inline bool tok_label_is_retired(const char *label)
{
    return strncmp(label, TOK_RETIRED_PREFIX, sizeof TOK_RETIRED_PREFIX - 1) == 0;
}

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
bool tok_attribute_has(const CK_ATTRIBUTE *attribute);
/* Whether the failure is that of the session, the login, the object's handle or the device, so that
 * to ask for another attribute makes no sense. CKR_GENERAL_ERROR and its kin may be one
 * attribute's: SoftHSM gives it for the dates of a private key, and for what it cannot decrypt. */
bool tok_rv_ends_reading(CK_RV rv);
/* All objects that match. *out released with core_free. */
CORE_MUST_USE core_status tok_search(tok_session *session, const CK_ATTRIBUTE *match,
                                     CK_ULONG match_count, CK_OBJECT_HANDLE **out, size_t *count,
                                     core_err *err);

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
/* Removes leading zeros. */
void tok_strip_zeros(uint8_t *bytes, size_t *length);
/* True if both are the same number; leading zeros do not count. */
bool tok_number_is(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* True if an RSA key can have this exponent (big endian, no leading zeros): odd and at least 3. */
bool tok_exponent_is_possible(const uint8_t *bytes, size_t length);
/* Whether keys that anybody can have put on the token are refused. */
bool tok_unprotected_refused(const tok_session *session);
void tok_passed_retired(tok_passed *passed, const char *label);
void tok_passed_unprotected(tok_passed *passed, const char *label);
/* The name that a retired key's label ends in, NULL where it is no such label. */
const char *tok_retired_name(const char *label);
/* ST_NOT_FOUND: `what` was not found, or why what was is not used. */
core_status tok_passed_fail(const tok_token *token, const tok_passed *passed, const char *what,
                            core_err *err);
/* The length of a secret key that the token does not tell, by wrapping it: it must be extractable.
 */
CORE_MUST_USE core_status tok_secret_length(tok_session *session, CK_OBJECT_HANDLE key,
                                            CK_ULONG *length, core_err *err);
CORE_MUST_USE core_status tok_thumb_rsa(tok_key_info *info);
CORE_MUST_USE core_status tok_thumb_symmetric(tok_session *session, CK_OBJECT_HANDLE object,
                                              CK_KEY_TYPE type, uint8_t thumb[TOK_THUMB_LEN],
                                              core_err *err);
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

/* The exponent of an RSA private object that does not tell it, into key->info: what a public object
 * tells, or a common value, that proves right by a known answer. ST_NOT_SUPPORTED: none does. */
CORE_MUST_USE core_status tok_exponent_find(tok_session *session, CK_OBJECT_HANDLE object,
                                            tok_key *key, core_err *err);
/* Whether what key->info.modulus and this exponent encrypt comes back from the object, by the first
 * padding that it decrypts. *right is set with ST_OK only. */
CORE_MUST_USE core_status tok_exponent_proves(tok_session *session, CK_OBJECT_HANDLE object,
                                              tok_key *key, const tok_exponent *exponent,
                                              bool *right, core_err *err);
/* Modulus and exponent of an RSA private object that does not tell its modulus, into key->info:
 * those of a public object with its CKA_ID, if they prove right. */
CORE_MUST_USE core_status tok_modulus_find(tok_session *session, CK_OBJECT_HANDLE object,
                                           tok_key *key, bool *found, core_err *err);
/* Encrypts a random value with the public key and has the private object decrypt it, in this
 * session. *right: it came back. ST_MECHANISM: the object refuses the padding. */
CORE_MUST_USE core_status tok_answer_comes_back(tok_session *session, CK_OBJECT_HANDLE object,
                                                const tok_key *key, EVP_PKEY *public,
                                                core_padding padding, bool *right, core_err *err);
/* As long as the padding leaves room for; 0: for none. */
size_t tok_answer_length(const tok_key *key, core_padding padding);
/* The template of a transit key: an extractable session AES key. A token that refuses all of it may
 * take the first TOK_TRANSIT_LEAST attributes. The values are static; they must not be written. */
enum { TOK_TRANSIT_ALL = 5, TOK_TRANSIT_LEAST = 3 };
void tok_transit_template(CK_ATTRIBUTE out[TOK_TRANSIT_ALL]);
core_status tok_transit_new(tok_session *session, size_t key_len, CK_OBJECT_HANDLE *out,
                            core_err *err);
/* The end of such a key: destroyed, or closed with its session. */
void tok_transit_end(tok_session *session, CK_OBJECT_HANDLE key, core_status st);

#endif
