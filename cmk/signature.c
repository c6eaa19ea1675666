/* SPDX-License-Identifier: Apache-2.0
 *
 * Composes the metadata that is signed, and verifies signatures.
 */
#include "cmk/signature.h"

#include <string.h>
#include "cmk/ecek.h"
#include "core/crypto.h"
#include "core/memory.h"
#include "core/text.h"

/* Appends the lower-case form of UTF-8 `text` at *at. `capacity` and *at count 16-bit units. */
static core_status append_lower(const char *text, uint16_t *message, size_t capacity, size_t *at)
{
    size_t cb = (capacity - *at) * sizeof *message;
    const core_status st = core_utf8_to_utf16(text, message + *at, &cb);
    if (st != ST_OK)
        return st;
    core_utf16_lower(message + *at, cb / sizeof *message);
    *at += cb / sizeof *message;
    return ST_OK;
}

/* An upper bound in 16-bit units: UTF-8 never has fewer bytes than UTF-16 has units. */
static size_t units_max(const char *provider, const char *path)
{
    return strlen(provider) + strlen(path) + sizeof "false";
}

core_status cmk_metadata_message(const char *provider, const char *path, bool enclave,
                                 uint8_t **out, size_t *length, core_err *err)
{
    *out = NULL;
    *length = 0;
    const size_t capacity = units_max(provider, path);
    size_t at = 0, provider_end = 0, path_end = 0;
    uint16_t *message = core_calloc(capacity, sizeof *message);
    if (message == NULL)
        return core_fail(err, ST_NO_MEMORY, "key path: out of memory");
    core_status st = append_lower(provider, message, capacity, &at);
    provider_end = at;
    if (st == ST_OK)
        st = append_lower(path, message, capacity, &at);
    path_end = at;
    if (st == ST_OK)
        st = append_lower(enclave ? "true" : "false", message, capacity, &at);
    if (st != ST_OK || provider_end == 0 || path_end == provider_end ||
        path_end - provider_end > CMK_ECEK_PATH_MAX / 2) {
        core_free(message);
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key path: it is empty, too long or not UTF-8; give a PKCS#11 URI");
    }
    *out = (uint8_t *)message;
    *length = at * sizeof *message;
    return ST_OK;
}

core_status cmk_signature_digest(cmk_hash hash, const uint8_t *message, size_t length,
                                 uint8_t digest[32])
{
    uint8_t first[32];
    core_status st = core_sha256(message, length, NULL, 0, NULL, 0, first);
    if (st != ST_OK)
        return st;
    if (hash == CMK_HASH_DOUBLE)
        return core_sha256(first, sizeof first, NULL, 0, NULL, 0, digest);
    memcpy(digest, first, sizeof first);
    return ST_OK;
}

core_status cmk_signature_verify(tok_key *key, const uint8_t *message, size_t length,
                                 const uint8_t *signature, size_t signature_len, bool accept_double)
{
    const cmk_hash last = accept_double ? CMK_HASH_DOUBLE : CMK_HASH_SINGLE;
    core_status st = ST_SIGNATURE_INVALID;
    for (cmk_hash hash = CMK_HASH_SINGLE; hash <= last && st == ST_SIGNATURE_INVALID; hash++) {
        uint8_t digest[32];
        st = cmk_signature_digest(hash, message, length, digest);
        if (st == ST_OK)
            st = tok_rsa_verify(key, digest, signature, signature_len);
    }
    return st;
}
