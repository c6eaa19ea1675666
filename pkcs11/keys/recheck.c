/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks cached keys again, because other processes change keys. A cached object handle and the
 * key's state (uses, dates, retired) are valid for key_recheck_seconds. The first use after that
 * reads the identity of the object and the state with one C_GetAttributeValue (PKCS #11
 * v3.1, 5.7.5). Threads that need the same key at that time wait for the result.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

/* --- the state, packed into one atomic word so that every reader gets a consistent one --- */

enum { DATE_BITS = 27, CAN_BITS = 5 }; /* 99999999 < 1 << 27 */

static uint64_t pack_state(const tok_key_state *state)
{
    const uint64_t date = (UINT64_C(1) << DATE_BITS) - 1;
    return (state->start_date & date) | (state->end_date & date) << DATE_BITS |
           (uint64_t)(state->can & ((1u << CAN_BITS) - 1)) << 2 * DATE_BITS |
           (uint64_t)state->retired << (2 * DATE_BITS + CAN_BITS);
}

tok_key_state tok_key_now(const tok_key *key)
{
    const uint64_t word = atomic_load(&key->state);
    const uint64_t date = (UINT64_C(1) << DATE_BITS) - 1;

    return (tok_key_state){
        .can = (unsigned)(word >> 2 * DATE_BITS) & ((1u << CAN_BITS) - 1),
        .retired = (word >> (2 * DATE_BITS + CAN_BITS) & 1) != 0,
        .start_date = (uint32_t)(word & date),
        .end_date = (uint32_t)(word >> DATE_BITS & date),
        .ever = atomic_load(&key->ever),
    };
}

static void set_state(tok_key *key, const tok_key_state *state)
{
    atomic_fetch_or(&key->ever, state->can);
    atomic_store(&key->state, pack_state(state));
    atomic_store(&key->state_us, core_now_us());
}

void tok_key_state_begin(tok_key *key)
{
    const tok_key_info *info = &key->info;
    const tok_key_state state = {info->can, info->retired, info->start_date, info->end_date, 0};
    set_state(key, &state);
    /* The members of a group may differ, so the first use reads the state of all members. */
    if (key->token->group != NULL)
        atomic_store(&key->state_us, 0);
}

void tok_key_state_copy(tok_key *key, const tok_key *fresh)
{
    const tok_key_state state = tok_key_now(fresh);
    set_state(key, &state);
    atomic_store(&key->silent, 0);
}

/* --- the attributes that are read --- */

enum { ID, MODULUS, PRIVATE, LABEL, START, END, DECRYPT, UNWRAP, THIRD, FOURTH, READ_COUNT };

/* The buffers of one read. ulValueLen CK_UNAVAILABLE_INFORMATION: not told, or not asked. */
typedef struct reading {
    uint8_t id[256], modulus[1025];
    char label[TOK_LABEL_MAX + 1];
    CK_DATE start, end;
    CK_BBOOL private;
    CK_BBOOL flags[READ_COUNT];
    CK_ATTRIBUTE a[READ_COUNT];
} reading;

/* The flags: the attribute and the uses that it permits, of RSA and of secret keys. */
static const struct flag_row {
    CK_ATTRIBUTE_TYPE rsa, secret;
    unsigned can_rsa, can_secret;
} flags[READ_COUNT] = {
    [DECRYPT] = {CKA_DECRYPT, CKA_DECRYPT, TOK_CAN_DECRYPT | TOK_CAN_ENCRYPT, TOK_CAN_DECRYPT},
    [UNWRAP] = {CKA_UNWRAP, CKA_UNWRAP, TOK_CAN_UNWRAP | TOK_CAN_WRAP, TOK_CAN_UNWRAP},
    [THIRD] = {CKA_SIGN, CKA_ENCRYPT, TOK_CAN_SIGN, TOK_CAN_ENCRYPT},
    [FOURTH] = {0, CKA_WRAP, 0, TOK_CAN_WRAP},
};

