/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this folder.
 */
#ifndef EKMSQL_MODEL_MODEL_PRIVATE_H
#define EKMSQL_MODEL_MODEL_PRIVATE_H

#include "tools/ekmsql/model/model.h"

/* dek.c: the key of the pages. */
bool sql_dek_page_key(const sql_dbheader *h, const sql_buf *dek, uint8_t key[32]);
/* Reports 15209 or 15466 with the code of the provider. */
bool sql_crypt_error(sql_engine *e, int number, SqlCpError code);

#endif
