/* SPDX-License-Identifier: Apache-2.0
 *
 * Key enumeration. Key ids are numbers of a session: a key gets the next id when a listing first
 * shows it, and keeps it until the session ends even if keys are created or dropped. An id is never
 * reused for another key. SQL Server starts a listing with id 0.
 */
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "ekm/key_private.h"

typedef const tok_key_info *key_ref;

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const ekm_key_id *)a)->thumb, ((const ekm_key_id *)b)->thumb, TOK_THUMB_LEN);
}

static int compare_thumbs(const void *a, const void *b)
{
    return memcmp((*(const key_ref *)a)->thumb, (*(const key_ref *)b)->thumb, TOK_THUMB_LEN);
}

/* New keys get their ids in the order of their names. */
static int compare_names(const void *a, const void *b)
{
    int names = strcmp((*(const key_ref *)a)->name, (*(const key_ref *)b)->name);
    return names != 0 ? names : compare_thumbs(a, b);
}

/* Collects the keys of `keys` and the session keys that SQL Server may see, one per thumbprint:
 * copies of a key count once. Returns their number; `refs` must hold all of them. */
static size_t collect_locked(const ekm_call *call, tok_key *const *keys, size_t count,
                             key_ref *refs) CORE_REQUIRES(call->session->lock)
{
    const ekm_session *s = call->session;
    size_t all = 0;
    for (size_t n = 0; n < count; n++) {
        if (ekm_key_visible(call, keys[n]))
            refs[all++] = tok_key_info_of(keys[n]);
    }
    for (size_t n = 0; n < s->session_key_count; n++) {
        if (ekm_key_visible(call, s->session_keys[n]))
            refs[all++] = tok_key_info_of(s->session_keys[n]);
    }
    if (all == 0)
        return 0;
    qsort(refs, all, sizeof(key_ref), compare_thumbs);
    size_t kept = 1;
    for (size_t n = 1; n < all; n++) {
        if (compare_thumbs(&refs[n], &refs[kept - 1]) != 0)
            refs[kept++] = refs[n];
    }
    return kept;
}

static core_status reserve_locked(ekm_session *s, size_t more) CORE_REQUIRES(s->lock)
{
    size_t size = (s->id_count + more) * sizeof(ekm_key_id);
    ekm_key_id *ids = core_realloc(s->ids, size);
    if (ids)
        s->ids = ids;
    ekm_key_id *by_thumb = ids ? core_realloc(s->by_thumb, size) : NULL;
    if (by_thumb)
        s->by_thumb = by_thumb;
    return by_thumb ? ST_OK : ST_NO_MEMORY;
}

static bool mark_known_locked(ekm_session *s, key_ref key) CORE_REQUIRES(s->lock)
{
    ekm_key_id wanted = {0};
    memcpy(wanted.thumb, key->thumb, TOK_THUMB_LEN);
    const ekm_key_id *found =
        s->id_count ? bsearch(&wanted, s->by_thumb, s->id_count, sizeof wanted, compare_ids) : NULL;
    if (found)
        s->ids[found->id - 1].listed = true;
    return found != NULL;
}

/* Marks the keys that are present, and assigns ids to new ones. */
static core_status number_locked(ekm_session *s, key_ref *refs, size_t count) CORE_REQUIRES(s->lock)
{
    core_status st = count ? reserve_locked(s, count) : ST_OK;
    if (st != ST_OK)
        return st;
    for (size_t n = 0; n < s->id_count; n++)
        s->ids[n].listed = false;
    size_t fresh = 0;
    for (size_t n = 0; n < count; n++) {
        if (!mark_known_locked(s, refs[n]))
            refs[fresh++] = refs[n];
    }
    s->listed = true;
    if (fresh == 0)
        return ST_OK;
    qsort(refs, fresh, sizeof(key_ref), compare_names);
    for (size_t n = 0; n < fresh; n++) {
        ekm_key_id *id = &s->ids[s->id_count++];
        memcpy(id->thumb, refs[n]->thumb, TOK_THUMB_LEN);
        id->id = (SqlCpKeyId)s->id_count;
        id->listed = true;
    }
    memcpy(s->by_thumb, s->ids, s->id_count * sizeof(ekm_key_id));
    qsort(s->by_thumb, s->id_count, sizeof(ekm_key_id), compare_ids);
    return ST_OK;
}

/* Lists the keys of the token and the session keys. */
static core_status list_keys(ekm_call *call)
{
    ekm_session *s = call->session;
    tok_key **keys = NULL;
    size_t count = 0;
    core_status st = tok_key_list(s->token, &keys, &count, &call->err);
    if (st != ST_OK)
        return st;
    core_lock_acquire(&s->lock);
    key_ref *refs = core_calloc(count + s->session_key_count + 1, sizeof(key_ref));
    if (refs)
        st = number_locked(s, refs, collect_locked(call, keys, count, refs));
    else
        st = ST_NO_MEMORY;
    core_lock_release(&s->lock);
    core_free(refs);
    tok_key_list_free(keys, count);
    return st == ST_OK ? ST_OK : core_fail(&call->err, st, "no memory for the list of keys");
}

core_status ekm_key_next_id(ekm_call *call, SqlCpKeyId *id)
{
    if (!id)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "key id is NULL");
    ekm_session *s = call->session;
    core_lock_acquire(&s->lock);
    bool list = *id == 0 || !s->listed;
    core_lock_release(&s->lock);
    core_status st = list ? list_keys(call) : ST_OK;
    if (st != ST_OK)
        return st;
    core_lock_acquire(&s->lock);
    size_t next = *id;
    while (next < s->id_count && !s->ids[next].listed)
        next++;
    bool found = next < s->id_count;
    if (found)
        *id = s->ids[next].id;
    core_lock_release(&s->lock);
    return found ? ST_OK : core_fail(&call->err, ST_NOT_FOUND, "no more keys");
}

core_status ekm_key_by_id(ekm_call *call, SqlCpKeyId id)
{
    ekm_session *s = call->session;
    uint8_t thumb[TOK_THUMB_LEN];
    if (id == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "key id 0");
    core_lock_acquire(&s->lock);
    bool known = id <= s->id_count;
    if (known)
        memcpy(thumb, s->ids[id - 1].thumb, sizeof thumb);
    core_lock_release(&s->lock);
    if (!known)
        return core_fail(&call->err, ST_NOT_FOUND, "no key has the id %u in this session",
                         (unsigned)id);
    core_status st = ekm_key_by_thumb(call, &(SqlCpKeyThumbprint){sizeof thumb, thumb});
    call->thumb = NULL; /* points to a local variable */
    return st;
}
