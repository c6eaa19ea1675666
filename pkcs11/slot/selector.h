/* SPDX-License-Identifier: Apache-2.0
 *
 * Slot layer: selectors of tokens. Those that take a context call the module: inside the
 * gate or with it closed.
 */
#ifndef PKCS11_SELECTOR_H
#define PKCS11_SELECTOR_H

#include "pkcs11/slot/slot_private.h"
#include "pkcs11/uri.h"

/* ST_FORMAT for a URI that does not parse, or has attributes that name no token. */
CORE_MUST_USE core_status tok_selector_check(const char *selector, core_err *err);
/* tok_selector_check and tok_uri_parse. Release *out with tok_uri_free after ST_OK only. */
CORE_MUST_USE core_status tok_selector_parse(const char *selector, tok_uri *out, core_err *err);
/* All token sections. ST_CONFIG_INVALID. */
CORE_MUST_USE core_status tok_selectors_check(const core_config *config, core_err *err);
/* Whether it has slot attributes: two tokens may differ by their slots alone. */
bool tok_selector_names_slot(const char *selector);
/* Whether the URI has the token's label and nothing else. */
bool tok_selector_is_plain(const tok_uri *uri);
CORE_MUST_USE core_status tok_selector_fits(tok_context *ctx, const char *selector,
                                            const tok_token_info *info, bool *fits, core_err *err);
/* The section of a token, or the defaults. */
CORE_MUST_USE core_status tok_config_of(tok_context *ctx, const tok_token_info *info,
                                        const core_token_config **out, core_err *err);

#endif
