/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a sorted index from CKA_ID to object handle, for tokens that search slowly. Some tokens
 * scan every object for each search, which takes 80 ms and more for 1000 keys. After the first slow
 * search all CKA_IDs are read once, at about the cost of one more search, and later lookups need no
 * scan. The index is valid for one handle generation. A handle from it is used only if the key that
 * it names has the thumbprint that was looked for.
 */
#include <stdlib.h>
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* Appends the objects of one class whose CKA_ID has TOK_THUMB_LEN bytes. */
static core_status add_class(tok_session *session, CK_OBJECT_CLASS object_class, tok_id **ids,
                             size_t *count, core_err *err)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &object_class, sizeof object_class},
                            {CKA_TOKEN, &yes, sizeof yes}};
    CK_OBJECT_HANDLE *objects = NULL;
    size_t found = 0;

    core_status st = tok_search(session, match, 2, &objects, &found, err);
    tok_id *more =
        st == ST_OK && found > 0 ? core_realloc(*ids, (*count + found) * sizeof **ids) : NULL;
    if (more != NULL)
        *ids = more;
    for (size_t i = 0; st == ST_OK && more != NULL && i < found; i++) {
        tok_id *entry = &more[*count];
        uint8_t id[sizeof((tok_key_info *)0)->id];
        CK_BBOOL private = CK_FALSE;
        CK_ATTRIBUTE want[] = {{CKA_ID, id, sizeof id}, {CKA_PRIVATE, &private, sizeof private}};
        st = tok_attributes(session, objects[i], want, 2, err);
        const bool kept = private == CK_TRUE || !tok_unprotected_refused(session);
        if (st == ST_HANDLE_LOST) { /* deleted after the search */
            st = ST_OK;
        } else if (st == ST_OK && kept && want[0].ulValueLen == TOK_THUMB_LEN) {
            memcpy(entry->id, id, TOK_THUMB_LEN);
            entry->object = objects[i];
            entry->object_class = object_class;
            ++*count;
        }
    }
    core_free(objects);
    return st;
}

core_status tok_ids_build(tok_session *session, core_err *err)
{
    tok_token *token = session->token;
    tok_id *ids = NULL;
    size_t count = 0;

    core_status st = add_class(session, CKO_PRIVATE_KEY, &ids, &count, err);
    if (st == ST_OK)
        st = add_class(session, CKO_SECRET_KEY, &ids, &count, err);
    if (st != ST_OK) {
        core_free(ids);
        return st;
    }
    if (count > 0)
        qsort(ids, count, sizeof *ids, tok_id_compare);
    core_mutex_lock(&token->lock);
    tok_id *old = token->ids;
    token->ids = ids;
    token->id_count = count;
    token->ids_generation = session->handle_generation;
    core_mutex_unlock(&token->lock);
    core_free(old);
    return ST_OK;
}
