/* SPDX-License-Identifier: Apache-2.0
 *
 * From an object on the token to a tok_key, and back to its handle after the token was away. A
 * handle found again is believed only when the key behind it has the same thumbprint: tokens reuse
 * handles.
 */
#include <string.h>
#include "pkcs11/key_private.h"

typedef struct raw_key {
    CK_KEY_TYPE type;
    CK_ULONG value_len;
    CK_BBOOL token, extractable, sensitive, never_extractable, always_authenticate;
    CK_BBOOL encrypt, decrypt, sign, wrap, unwrap;
    CK_DATE start, end;
    bool has_start, has_end;
} raw_key;

/* YYYYMMDD as a number, 0 where there is none. */
static uint32_t date_number(const CK_DATE *date)
{
    uint32_t number = 0;
    char text[9] = {0};
    memcpy(text, date->year, 4);
    memcpy(text + 4, date->month, 2);
    memcpy(text + 6, date->day, 2);
    for (const char *c = text; *c >= '0' && *c <= '9'; c++)
        number = number * 10 + (uint32_t)(*c - '0');
    return number;
}

static core_status read_raw(tok_session *session, CK_OBJECT_HANDLE object, bool rsa,
                            tok_key_info *info, raw_key *raw, core_err *err)
{
    CK_ATTRIBUTE a[] = {
        {CKA_KEY_TYPE, &raw->type, sizeof raw->type},
        {CKA_LABEL, info->name, TOK_LABEL_MAX},
        {CKA_ID, info->id, sizeof info->id},
        {CKA_TOKEN, &raw->token, sizeof raw->token},
        {CKA_EXTRACTABLE, &raw->extractable, sizeof raw->extractable},
        {CKA_SENSITIVE, &raw->sensitive, sizeof raw->sensitive},
        {CKA_NEVER_EXTRACTABLE, &raw->never_extractable, sizeof raw->never_extractable},
        {CKA_DECRYPT, &raw->decrypt, sizeof raw->decrypt},
        {CKA_UNWRAP, &raw->unwrap, sizeof raw->unwrap},
        {CKA_SIGN, &raw->sign, sizeof raw->sign},
        {CKA_START_DATE, &raw->start, sizeof raw->start},
        {CKA_END_DATE, &raw->end, sizeof raw->end},
        /* From here on those of one class of key only. */
        {rsa ? CKA_MODULUS : CKA_VALUE_LEN, rsa ? (void *)info->modulus : (void *)&raw->value_len,
         rsa ? sizeof info->modulus : sizeof raw->value_len},
        {rsa ? CKA_PUBLIC_EXPONENT : CKA_ENCRYPT,
         rsa ? (void *)info->exponent : (void *)&raw->encrypt,
         rsa ? sizeof info->exponent : sizeof raw->encrypt},
        {rsa ? CKA_ALWAYS_AUTHENTICATE : CKA_WRAP,
         rsa ? (void *)&raw->always_authenticate : (void *)&raw->wrap, sizeof(CK_BBOOL)},
    };
    core_status st = tok_attributes(session, object, a, sizeof a / sizeof a[0], err);
    if (st != ST_OK)
        return st;
    info->name[tok_attribute_has(&a[1]) ? a[1].ulValueLen : 0] = '\0';
    info->id_len = tok_attribute_has(&a[2]) ? a[2].ulValueLen : 0;
    raw->has_start = tok_attribute_has(&a[10]) && a[10].ulValueLen == sizeof raw->start;
    raw->has_end = tok_attribute_has(&a[11]) && a[11].ulValueLen == sizeof raw->end;
    if (!tok_attribute_has(&a[0]) || (rsa && !tok_attribute_has(&a[12])))
        return ST_NOT_SUPPORTED;
    if (rsa) {
        info->modulus_len = a[12].ulValueLen;
        info->exponent_len = tok_attribute_has(&a[13]) ? a[13].ulValueLen : 0;
    }
    return ST_OK;
}

static void strip_zeros(uint8_t *bytes, size_t *length)
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

static core_status complete_rsa(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                const raw_key *raw, core_err *err)
{
    tok_key_info *info = &key->info;

    strip_zeros(info->modulus, &info->modulus_len);
    strip_zeros(info->exponent, &info->exponent_len);
    if (info->modulus_len < 64)
        return ST_NOT_SUPPORTED;
    info->rsa = true;
    info->bits = (unsigned)info->modulus_len * 8;
    for (unsigned bit = 0x80; bit != 0 && (info->modulus[0] & bit) == 0; bit >>= 1)
        info->bits--;
    info->can = (raw->decrypt ? TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT : 0u) |
                (raw->unwrap ? TOK_CAN_UNWRAP | TOK_CAN_WRAP : 0u) |
                (raw->sign ? TOK_CAN_SIGN : 0u);
    key->always_authenticate = raw->always_authenticate == CK_TRUE;
    key->exponent_told = info->exponent_len > 0;
    if (!key->exponent_told) {
        core_status st = tok_exponent_find(session, object, key, err);
        if (st != ST_OK)
            return st;
    }
    return exponent_possible(info) ? tok_thumb_rsa(info) : ST_NOT_SUPPORTED;
}

