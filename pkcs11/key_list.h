/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of the keys on a token, for administrators and for key paths, with the keys that are
 * ignored and the reason. No key is used to make them. Any thread may call these functions; all
 * need a login and make calls to the token.
 */
#ifndef PKCS11_KEY_LIST_H
#define PKCS11_KEY_LIST_H

#include "pkcs11/key.h"

/* Why a key object is ignored. No search finds such an object, and its name counts as free. */
typedef enum tok_ignored_why {
    TOK_IGNORED_UNPROTECTED, /* CKA_PRIVATE is not TRUE, and unprotected_keys = refuse */
    TOK_IGNORED_UNREADABLE   /* the token refuses to tell its attributes */
} tok_ignored_why;
typedef struct tok_ignored_key {
    char name[TOK_LABEL_MAX + 1]; /* CKA_LABEL as in tok_key_info; "": not told */
    bool secret;                  /* CKO_SECRET_KEY; false: CKO_PRIVATE_KEY */
    tok_ignored_why why;
    char text[256]; /* the cause, with the code of the token */
} tok_ignored_key;

/* Lists all keys as tok_key_list does, and the keys that are ignored. It uses no key, so symmetric
 * keys are not identified: the thumbprint of such a key is its CKA_ID if that has 16 bytes
 * (has_thumb). *out: as tok_key_list. *ignored: an array of *ignored_count; release it with
 * core_free. `ignored` and `ignored_count` are NULL if the caller does not want it. */
CORE_MUST_USE core_status tok_key_survey(tok_token *token, tok_key ***out, size_t *count,
                                         tok_ignored_key **ignored, size_t *ignored_count,
                                         core_err *err);
/* Computes the thumbprint of a key of tok_key_survey, and its length if that is unknown
 * (bits_unknown). On failure the key stays unidentified. It writes the key's tok_key_info, so no
 * other thread may use the key at the same time. */
core_status tok_key_identify(tok_key *key, core_err *err);

/* Reads label and id, nothing else, of each RSA private key that is not retired: what the key paths
 * of Always Encrypted need. *out: an array of *count; release it with core_free. */
typedef struct tok_key_label {
    char name[TOK_LABEL_MAX + 1]; /* as in tok_key_info */
    uint8_t id[256];
    size_t id_len;
} tok_key_label;
CORE_MUST_USE core_status tok_key_labels(tok_token *token, tok_key_label **out, size_t *count,
                                         core_err *err);

#endif
