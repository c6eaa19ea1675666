/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists the keys of a token: for SQL Server with the thumbprint of each key that it may use, for
 * administrators with the ignored keys, and for key paths with labels only. Only the list for SQL
 * Server uses keys.
 */
#include "pkcs11/keys/keys_private.h"

typedef struct key_list {
    tok_key **keys;
    size_t count, room;
    tok_ignored_key *ignored;
    size_t ignored_count, ignored_room;
    bool want_ignored, failed; /* failed: out of memory */
} key_list;

/* Grows the array if it is full, for one more entry of `size` bytes; false: out of memory. */
static bool grow_array(void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    const size_t wanted = *room * 2 + 16;
    void *more = core_realloc(*array, wanted * size);
    if (more == NULL)
        return false;
    *array = more;
    *room = wanted;
    return true;
}

static bool add_key(tok_key *key, void *arg)
{
    key_list *list = arg;
    void *keys = list->keys;

    list->failed = list->failed || !grow_array(&keys, list->count, &list->room, sizeof *list->keys);
    list->keys = keys;
    if (!list->failed)
        list->keys[list->count++] = tok_key_ref(key);
    return !list->failed;
}

static void add_ignored(const tok_ignored_key *ignored, void *arg)
{
    key_list *list = arg;
    void *array = list->ignored;

    if (!list->want_ignored)
        return;
    list->failed = list->failed || !grow_array(&array, list->ignored_count, &list->ignored_room,
                                               sizeof *list->ignored);
    list->ignored = array;
    if (!list->failed)
        list->ignored[list->ignored_count++] = *ignored;
}

static void list_free(key_list *list)
{
    tok_key_list_free(list->keys, list->count);
    core_free(list->ignored);
    *list = (key_list){.want_ignored = list->want_ignored};
}

static core_status survey_op(tok_session *session, void *arg, core_err *err)
{
    key_list *list = arg;
    tok_scan scan = {.seen = add_key, .ignored = add_ignored, .arg = list};

    list_free(list); /* of an earlier try of this operation */
    core_status st = tok_scan_keys(session, TOK_ALL_KEYS, CKA_ID, NULL, 0, &scan, err);
    if (st == ST_OK && list->failed)
        st = core_fail(err, ST_NO_MEMORY, "out of memory for the keys of the token");
    return st;
}

core_status tok_key_survey(tok_token *token, tok_key ***out, size_t *count,
                           tok_ignored_key **ignored, size_t *ignored_count, core_err *err)
{
    key_list list = {.want_ignored = ignored != NULL};
    core_status st = tok_execute(token, survey_op, &list, err);

    if (st != ST_OK)
        list_free(&list);
    *out = list.keys;
    *count = list.count;
    if (ignored != NULL) {
        *ignored = list.ignored;
        *ignored_count = list.ignored_count;
    }
    return st;
}

/* Computes the thumbprint, and tries a second time unless the token or its login is lost. One
 * failure is no proof that the key cannot encrypt. */
static core_status measure_key(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                               core_err *err)
{
    core_status st = tok_key_measure(session, object, key, err);
    return st == ST_OK || tok_scan_stops(session, st) ? st
                                                      : tok_key_measure(session, object, key, err);
}

static core_status identify_op(tok_session *session, void *arg, core_err *err)
{
    tok_key *key = arg;
    CK_OBJECT_HANDLE object = 0;

    core_status st = tok_key_handle(session, key, &object, err);
    if (st == ST_OK)
        st = measure_key(session, object, key, err);
    return tok_key_invalidate_if_lost(key, st);
}

core_status tok_key_identify(tok_key *key, core_err *err)
{
    return key->info.identified ? ST_OK : tok_execute(key->token, identify_op, key, err);
}

/* --- for SQL Server --- */

/* True if the key is shown to SQL Server, so that its thumbprint is needed. A key of unknown length
 * may turn out to have a length that the policy allows. */
static bool is_shown(const tok_session *session, const tok_key_info *info)
{
    const unsigned allowed = session->owner->config->algorithms;
    return !info->retired && info->algorithm < CORE_ALG_COUNT &&
           (info->bits_unknown || (allowed & (1u << info->algorithm)) != 0);
}