static core_status complete_symmetric(tok_session *session, CK_OBJECT_HANDLE object, tok_key *key,
                                      const raw_key *raw, core_err *err)
{
    tok_key_info *info = &key->info;

    if (raw->type != CKK_AES && raw->type != CKK_DES3)
        return ST_NOT_SUPPORTED;
    info->bits = raw->type == CKK_AES ? (unsigned)raw->value_len * 8 : 192;
    info->can = (raw->encrypt ? TOK_CAN_ENCRYPT : 0u) | (raw->decrypt ? TOK_CAN_DECRYPT : 0u) |
                (raw->wrap ? TOK_CAN_WRAP : 0u) | (raw->unwrap ? TOK_CAN_UNWRAP : 0u);
    if ((info->can & TOK_CAN_ENCRYPT) == 0) {
        return ST_NOT_SUPPORTED; /* it cannot tell its thumbprint, and nobody could encrypt with it
                                  */
    }
    return tok_thumb_symmetric(session, object, raw->type, info->thumb, err);
}

static core_algorithm algorithm_of(const tok_key_info *info, CK_KEY_TYPE type)
{
    for (core_algorithm a = 0; a < CORE_ALG_COUNT; a++)
        if (core_algorithm_is_rsa(a) == info->rsa && core_algorithm_bits(a) == info->bits &&
            (info->rsa || (a == CORE_ALG_3DES) == (type == CKK_DES3)))
            return a;
    return CORE_ALG_COUNT;
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

core_status tok_key_load(tok_session *session, CK_OBJECT_HANDLE object,
                         CK_OBJECT_CLASS object_class, tok_key **out, core_err *err)
{
    raw_key raw;
    bool rsa = object_class == CKO_PRIVATE_KEY;
    tok_key *key = core_calloc(1, sizeof *key);

    *out = NULL;
    memset(&raw, 0, sizeof raw);
    if (key == NULL)
        return core_fail(err, ST_NO_MEMORY, "out of memory for a key");
    core_status st = read_raw(session, object, rsa, &key->info, &raw, err);
    if (st == ST_OK && rsa && raw.type != CKK_RSA)
        st = ST_NOT_SUPPORTED;
    if (st == ST_OK) {
        st = rsa ? complete_rsa(session, object, key, &raw, err)
                 : complete_symmetric(session, object, key, &raw, err);
    }
    if (st != ST_OK) {
        core_free(key);
        return st;
    }
    key->token = session->asker;
    atomic_store(&key->refs, 1);
    key->object_class = object_class;
    key->info.algorithm = algorithm_of(&key->info, raw.type);
    key->info.persistent = raw.token == CK_TRUE;
    key->info.extractable = raw.extractable == CK_TRUE;
    key->info.sensitive = raw.sensitive == CK_TRUE;
    key->info.never_extractable = raw.never_extractable == CK_TRUE;
    key->info.start_date = raw.has_start ? date_number(&raw.start) : 0;
    key->info.end_date = raw.has_end ? date_number(&raw.end) : 0;
    key->info.retired =
        strncmp(key->info.name, TOK_RETIRED_PREFIX, sizeof TOK_RETIRED_PREFIX - 1) == 0;
    tok_key_state_begin(key);
    key_at(session, key, object);
    *out = key;
    return ST_OK;
}

/* Looks through the objects that match for the very key. */
static core_status find_same(tok_session *session, tok_key *key, const CK_ATTRIBUTE *match,
                             CK_ULONG match_count, bool *found, core_err *err)
{
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;

    *found = false;
    core_status st = tok_search(session, match, match_count, &objects, &count, err);
    for (size_t i = 0; st == ST_OK && !*found && i < count; i++) {
        tok_key *other = NULL;
        st = tok_key_load(session, objects[i], key->object_class, &other, err);
        if (st == ST_NOT_SUPPORTED) {
            st = ST_OK;
            continue;
        }
        if (other != NULL && memcmp(other->info.thumb, key->info.thumb, TOK_THUMB_LEN) == 0) {
            *found = true;
            tok_key_state_copy(key, other);
            key_at(session, key, objects[i]);
        }
        tok_key_release(other);
    }
    core_free(objects);
    return st;
}

static core_status find_again(tok_session *session, tok_key *key, core_err *err)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &key->object_class, sizeof key->object_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_ID, key->info.id, (CK_ULONG)key->info.id_len},
    };
    bool found = false;
    core_status st = ST_OK;

    if (key->info.id_len > 0)
        st = find_same(session, key, match, 3, &found, err);
    if (st == ST_OK && !found)
        st = find_same(session, key, match, 2, &found, err);
    if (st == ST_OK && !found) {
        st =
            core_fail(err, ST_HANDLE_LOST, "key \"%s\" is no longer on token \"%s\"; %s",
                      key->info.name, session->token->info.label, core_status_next(ST_HANDLE_LOST));
    }
    return st;
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
    core_status st = find_again(session, key, err);
    *out = atomic_load(&place->handle);
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
