/* SPDX-License-Identifier: Apache-2.0
 *
 * From an object on the token to a tok_key, and back to its handle after the token was away. A
 * handle found again is believed only when the key behind it has the same thumbprint: tokens reuse
 * handles.
 */
#include <string.h>
#include "pkcs11/key_private.h"

void tok_strip_zeros(uint8_t *bytes, size_t *length)
{
    size_t zeros = 0;
    while (zeros < *length && bytes[zeros] == 0)
        zeros++;
    *length -= zeros;
    memmove(bytes, bytes + zeros, *length);
}

/* An exponent that an RSA key can have: odd, at least 3. */
static bool exponent_possible(const tok_key_info *info)
{
    return info->exponent_len > 0 && (info->exponent[info->exponent_len - 1] & 1) != 0 &&
           (info->exponent_len > 1 || info->exponent[0] >= 3);
}

static core_status find_modulus(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_raw_key *raw, core_err *err)
{
    bool found = false;
    core_status st = tok_modulus_find(session, object, key, &found, err);

    if (st != ST_OK || found)
        return st;
    return tok_attribute_missing("CKA_MODULUS", raw->modulus_rv, err);
}

static core_status complete_rsa(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const tok_raw_key *raw, core_err *err)
{
    tok_key_info *info = &key->info;
    core_status st = ST_OK;

    info->rsa = true;
    info->can = (raw->decrypt ? TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT : 0u) |
                (raw->unwrap ? TOK_CAN_UNWRAP | TOK_CAN_WRAP : 0u) |
                (raw->sign ? TOK_CAN_SIGN : 0u);
    key->always_authenticate = raw->always_authenticate == CK_TRUE;
    key->exponent_told = info->modulus_len > 0 && info->exponent_len > 0;
    if (info->modulus_len == 0)
        st = find_modulus(session, object, key, raw, err);
    if (st != ST_OK)
        return st;
    tok_strip_zeros(info->modulus, &info->modulus_len);
    tok_strip_zeros(info->exponent, &info->exponent_len);
    if (info->modulus_len < 64)
        return ST_NOT_SUPPORTED;
    info->bits = (unsigned)info->modulus_len * 8;
    for (unsigned bit = 0x80; bit != 0 && (info->modulus[0] & bit) == 0; bit >>= 1)
        info->bits--;
    if (info->exponent_len == 0)
        st = tok_exponent_find(session, object, key, err);
    if (st == ST_OK)
        st = exponent_possible(info) ? tok_thumb_rsa(info) : ST_NOT_SUPPORTED;
    info->has_thumb = info->identified = st == ST_OK;
    return st;
}

static core_algorithm algorithm_of(const tok_key_info *info, CK_KEY_TYPE type)
{
    for (core_algorithm a = 0; a < CORE_ALG_COUNT; a++)
        if (core_algorithm_is_rsa(a) == info->rsa && core_algorithm_bits(a) == info->bits &&
            (info->rsa || (a == CORE_ALG_3DES) == (type == CKK_DES3)))
            return a;
    return CORE_ALG_COUNT;
}

core_status tok_key_measure(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                            core_err *err)
{
    tok_key_info *info = &key->info;
    const bool des3 = info->algorithm == CORE_ALG_3DES;
    CK_ULONG length = 0;

    /* SoftHSM leaves CKA_VALUE_LEN at 0 for keys that came in by C_UnwrapKey. */
    if (info->bits_unknown && info->extractable &&
        tok_secret_length(session, object, &length, NULL) == ST_OK &&
        (length == 16 || length == 24 || length == 32)) {
        info->bits = (unsigned)length * 8;
        info->bits_unknown = false;
        info->algorithm = algorithm_of(info, CKK_AES);
    }
    core_status st =
        tok_thumb_symmetric(session, object, des3 ? CKK_DES3 : CKK_AES, info->thumb, err);
    info->has_thumb = info->identified = st == ST_OK;
    return st;
}

/* A key whose length nothing tells counts as the shortest it can be, so that no policy is passed by
 * claiming more than there is. */
static core_status complete_symmetric(tok_key *key, const tok_raw_key *raw)
{
    tok_key_info *info = &key->info;

    if (raw->type != CKK_AES && raw->type != CKK_DES3)
        return ST_NOT_SUPPORTED;
    info->bits_unknown = raw->type == CKK_AES && raw->value_len == 0;
    info->bits = raw->type == CKK_DES3 ? 192
                 : info->bits_unknown  ? 128
                                       : (unsigned)raw->value_len * 8;
    info->can = (raw->encrypt ? TOK_CAN_ENCRYPT : 0u) | (raw->decrypt ? TOK_CAN_DECRYPT : 0u) |
                (raw->wrap ? TOK_CAN_WRAP : 0u) | (raw->unwrap ? TOK_CAN_UNWRAP : 0u);
    /* One that may not encrypt cannot tell its thumbprint. */
    if ((info->can & TOK_CAN_ENCRYPT) == 0)
        return ST_NOT_SUPPORTED;
    info->has_thumb = info->id_len == TOK_THUMB_LEN;
    if (info->has_thumb)
        memcpy(info->thumb, info->id, TOK_THUMB_LEN);
    return ST_OK;
}

