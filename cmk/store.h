/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store of Always Encrypted: a configuration, the tokens its key paths lead to, and what is
 * done with column encryption keys (CEK). The doors (odbc.c, api.c) and the tools stand on it.
 * All functions may be called from any thread and, after a fork, from a child. Tokens are looked
 * for and logged in to when the first path leads to them.
 *
 * A path is refused with ST_UNTRUSTED_PATH, ST_FORMAT or ST_INVALID_ARGUMENT before any token is
 * touched. `algorithm`: RSA_OAEP or RSA-OAEP in any case. Failed calls leave no result behind.
 */
#ifndef CMK_STORE_H
#define CMK_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "cmk/name.h"
#include "core/status.h"
#include "pkcs11/key.h"

typedef struct cmk_store cmk_store;

/* Opens the configuration (NULL: the default file). `token`: an alias, URI or label as for
 * tok_token_find, used for paths without a token part and permitted although no section names it;
 * NULL: the only token of the configuration, where there is one. `pin` (may be NULL) is that
 * token's PIN, copied to locked memory and wiped after it has logged in; all others have their
 * pin_file. */
CORE_MUST_USE core_status cmk_store_open(const char *config_path, const char *token,
                                         const char *pin, size_t pin_len, cmk_store **out,
                                         core_err *err);
cmk_store *cmk_store_ref(cmk_store *store);
/* The last one logs out and wipes. NULL is taken. */
void cmk_store_close(cmk_store *store);
/* Finds the store's own token and logs in now, to hear of a wrong PIN early. */
CORE_MUST_USE core_status cmk_store_login(cmk_store *store, core_err *err);
/* Lines of `name=value` for people: configuration, tokens logged in, CEKs in the cache. */
void cmk_store_status(cmk_store *store, char *text, size_t size);

/* Opens an ECEK: in this order the algorithm, the path, the key, version, lengths, signature (two
 * hashes only where accept_double_hash), and only then the token decrypts; 32 bytes come out.
 * ST_FORMAT, ST_SIGNATURE_INVALID, ST_DECRYPT_FAILED (whatever the reason), ... */
CORE_MUST_USE core_status cmk_decrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                                          const uint8_t *ecek, size_t length,
                                          uint8_t cek[CMK_CEK_LEN], core_err *err);

/* All checks of cmk_decrypt_cek up to and with the signature: whether the key of the path made this
 * ECEK. Makes no private-key call. ST_FORMAT, ST_SIGNATURE_INVALID, ... */
CORE_MUST_USE core_status cmk_verify_cek(cmk_store *store, const char *path, const char *algorithm,
                                         const uint8_t *ecek, size_t length, core_err *err);

/* What makes ECEKs and signatures searches for its keys on the token each time: a remembered key
 * may have been retired, and its name given to another. *out_len in: room; out: the length, also
 * with ST_BUFFER_TOO_SMALL, which is answered before the token makes anything. All verify what they
 * signed before they give it out. */
CORE_MUST_USE core_status cmk_encrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                                          const uint8_t *cek, size_t cek_len, uint8_t *out,
                                          size_t *out_len, core_err *err);

/* What the key of a path is now: searched for on the token, whatever is remembered. */
CORE_MUST_USE core_status cmk_describe_key(cmk_store *store, const char *path, tok_key_info *out,
                                           core_err *err);

/* Where a token cannot keep a CEK inside, whether it may be in this process's memory for a moment.
 */
typedef enum cmk_where { CMK_IN_TOKEN, CMK_SOFTWARE_ALLOWED } cmk_where;

/* A new CEK, made and wrapped inside the token; ST_MECHANISM where it cannot and CMK_IN_TOKEN. */
CORE_MUST_USE core_status cmk_generate_cek(cmk_store *store, const char *path,
                                           const char *algorithm, cmk_where where, uint8_t *out,
                                           size_t *out_len, core_err *err);
/* The CEK of an ECEK under another column master key, all checks of cmk_decrypt_cek before. */
CORE_MUST_USE core_status cmk_rewrap_cek(cmk_store *store, const char *old_path,
                                         const char *new_path, const char *algorithm,
                                         const uint8_t *ecek, size_t length, cmk_where where,
                                         uint8_t *out, size_t *out_len, core_err *err);

/* The signature of a column master key's metadata, with this provider's name. *sig_len in: room;
 * out: the length. Verifying makes no private-key call; ST_SIGNATURE_INVALID. */
CORE_MUST_USE core_status cmk_sign_metadata(cmk_store *store, const char *path, bool enclave,
                                            uint8_t *sig, size_t *sig_len, core_err *err);
CORE_MUST_USE core_status cmk_verify_metadata(cmk_store *store, const char *path, bool enclave,
                                              const uint8_t *sig, size_t sig_len, core_err *err);

#endif
