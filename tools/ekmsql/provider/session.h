/* SPDX-License-Identifier: Apache-2.0
 *
 * Crypto sessions with providers: one for a login and a provider, opened at first use with the
 * login's credential, closed when the provider is disabled, the credential changes, or at the end.
 */
#ifndef EKMSQL_PROVIDER_SESSION_H
#define EKMSQL_PROVIDER_SESSION_H

#include "tools/ekmsql/provider/provider.h"

struct sql_crypto_session {
    sql_provider *provider;
    int64_t login;
    int64_t credential;
    char *identity;
    SqlCpSession handle;
    sql_crypto_session *next;
};

/* NULL with the message reported: no credential (33046), wrong one (33028), … */
sql_crypto_session *sql_session_get(sql_engine *e, sql_provider *p, int64_t login);
/* The session of the login in force. */
sql_crypto_session *sql_session_of_caller(sql_engine *e, sql_provider *p);
bool sql_login_has_credential(sql_engine *e, int64_t login, int64_t provider);
/* Closes those of the provider and of the credential; 0 stands for any. */
void sql_sessions_close(sql_engine *e, int64_t provider, int64_t credential);

#endif
