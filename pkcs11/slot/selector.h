/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot layer: selectors of tokens (a label or a PKCS#11 URI). Functions that take a context call
 * the module: call them inside the gate or with it closed.
 */
#ifndef PKCS11_SELECTOR_H
#define PKCS11_SELECTOR_H

#include "pkcs11/slot/slot_private.h"
#include "pkcs11/uri.h"

/* Checks a selector. ST_FORMAT: a URI with a syntax error, or with attributes that do not select a
 * token. */
CORE_MUST_USE core_status tok_selector_check(const char *selector, core_err *err);
/* tok_selector_check and tok_uri_parse. Release *out with tok_uri_free after ST_OK only. */
CORE_MUST_USE core_status tok_selector_parse(const char *selector, tok_uri *out, core_err *err);
/* Checks the selectors of all token sections. ST_CONFIG_INVALID. */
CORE_MUST_USE core_status tok_selectors_check(const core_config *config, core_err *err);
/* True for a URI with slot attributes. Two tokens may differ by their slots alone. */
bool tok_selector_names_slot(const char *selector);
/* True if the URI selects by the token's label alone. */
bool tok_selector_is_plain(const tok_uri *uri);
/* *fits: the selector matches the token. Fails as tok_selector_check, or with ST_NO_MEMORY. */
CORE_MUST_USE core_status tok_selector_fits(tok_context *ctx, const char *selector,
                                            const tok_token_info *info, bool *fits, core_err *err);
/* The configuration section whose selector matches the token, or the defaults. The context owns
 * *out. */
CORE_MUST_USE core_status tok_config_of(tok_context *ctx, const tok_token_info *info,
                                        const core_token_config **out, core_err *err);

#endif