/* Fills r->a with all attributes of this kind of key; type 0: an unused entry. */
static void list_attributes(const tok_key *key, reading *r)
{
    const bool rsa = key->info.rsa;

    r->a[ID] = (CK_ATTRIBUTE){CKA_ID, r->id, sizeof r->id};
    r->a[MODULUS] = (CK_ATTRIBUTE){rsa ? CKA_MODULUS : 0, r->modulus, sizeof r->modulus};
    r->private = CK_FALSE;
    r->a[PRIVATE] = (CK_ATTRIBUTE){CKA_PRIVATE, &r->private, sizeof r->private};
    r->a[LABEL] = (CK_ATTRIBUTE){CKA_LABEL, r->label, TOK_LABEL_MAX};
    r->a[START] = (CK_ATTRIBUTE){CKA_START_DATE, &r->start, sizeof r->start};
    r->a[END] = (CK_ATTRIBUTE){CKA_END_DATE, &r->end, sizeof r->end};
    for (unsigned i = DECRYPT; i < READ_COUNT; i++) {
        r->flags[i] = CK_FALSE;
        r->a[i] =
            (CK_ATTRIBUTE){rsa ? flags[i].rsa : flags[i].secret, &r->flags[i], sizeof(CK_BBOOL)};
    }
}

/* True if the object has no such attribute or never tells it. An attribute that was not told
 * because the device failed is read again the next time. */
static bool is_untold(const CK_ATTRIBUTE *a, CK_RV fault)
{
    return !tok_attribute_has(a) && (fault == CKR_OK || fault == CKR_ATTRIBUTE_TYPE_INVALID ||
                                     fault == CKR_ATTRIBUTE_SENSITIVE);
}

/* Reads the attributes that this key has told before, in one call if the token still tells all of
 * them. Attributes that it does not tell are added to key->silent and not asked for again. */
