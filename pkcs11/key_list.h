/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on a token, for administrators and for key paths: lists for which no key is used, with
 * the keys that are ignored and why.
 */
#ifndef PKCS11_KEY_LIST_H
#define PKCS11_KEY_LIST_H

#include "pkcs11/key.h"

/* A key object that takes part in no search, and makes no name taken. */
typedef enum tok_ignored_why {
    TOK_IGNORED_UNPROTECTED, /* CKA_PRIVATE is not TRUE, and unprotected_keys = refuse */
    TOK_IGNORED_UNREADABLE   /* the token refuses to say what it is */
} tok_ignored_why;
typedef struct tok_ignored_key {
    char name[TOK_LABEL_MAX + 1]; /* CKA_LABEL as in tok_key_info, "" where it is not told */
    bool secret;                  /* a secret key, else a private one */
    tok_ignored_why why;
    char text[256]; /* the cause, with the token's code */
} tok_ignored_key;

/* As tok_key_list, for administrators: what is on the token, and what of it is ignored. No key is
 * used for it, so a symmetric one is not identified: its thumb is its CKA_ID where that has the
 * length of one (has_thumb). *ignored: an array of
 * *ignored_count, released with core_free; NULL where it is not wanted. */
CORE_MUST_USE core_status tok_key_survey(tok_token *token, tok_key ***out, size_t *count,
                                         tok_ignored_key **ignored, size_t *ignored_count,
                                         core_err *err);
/* Computes the thumbprint (and length, see bits_unknown) of a key of tok_key_survey that is not
 * identified; one that cannot be stays so. Only while no other thread has the key. */
core_status tok_key_identify(tok_key *key, core_err *err);

/* What a key path of Always Encrypted may look for: label and id of each RSA private key that is
 * not retired, nothing else being read. *out: an array of *count, released with core_free. */
typedef struct tok_key_label {
    char name[TOK_LABEL_MAX + 1];
    uint8_t id[256];
    size_t id_len;
} tok_key_label;
CORE_MUST_USE core_status tok_key_labels(tok_token *token, tok_key_label **out, size_t *count,
                                         core_err *err);

#endif