/* Identifies a key that SQL Server may use. If the token does not let it encrypt, the key has no
 * thumbprint and cannot be used: it is released and *key is NULL. */
static core_status identify_shown(tok_session *session, tok_key **key, core_err *err)
{
    core_err why = {0};

    if ((*key)->info.identified || !is_shown(session, &(*key)->info))
        return ST_OK;
    core_status st = measure_key(
        session, atomic_load(&(*key)->handles[session->member_index].handle), *key, &why);
    if (st == ST_OK)
        return ST_OK;
    if (tok_scan_stops(session, st)) {
        if (err != NULL)
            *err = why;
        return st;
    }
    tok_key_release(*key);
    *key = NULL;
    return ST_OK;
}

static core_status list_op(tok_session *session, void *arg, core_err *err)
{
    key_list *list = arg;
    size_t kept = 0;

    core_status st = survey_op(session, arg, err);
    for (size_t i = 0; st == ST_OK && i < list->count; i++)
        st = identify_shown(session, &list->keys[i], err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < list->count; i++)
        if (list->keys[i] != NULL)
            list->keys[kept++] = list->keys[i];
    list->count = kept;
    return ST_OK;
}

core_status tok_key_list(tok_token *token, tok_key ***out, size_t *count, core_err *err)
{
    key_list list = {0};
    core_status st = tok_execute(token, list_op, &list, err);

    if (st != ST_OK)
        list_free(&list);
    for (size_t i = 0; i < list.count; i++)
        if (!list.keys[i]->info.retired && list.keys[i]->info.identified)
            tok_keys_put(list.keys[i]);
    *out = list.keys;
    *count = list.count;
    return st;
}

/* --- for key paths --- */

typedef struct label_list {
    tok_key_label *labels;
    size_t count;
} label_list;

/* Reads label and id of one object. An object that tells only one of them is listed, too. */
static core_status read_label(tok_session *session, CK_OBJECT_HANDLE object, label_list *list,
                              core_err *err)
{
    tok_key_label *to = &list->labels[list->count];
    CK_BBOOL private = CK_FALSE;
    CK_ATTRIBUTE a[] = {
        {CKA_LABEL, to->name, TOK_LABEL_MAX},
        {CKA_ID, to->id, sizeof to->id},
        {CKA_PRIVATE, &private, sizeof private},
    };
    core_status st = tok_attributes(session, object, a, 3, err);

    if (st == ST_HANDLE_LOST) /* deleted after the search */
        return ST_OK;
    if (st != ST_OK)
        return st;
    tok_label_take(to->name, &a[0]);
    to->id_len = tok_attribute_has(&a[1]) ? a[1].ulValueLen : 0;
    const bool refused = (a[2].ulValueLen != sizeof private || private != CK_TRUE) &&
                         tok_unprotected_refused(session);
    if (!refused && !tok_label_is_retired(to->name))
        list->count++;
    return ST_OK;
}

static core_status labels_op(tok_session *session, void *arg, core_err *err)
{
    label_list *list = arg;
    CK_BBOOL yes = CK_TRUE;
    CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &object_class, sizeof object_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_KEY_TYPE, &type, sizeof type},
    };
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;

    core_free(list->labels); /* of an earlier try of this operation */
    *list = (label_list){0};
    core_status st = tok_search(session, match, 3, &objects, &count, err);
    if (st == ST_OK && count > 0) {
        list->labels = core_calloc(count, sizeof *list->labels);
        if (list->labels == NULL)
            st = core_fail(err, ST_NO_MEMORY, "out of memory for the keys of the token");
    }
    for (size_t i = 0; st == ST_OK && list->labels != NULL && i < count; i++)
        st = read_label(session, objects[i], list, err);
    core_free(objects);
    return st;
}

core_status tok_key_labels(tok_token *token, tok_key_label **out, size_t *count, core_err *err)
{
    label_list list = {0};
    core_status st = tok_execute(token, labels_op, &list, err);

    if (st != ST_OK) {
        core_free(list.labels);
        list = (label_list){0};
    }
    *out = list.labels;
    *count = list.count;
    return st;
}