static core_status read_attributes(tok_session *session, tok_key *key, CK_OBJECT_HANDLE object,
                                   reading *r, core_err *err)
{
    CK_ATTRIBUTE asked[READ_COUNT];
    CK_RV faults[READ_COUNT];
    unsigned from[READ_COUNT];
    CK_ULONG count = 0;
    unsigned silent = atomic_load(&key->silent);

    list_attributes(key, r);
    for (unsigned i = 0; i < READ_COUNT; i++) {
        if (r->a[i].type != 0 && (silent & (1u << i)) == 0) {
            from[count] = i;
            asked[count++] = r->a[i];
        }
        r->a[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    }
    core_status st = tok_attributes_each(session, object, asked, count, faults, err);
    for (CK_ULONG i = 0; st == ST_OK && i < count; i++) {
        r->a[from[i]] = asked[i];
        if (is_untold(&asked[i], faults[i]))
            silent |= 1u << from[i];
    }
    if (st == ST_OK)
        atomic_store(&key->silent, silent);
    return st;
}

/* The date as the number yyyymmdd; 0: empty or invalid; `before` if the token did not tell it. */
static uint32_t date_of(const CK_ATTRIBUTE *a, uint32_t before)
{
    const char *text = a->pValue;
    uint32_t number = 0;

    if (!tok_attribute_has(a))
        return before;
    for (CK_ULONG i = 0; i < a->ulValueLen; i++) {
        if (a->ulValueLen != sizeof(CK_DATE) || text[i] < '0' || text[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    return number;
}

/* Sets the key's state; what the token did not tell stays unchanged. */
static void take_state(tok_key *key, reading *r)
{
    tok_key_state state = tok_key_now(key);

    if (tok_attribute_has(&r->a[LABEL])) {
        r->label[r->a[LABEL].ulValueLen] = '\0';
        state.retired = tok_label_is_retired(r->label);
    }
    state.start_date = date_of(&r->a[START], state.start_date);
    state.end_date = date_of(&r->a[END], state.end_date);
    for (unsigned i = DECRYPT; i < READ_COUNT; i++) {
        const unsigned can = key->info.rsa ? flags[i].can_rsa : flags[i].can_secret;
        if (r->a[i].ulValueLen == sizeof(CK_BBOOL))
            state.can = r->flags[i] != CK_FALSE ? state.can | can : state.can & ~can;
    }
    set_state(key, &state);
}

/* --- the identity of the object --- */

/* True if the object is not protected by the PIN: anyone can create such an object with the id of a
 * key. */
static bool is_planted(const tok_session *session, const reading *r)
{
    return tok_attribute_has(&r->a[PRIVATE]) && r->private != CK_TRUE &&
           tok_unprotected_refused(session);
}

/* *same: the object is still the key. The modulus identifies an RSA key. CKA_ID identifies a
 * symmetric key; if the key has no id or the id has changed, its thumbprint is computed. */
static core_status check_identity(tok_session *session, const tok_key *key, CK_OBJECT_HANDLE object,
                                  const reading *r, bool *same, core_err *err)
{
    const tok_key_info *info = &key->info;
    const CK_ATTRIBUTE *id = &r->a[ID];
    uint8_t thumb[TOK_THUMB_LEN];

    *same = !is_planted(session, r);
    if (!*same)
        return ST_OK;
    if (info->rsa && tok_attribute_has(&r->a[MODULUS])) {
        *same =
            tok_number_is(r->modulus, r->a[MODULUS].ulValueLen, info->modulus, info->modulus_len);
        return ST_OK;
    }
    if (info->id_len > 0 && id->ulValueLen == info->id_len &&
        memcmp(r->id, info->id, info->id_len) == 0)
        return ST_OK;
    *same = false;
    if (info->rsa)
        return ST_OK;
    core_status st = tok_thumb_symmetric(
        session, object, info->algorithm == CORE_ALG_3DES ? CKK_DES3 : CKK_AES, thumb, err);
    *same = st == ST_OK && memcmp(thumb, info->thumb, TOK_THUMB_LEN) == 0;
    /* An object of another kind refuses the encryption: it is not the key. */
    return st == ST_KEY_USAGE || st == ST_MECHANISM || st == ST_DATA_LENGTH ? ST_OK : st;
}

/* --- the time of the next check --- */

static bool is_due(const tok_key *key, uint64_t since_us)
{
    const uint64_t period_us = (uint64_t)key->token->config->key_recheck_seconds * 1000000;
    return key->info.persistent && period_us != 0 && core_now_us() - since_us >= period_us;
}

bool tok_key_state_due(const tok_key *key)
{
    return is_due(key, atomic_load(&key->state_us));
}

bool tok_key_proof_due(const tok_session *session, const tok_key *key)
{
    return is_due(key, atomic_load(&key->handles[session->member_index].proven_us));
}

void tok_key_doubt(tok_key *key)
{
    atomic_store(&key->state_us, 0);
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++)
        atomic_store(&key->handles[i].proven_us, 0);
}

/* Waits while another thread reads, session_wait_ms at most. True: this thread must read, and call
 * end_proof. False: the proof is no longer due. */
static bool begin_proof(const tok_session *session, tok_key *key)
{
    tok_token *token = session->token;
    tok_key_handles *handles = &key->handles[session->member_index];
    const uint64_t deadline = core_deadline_us(token->config->session_wait_ms);

    core_mutex_lock(&token->lock);
    while (handles->proving && core_cond_wait_until(&token->proven, &token->lock, deadline))
        ;
    const bool due = tok_key_proof_due(session, key);
    if (due)
        handles->proving = true;
    core_mutex_unlock(&token->lock);
    return due;
}

static void end_proof(const tok_session *session, tok_key *key, core_status st)
{
    tok_token *token = session->token;
    tok_key_handles *handles = &key->handles[session->member_index];

    core_mutex_lock(&token->lock);
    handles->proving = false;
    if (st == ST_OK)
        atomic_store(&handles->proven_us, core_now_us());
    core_cond_broadcast(&token->proven);
    core_mutex_unlock(&token->lock);
}

core_status tok_key_prove(tok_session *session, tok_key *key, CK_OBJECT_HANDLE object,
                          core_err *err)
{
    reading r;
    bool same = false;

    if (!begin_proof(session, key))
        return ST_OK;
    core_status st = read_attributes(session, key, object, &r, err);
    if (st == ST_OK)
        st = check_identity(session, key, object, &r, &same, err);
    if (st == ST_OK && !same)
        st = core_fail(err, ST_HANDLE_LOST, "key \"%s\": its handle names another object now",
                       key->info.name);
    if (st == ST_OK)
        take_state(key, &r);
    end_proof(session, key, st);
    return st;
}
