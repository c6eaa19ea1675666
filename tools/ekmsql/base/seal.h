/* SPDX-License-Identifier: Apache-2.0
 *
 * The cryptography of the engine, done by OpenSSL: authenticated encryption with an engine key
 * (secrets in the catalog, encrypted backups), AES-CBC of native symmetric keys, and the page key
 * that is derived from a database encryption key.
 */
#ifndef EKMSQL_BASE_SEAL_H
#define EKMSQL_BASE_SEAL_H

#include "tools/ekmsql/base/text.h"

#define SQL_SEAL_KEY 32

/* AES-256-GCM: nonce, ciphertext, tag. `header` is authenticated if it is not NULL. */
bool sql_seal(const uint8_t key[SQL_SEAL_KEY], const sql_buf *header, const sql_buf *in,
              sql_buf *out);
bool sql_unseal(const uint8_t key[SQL_SEAL_KEY], const sql_buf *header, const sql_buf *in,
                sql_buf *out);

/* AES-CBC with PKCS#7 padding; the length of the key selects the variant. The output begins with
 * a random IV. */
bool sql_cbc_encrypt(const sql_buf *key, const sql_buf *in, sql_buf *out);
bool sql_cbc_decrypt(const sql_buf *key, const uint8_t *in, size_t len, sql_buf *out);

/* HMAC-SHA256 of a fixed text, for DEKs that are shorter than SQLCipher's key. */
bool sql_derive(const sql_buf *key, const char *purpose, uint8_t out[SQL_SEAL_KEY]);
bool sql_random(void *out, size_t len);

#endif
