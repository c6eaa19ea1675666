/* SPDX-License-Identifier: Apache-2.0
 *
 * The benchmark as the caller of the EKM provider: loads the library by path and uses it as SQL
 * Server does, on the token that the environment names (MODULE, TOKEN, PIN, INIT_ARGS; see
 * tests/tokens).
 */
#ifndef BENCH_PROVIDER_H
#define BENCH_PROVIDER_H

#include <stdbool.h>
#include "ekm/sqlcp.h"

typedef struct provider {
    void *library;
    SqlCpSession session;
#define PROVIDER_MEMBER(state, name, parameters) SqlCpError(*name) parameters;
    SQLCP_EXPORTS(PROVIDER_MEMBER)
#undef PROVIDER_MEMBER
} provider;

/* provider_load loads the library and its 17 functions; provider_open initializes it and opens a
 * session. False after a line on stderr. */
bool provider_load(provider *p, const char *path);
bool provider_open(provider *p);
void provider_close(provider *p);

/* Creates a key on the token; its thumbprint has 16 bytes. `algorithm`: the tag, such as AES_256.
 */
bool provider_create(provider *p, const char *name, const char *algorithm, SqlCpKeyFlags flags,
                     SqlCpByte thumb[16]);
bool provider_drop(provider *p, const SqlCpByte thumb[16]);
bool provider_find(provider *p, const SqlCpByte thumb[16]);

#endif
