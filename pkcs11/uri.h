/* SPDX-License-Identifier: Apache-2.0
 *
 * PKCS#11 URIs (RFC 7512), as strict as the standard: unknown or repeated attributes are errors,
 * path and query attributes are not mixed, pin-value is refused (a URI is no place for a PIN).
 */
#ifndef PKCS11_URI_H
#define PKCS11_URI_H

#include <stdbool.h>
#include <stdint.h>
#include "core/status.h"
#include "core/text.h"

typedef struct tok_uri {
    char *token, *manufacturer, *model, *serial; /* decoded, NULL where absent */
    char *object, *type;
    char *library_description, *library_manufacturer, *library_version;
    char *slot_description, *slot_manufacturer, *slot_id;
    uint8_t *id; /* may hold any byte */
    size_t id_len;
    bool has_id;
    char *module_path, *module_name, *pin_source; /* query */
} tok_uri;

/* Whether the text begins with "pkcs11:" in any case. */
bool tok_uri_is(const char *text);
/* ST_FORMAT with the attribute and position. *out is zeroed first; release with tok_uri_free. */
CORE_MUST_USE core_status tok_uri_parse(const char *text, tok_uri *out, core_err *err);
void tok_uri_free(tok_uri *uri);
/* The canonical text: token, manufacturer, serial, model, object, id, type; percent-encoded. */
void tok_uri_format(const tok_uri *uri, core_str *out);

#endif