/* Notes where the key is on the session's token, unless somebody knows it of a later age. A reader
 * that meets `age` at 0 in between looks for himself. */
static void key_at(const tok_session *session, tok_key *key, CK_OBJECT_HANDLE object)
{
    tok_place *place = &key->at[session->place];

    core_mutex_lock(&session->token->lock);
    if (atomic_load(&place->age) <= session->age) {
        atomic_store(&place->age, 0);
        atomic_store(&place->handle, object);
        atomic_store(&place->proven_us, core_now_us());
        place->proving = false;
        atomic_store(&place->age, session->age);
    }
    core_mutex_unlock(&session->token->lock);
}

bool tok_unprotected_refused(const tok_session *session)
{
    return session->token->config->unprotected_keys == CORE_UNPROTECTED_REFUSE;
}

static core_status complete(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                            const tok_raw_key *raw, bool thumbs, core_err *err)
{
    const bool rsa = key->object_class == CKO_PRIVATE_KEY;
    core_status st;

    if (rsa && raw->type != CKK_RSA)
        return ST_NOT_SUPPORTED;
    if (key->info.unprotected && tok_unprotected_refused(session)) {
        return core_fail(err, ST_POLICY,
                         "CKA_PRIVATE is not TRUE: anybody can put such a key on the token without "
                         "the PIN; see unprotected_keys");
    }
    st = rsa ? complete_rsa(session, object, key, raw, err) : complete_symmetric(key, raw);
    if (st != ST_OK)
        return st;
    key->info.algorithm = algorithm_of(&key->info, raw->type);
    return rsa || !thumbs ? ST_OK : tok_key_measure(session, object, key, err);
}

core_status tok_key_describe(tok_session *session, CK_OBJECT_HANDLE object,
                             CK_OBJECT_CLASS object_class, bool thumbs,
                             char name[TOK_LABEL_MAX + 1], tok_key **out, core_err *err)
{
    tok_raw_key raw;
    tok_key *key = core_calloc(1, sizeof *key);

    *out = NULL;
    name[0] = '\0';
    memset(&raw, 0, sizeof raw);
    if (key == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for a key");
    key->token = session->asker;
    atomic_store(&key->refs, 1);
    key->object_class = object_class;
    core_status st =
        tok_key_read(session, object, object_class == CKO_PRIVATE_KEY, &key->info, &raw, err);
    memcpy(name, key->info.name, TOK_LABEL_MAX + 1);
    if (st == ST_OK)
        st = complete(session, object, key, &raw, thumbs, err);
    if (st != ST_OK) {
        core_free(key);
        return st;
    }
    key->info.retired = tok_label_is_retired(key->info.name);
    tok_key_state_begin(key);
    key_at(session, key, object);
    *out = key;
    return ST_OK;
}

core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                         CK_OBJECT_CLASS object_class, tok_key **out, core_err *err)
{
    char name[TOK_LABEL_MAX + 1];
    return tok_key_describe(session, object, object_class, true, name, out, err);
}

/* The search for the very key. */
typedef struct same_key {
    const tok_session *session;
    tok_key *key;
    const char *const *names; /* two labels, one of which it must have; NULL: any */
    bool found;
    size_t alike; /* how many look so, where that must be one */
} same_key;

/* All that is known of a key that does not tell its thumbprint. */
static bool looks_alike(const tok_key_info *a, const tok_key_info *b)
{
    return strcmp(a->name, b->name) == 0 && a->id_len == b->id_len &&
           memcmp(a->id, b->id, a->id_len) == 0;
}

/* By the name, where it was told: SoftHSM under load may have given an empty one once. The id of a
 * key that has just been made may have been read before it was set, so it decides only where there
 * is no thumbprint. */
static bool is_named(const same_key *same, const tok_key_info *other)
{
    const tok_key_info *info = &same->key->info;

    if (!info->identified &&
        (other->id_len != info->id_len || memcmp(other->id, info->id, info->id_len) != 0))
        return false;
    return (info->identified && info->name[0] == 0) || strcmp(other->name, same->names[0]) == 0 ||
           strcmp(other->name, same->names[1]) == 0;
}

static bool is_same(tok_key *other, void *arg)
{
    same_key *same = arg;
    const tok_key_info *info = &same->key->info;
    /* Copies of one key are one key for use, but not for what is renamed or destroyed. */
    const bool identified = info->identified && same->names == NULL;

    if (info->identified && memcmp(other->info.thumb, info->thumb, TOK_THUMB_LEN) != 0)
        return true;
    if (same->names != NULL ? !is_named(same, &other->info)
                            : !identified && !looks_alike(&other->info, info))
        return true;
    same->found = identified || ++same->alike == 1;
    tok_key_state_copy(same->key, other);
    key_at(same->session, same->key, atomic_load(&other->at[same->session->place].handle));
    return !identified; /* another that looks so makes it ambiguous */
}

