/* SPDX-License-Identifier: Apache-2.0
 *
 * The native symmetric keys that OPEN SYMMETRIC KEY decrypted, for the session.
 */
#include "tools/ekmsql/model/model.h"

#include <stdlib.h>
#include <string.h>

const sql_open_key *sql_key_opened(const sql_engine *e, const uint8_t guid[SQL_KEY_GUID])
{
    const sql_open_key *k = e->open_keys;
    while (k != NULL && memcmp(k->guid, guid, SQL_KEY_GUID) != 0) {
        k = k->next;
    }
    return k;
}

bool sql_key_close(sql_engine *e, const uint8_t *guid)
{
    for (sql_open_key **at = &e->open_keys; *at != NULL; at = &(*at)->next) {
        sql_open_key *k = *at;
        if (memcmp(k->guid, guid, SQL_KEY_GUID) == 0) {
            *at = k->next;
            sql_buf_free(&k->material);
            free(k);
            return true;
        }
    }
    return false;
}

void sql_keys_close_all(sql_engine *e)
{
    while (e->open_keys != NULL) {
        sql_key_close(e, e->open_keys->guid);
    }
}
