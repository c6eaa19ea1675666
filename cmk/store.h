/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store of Always Encrypted: a configuration, the tokens of its key paths, and the
 * operations on column encryption keys (CEK) and encrypted CEKs (ECEK). The ODBC interface
 * (odbc.c), the C API (api.c) and the tools use it. All functions may be called from any thread
 * and, after a fork, from a child. A token is searched for and logged in to when a path first names
 * it.
 *
 * A path is refused with ST_UNTRUSTED_PATH, ST_FORMAT or ST_INVALID_ARGUMENT before any token is
 * used. `algorithm`: RSA_OAEP or RSA-OAEP in any case. After a failure no result is left in the
 * output buffers.
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
 * tok_token_find. It is used for paths without a token part, and is permitted even if no section of
 * the configuration names it. NULL: the only token of the configuration, if there is one. `pin`
 * (may be NULL) is the PIN of that token, `pin_len` bytes; it is copied to locked memory and wiped
 * after the login. Other tokens use their pin_file. Close *out with cmk_store_close. */
CORE_MUST_USE core_status cmk_store_open(const char *config_path, const char *token,
                                         const char *pin, size_t pin_len, cmk_store **out,
                                         core_err *err);
cmk_store *cmk_store_ref(cmk_store *store);
/* Releases a reference. The last one logs out and wipes all secrets. NULL is allowed. */
void cmk_store_close(cmk_store *store);
/* Finds the store's default token and logs in now, so that a wrong PIN is reported early. */
CORE_MUST_USE core_status cmk_store_login(cmk_store *store, core_err *err);
/* Writes lines of `name=value`: provider, version, configuration, logged-in tokens, number of CEKs
 * in the cache. `size` is in bytes. */
void cmk_store_status(cmk_store *store, char *text, size_t size);

/* Decrypts an ECEK. Checks in this order: algorithm, path, key, version, lengths, signature (double
 * hash only if accept_double_hash is set). Only then the token decrypts. ST_FORMAT,
 * ST_SIGNATURE_INVALID, ST_DECRYPT_FAILED (the same for every reason), and those of the token. */
CORE_MUST_USE core_status cmk_decrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                                          const uint8_t *ecek, size_t length,
                                          uint8_t cek[CMK_CEK_LEN], core_err *err);

/* Makes the checks of cmk_decrypt_cek up to and including the signature: whether the key of the
 * path made this ECEK. Does not use the private key. ST_FORMAT, ST_SIGNATURE_INVALID, and those of
 * the token. */
CORE_MUST_USE core_status cmk_verify_cek(cmk_store *store, const char *path, const char *algorithm,
                                         const uint8_t *ecek, size_t length, core_err *err);

/* Encrypts a CEK. The functions that create ECEKs and signatures search for their keys on the token
 * at each call, because a remembered key may have been retired and its name given to another.
 * *out_len: the size of `out` before, of the result after the call, also with ST_BUFFER_TOO_SMALL,
 * which is returned before the token creates anything. They verify each signature before they
 * return it. */
CORE_MUST_USE core_status cmk_encrypt_cek(cmk_store *store, const char *path, const char *algorithm,
                                          const uint8_t *cek, size_t cek_len, uint8_t *out,
                                          size_t *out_len, core_err *err);

/* Describes the current key of a path: always searches for it on the token. */
CORE_MUST_USE core_status cmk_describe_key(cmk_store *store, const char *path, tok_key_info *out,
                                           core_err *err);

/* Where a CEK may be in plaintext if the token cannot create or rewrap it inside: nowhere, or in
 * memory of this process during the call. */
typedef enum cmk_where { CMK_IN_TOKEN, CMK_SOFTWARE_ALLOWED } cmk_where;

/* Creates a CEK and wraps it inside the token. ST_MECHANISM if the token cannot and `where` is
 * CMK_IN_TOKEN. */
CORE_MUST_USE core_status cmk_generate_cek(cmk_store *store, const char *path,
                                           const char *algorithm, cmk_where where, uint8_t *out,
                                           size_t *out_len, core_err *err);
/* Encrypts the CEK of an ECEK under another column master key, after all checks of cmk_decrypt_cek.
 */
CORE_MUST_USE core_status cmk_rewrap_cek(cmk_store *store, const char *old_path,
                                         const char *new_path, const char *algorithm,
                                         const uint8_t *ecek, size_t length, cmk_where where,
                                         uint8_t *out, size_t *out_len, core_err *err);

/* Signs the metadata of a column master key, with the name of this provider. *sig_len: the size of
 * `sig` before, of the signature after the call. Verification does not use the private key;
 * ST_SIGNATURE_INVALID. */
CORE_MUST_USE core_status cmk_sign_metadata(cmk_store *store, const char *path, bool enclave,
                                            uint8_t *sig, size_t *sig_len, core_err *err);
CORE_MUST_USE core_status cmk_verify_metadata(cmk_store *store, const char *path, bool enclave,
                                              const uint8_t *sig, size_t sig_len, core_err *err);

#endif