/* By CKA_ID, by label, and among all keys of its class: the last two use symmetric keys of others
 * for their thumbprints. */
static core_status find_again(tok_session *session, tok_key *key, const char *const *names,
                              core_err *err)
{
    const tok_key_info *info = &key->info;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &key->object_class, sizeof key->object_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {0, NULL, 0},
    };
    const CK_ATTRIBUTE narrow[] = {
        {CKA_ID, (void *)(uintptr_t)info->id, (CK_ULONG)info->id_len},
        {CKA_LABEL, (void *)(uintptr_t)info->name, (CK_ULONG)strlen(info->name)},
    };
    same_key same = {session, key, names, false, 0};
    tok_scan scan = {.seen = is_same, .arg = &same, .thumbs = info->identified};
    core_status st = ST_OK;

    for (size_t i = 0;
         st == ST_OK && !same.found && same.alike == 0 && i < sizeof narrow / sizeof narrow[0];
         i++) {
        match[2] = narrow[i];
        if (narrow[i].ulValueLen > 0)
            st = tok_scan_objects(session, match, 3, key->object_class, &scan, err);
    }
    const core_status bad = scan.bad; /* of those that are this key by id or label */
    if (st == ST_OK && !same.found && same.alike == 0)
        st = tok_scan_objects(session, match, 2, key->object_class, &scan, err);
    if (st == ST_OK && names != NULL && same.alike > 1) {
        return core_fail(err, ST_KEY_AMBIGUOUS,
                         "key \"%s\": token \"%s\" has %zu objects with its name and "
                         "thumbprint; give one of them another label with the vendor's tool",
                         info->name, session->token->info.label, same.alike);
    }
    if (st != ST_OK || same.found)
        return st;
    if (bad != ST_OK) {
        return core_fail(err, bad, "key \"%s\" cannot be read: %s", info->name,
                         core_err_text(&scan.why, bad));
    }
    return core_fail(err, ST_HANDLE_LOST, "key \"%s\" is no longer on token \"%s\"; %s", info->name,
                     session->token->info.label, core_status_next(ST_HANDLE_LOST));
}

/* Whether a handle that is good is known. */
static bool handle_known(const tok_session *session, const tok_place *place, CK_OBJECT_HANDLE *out)
{
    const uint64_t age = tok_token_age(session->token);
    const bool before = atomic_load(&place->age) == age;

    *out = atomic_load(&place->handle);
    return before && atomic_load(&place->age) == age;
}

core_status tok_key_find(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out, core_err *err)
{
    const tok_place *place = &key->at[session->place];

    /* A volatile key is in a session that no other process sees. */
    if (!key->info.persistent) {
        return handle_known(session, place, out)
                   ? ST_OK
                   : core_fail(err, ST_HANDLE_LOST,
                               "key \"%s\" was volatile and is lost with its session or login",
                               key->info.name);
    }
    core_status st = find_again(session, key, NULL, err);
    *out = atomic_load(&place->handle);
    return st;
}

core_status tok_key_find_named(tok_session *session, tok_key *key, const char *other_name,
                               CK_OBJECT_HANDLE *out, core_err *err)
{
    enum { TRIES = 4, PAUSE_MS = 10 };
    const char *names[2] = {key->info.name, other_name != NULL ? other_name : key->info.name};

    if (!key->info.persistent)
        return tok_key_find(session, key, out, err);
    core_status st = find_again(session, key, names, err);
    /* SoftHSM under load may tell an empty label once. */
    for (unsigned i = 1; i < TRIES && st == ST_HANDLE_LOST; i++) {
        core_sleep_ms(PAUSE_MS * i);
        st = find_again(session, key, names, err);
    }
    *out = st == ST_OK ? atomic_load(&key->at[session->place].handle) : 0;
    return st;
}

core_status tok_key_handle(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out, core_err *err)
{
    tok_place *place = &key->at[session->place];
    core_status st = ST_HANDLE_LOST;

    if (handle_known(session, place, out))
        st = tok_key_proof_due(session, key) ? tok_key_prove(session, key, *out, err) : ST_OK;
    if (st != ST_HANDLE_LOST)
        return st;
    return tok_key_find(session, key, out, err);
}

core_status tok_key_outcome(tok_key *key, core_status st)
{
    /* Somebody may have taken the use off the key. */
    if (st == ST_KEY_USAGE)
        tok_key_doubt(key);
    for (unsigned i = 0; st == ST_HANDLE_LOST && i < CORE_GROUP_MOST; i++)
        atomic_store(&key->at[i].age, 0);
    return st;
}

EVP_PKEY *tok_key_software(tok_key *key)
{
    EVP_PKEY *made;
    EVP_PKEY *none = NULL;
    EVP_PKEY *have = atomic_load(&key->software);

    if (have != NULL || !key->info.rsa)
        return have;
    made = core_rsa_public(key->info.modulus, key->info.modulus_len, key->info.exponent,
                           key->info.exponent_len);
    if (made != NULL && !atomic_compare_exchange_strong(&key->software, &none, made)) {
        core_rsa_free(made);
        return none;
    }
    return made;
}
