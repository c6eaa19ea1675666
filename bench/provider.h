/* SPDX-License-Identifier: Apache-2.0
 *
 * The benchmark's own engine side: the provider library loaded by path and used as SQL Server does,
 * on the token that the environment names (MODULE, TOKEN, PIN, INIT_ARGS; see tests/tokens).
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

/* Loads the library and all 17 functions; initialises it; opens a session. False with a line on
 * stderr. */
bool provider_load(provider *p, const char *path);
bool provider_open(provider *p);
void provider_close(provider *p);

/* Makes a key on the token; its thumbprint is 16 bytes. Algorithms as in AES_256, by tag. */
bool provider_create(provider *p, const char *name, const char *algorithm, SqlCpKeyFlags flags,
                     SqlCpByte thumb[16]);
bool provider_drop(provider *p, const SqlCpByte thumb[16]);
bool provider_find(provider *p, const SqlCpByte thumb[16]);

#endif
