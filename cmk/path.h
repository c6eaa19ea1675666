/* SPDX-License-Identifier: Apache-2.0
 *
 * Key paths. A column master key is named by the PKCS#11 URI (RFC 7512) of its private key,
 * `pkcs11:token=hsm;object=cmk-2026` or with an `id`, or both. The path comes from the database and
 * is compared case-sensitively. The database server is not trusted, so a path may name keys of
 * configured tokens only, and no file, PIN or slot.
 */
#ifndef CMK_PATH_H
#define CMK_PATH_H

#include <stdbool.h>
#include "pkcs11/key.h"
#include "pkcs11/uri.h"

/* Parses a key path. ST_FORMAT: `err` names the part that is not allowed. Release *out with
 * tok_uri_free. */
CORE_MUST_USE core_status cmk_path_parse(const char *path, tok_uri *out, core_err *err);

/* True if a path matches one of the comma-separated patterns (NULL: any path matches). `*` matches
 * any number of characters; all others match themselves, case-sensitively. A comma or asterisk in a
 * path is written %2C or %2A, in the path and in the pattern. Blanks around a pattern are ignored.
 */
bool cmk_path_trusted(const char *patterns, const char *path);

/* Finds the token of a path: the one configured token that matches its token, manufacturer, model
 * and serial attributes. `given` (may be NULL): the token that the store was opened with; it need
 * not be in the configuration, and is used for paths without these attributes. *out is a reference.
 * ST_TOKEN_NOT_FOUND; ST_TOKEN_AMBIGUOUS (also if another token differs in case only); ST_POLICY:
 * not configured. */
CORE_MUST_USE core_status cmk_path_token(tok_context *ctx, tok_token *given, const tok_uri *uri,
                                         tok_token **out, core_err *err);

/* Finds the one RSA key of a path on its token, which must be logged in. *out is a reference.
 * ST_NOT_FOUND; ST_KEY_AMBIGUOUS, also if the name of another key differs in case only: the signed
 * metadata, which is in lower case, would be the same for both. */
CORE_MUST_USE core_status cmk_path_key(tok_token *token, const tok_uri *uri, tok_key **out,
                                       core_err *err);

#endif
