/* SPDX-License-Identifier: Apache-2.0
 *
 * PKCS #11 URIs (RFC 7512). The parser is strict: an unknown or repeated attribute is an error, as
 * is a path attribute in the query or a query attribute in the path. It refuses pin-value, because
 * a URI is stored and logged. No function calls a module; any thread may call them.
 */
#ifndef PKCS11_URI_H
#define PKCS11_URI_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"
#include "core/text.h"

/* All strings are decoded UTF-8 that the tok_uri owns; NULL: the attribute is absent. */
typedef struct tok_uri {
    char *token, *manufacturer, *model, *serial;
    char *object, *type;
    char *library_description, *library_manufacturer, *library_version;
    char *slot_description, *slot_manufacturer, *slot_id;
    uint8_t *id; /* any bytes */
    size_t id_len;
    bool has_id;
    char *module_path, *module_name, *pin_source; /* query */
} tok_uri;

/* True if the text begins with "pkcs11:", in upper or lower case. */
bool tok_uri_is(const char *text);
/* Parses a URI into *out; release it with tok_uri_free. After a failure *out is zeroed and needs no
 * release. ST_FORMAT with the attribute and its position; ST_NO_MEMORY. */
CORE_MUST_USE core_status tok_uri_parse(const char *text, tok_uri *out, core_err *err);
/* Releases the strings. */
void tok_uri_free(tok_uri *uri);
/* Appends the canonical text: token, manufacturer, serial, model, object, id and type,
 * percent-encoded. */
void tok_uri_format(const tok_uri *uri, core_str *out);

#endif
