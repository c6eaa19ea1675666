/* SPDX-License-Identifier: Apache-2.0
 *
 * Key paths: a column master key is named by the PKCS#11 URI (RFC 7512) of its private key,
 * `pkcs11:token=hsm;object=cmk-2026` or with an `id`, or both. The path is compared with its case
 * and reaches us as it stands in the database. It comes from the database server, so it may name
 * keys of configured tokens only, and no file, PIN or slot.
 */
#ifndef CMK_PATH_H
#define CMK_PATH_H

#include <stdbool.h>
#include "pkcs11/key.h"
#include "pkcs11/uri.h"

/* ST_FORMAT with the part that does not belong. Release *out with tok_uri_free. */
CORE_MUST_USE core_status cmk_path_parse(const char *path, tok_uri *out, core_err *err);

/* Whether a path fits one of the comma-separated patterns (NULL: any path does). `*` stands for any
 * characters, also none; all else for itself, with its case. A comma or asterisk of a path is
 * written %2C or %2A in the path and so in the pattern. Blanks around a pattern do not count. */
bool cmk_path_trusted(const char *patterns, const char *path);

/* The token of a path: the one configured token that fits its token, manufacturer, model and
 * serial. `given` (may be NULL): the one the store was opened with; it need not be in the
 * configuration, and stands for paths that name none. ST_TOKEN_NOT_FOUND, ST_TOKEN_AMBIGUOUS (also
 * where another token differs in case only), ST_POLICY. */
CORE_MUST_USE core_status cmk_path_token(tok_context *ctx, tok_token *given, const tok_uri *uri,
                                         tok_token **out, core_err *err);

/* The one RSA key of a path on its token; a login is in force. ST_NOT_FOUND, and ST_KEY_AMBIGUOUS
 * also where another key's name differs in case only: their master keys would share a signature. */
CORE_MUST_USE core_status cmk_path_key(tok_token *token, const tok_uri *uri, tok_key **out,
                                       core_err *err);

#endif
