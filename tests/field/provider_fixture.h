/* SPDX-License-Identifier: Apache-2.0
 *
 * Fixture of suites that change keys of the memory token while a provider runs: the provider with a
 * session, a token layer context of the same configuration, and a session of another program. One
 * is open at a time.
 */
#ifndef TESTS_FIELD_PROVIDER_FIXTURE_H
#define TESTS_FIELD_PROVIDER_FIXTURE_H

#include "pkcs11/key.h"
#include "testing.h"
#include "tests/fault/fault_proxy.h"
#include "tests/field/other.h"
#include "tests/unit/ekm_fixture.h"

/* The uses of a column master key. */
#define CMK_USES (TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT | TOK_CAN_SIGN | TOK_CAN_WRAP | TOK_CAN_UNWRAP)

extern fault_proxy proxy;
extern SqlCpSession session;
extern tok_context *ctx;
extern tok_token *token;
extern other outside;
extern const char *log_path;

/* Opens all of it with the lines `policy` in the token's section; fails the test otherwise. */
void provider_open(const char *policy);
/* Closes all of it; checks that no rule of Cryptoki was broken. */
void provider_close(void);
/* main of such a suite: loads the fault proxy (77: there is none) and runs the suites. */
int provider_main(int argc, char **argv, const test_suite *const *suites, size_t count);

#endif
