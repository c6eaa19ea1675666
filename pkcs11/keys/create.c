/* SPDX-License-Identifier: Apache-2.0
 *
 * Creates keys on the token. The thumbprint is known only after the key exists, so a key is created
 * with a random CKA_ID, loaded, and then given its thumbprint as CKA_ID. A failure of any step
 * destroys the objects created so far.
 */
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "pkcs11/keys/keys_private.h"

/* Bytes of the random CKA_ID of a new key. It differs from TOK_THUMB_LEN, so that no search takes
 * the id for a thumbprint. */
enum { CREATION_ID_LEN = 20 };

typedef struct creation {
    const tok_key_spec *spec;
    CK_SESSION_HANDLE own_session; /* the session of a session key; 0: none */
    CK_OBJECT_HANDLE private, public;
    tok_key *key;
    uint8_t id[CREATION_ID_LEN]; /* CKA_ID until the thumbprint is known */
} creation;

static const CK_BBOOL bbool_yes = CK_TRUE;
static const CK_BBOOL bbool_no = CK_FALSE;

/* Returns a pointer to a static CK_BBOOL for a template. */
static void *flag_value(bool on)
{
    return (void *)(uintptr_t)(on ? &bbool_yes : &bbool_no);
}

/* The flags of a template that an error text names. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
} flags[] = {
    {CKA_TOKEN, "CKA_TOKEN"},
    {CKA_SENSITIVE, "CKA_SENSITIVE"},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE"},
    {CKA_ENCRYPT, "CKA_ENCRYPT"},
    {CKA_DECRYPT, "CKA_DECRYPT"},
    {CKA_SIGN, "CKA_SIGN"},
    {CKA_UNWRAP, "CKA_UNWRAP"},
};

/* Fails with the code of a refused creation. The text lists the mechanism, the size and the flags
 * that were requested, because a token does not tell which of them it refuses. */
static core_status fail_refused(tok_session *session, const char *function,
                                CK_MECHANISM_TYPE mechanism, unsigned bits, const CK_ATTRIBUTE *key,
                                size_t count, CK_RV rv, core_err *err)
{
    char what[320];
    size_t length;

    if (tok_rv_status(rv, TOK_CALL_OTHER) != ST_MECHANISM)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_OTHER);
    length = (size_t)snprintf(what, sizeof what, "%s of %s, %u bits", function,
                              tok_mech_name(mechanism), bits);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++)
            if (key[i].type == flags[f].type && length < sizeof what)
                length +=
                    (size_t)snprintf(what + length, sizeof what - length, ", %s %s", flags[f].name,
                                     *(const CK_BBOOL *)key[i].pValue ? "true" : "false");
    return tok_rv_fail(err, session->token, what, rv, TOK_CALL_OTHER);
}

static core_status check_name(tok_session *session, const char *name, core_err *err)
{
    size_t count = 0;
    core_status st = tok_keys_named(session, name, &count, err);
    if (st == ST_OK && count > 0) {
        st = core_fail(err, ST_KEY_EXISTS, "key \"%s\": token \"%s\" has one of this name; %s",
                       name, session->token->info.label, core_status_next(ST_KEY_EXISTS));
    }
    return st;
}

static core_status generate_rsa(tok_session *session, creation *c, core_err *err)
{
    const tok_key_spec *spec = c->spec;
    CK_ULONG bits = core_algorithm_bits(spec->algorithm);
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_BYTE exponent[] = {1, 0, 1};
    /* The public key gets the uses that match the private key's: some tokens test a new pair by
     * encrypting with it or by verifying a signature. */
    bool encrypts = (spec->can & (TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT)) != 0;
    bool wraps = (spec->can & (TOK_CAN_WRAP | TOK_CAN_UNWRAP)) != 0;
    void *label = (void *)(uintptr_t)spec->name;
    CK_ULONG label_len = (CK_ULONG)strlen(spec->name);
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, flag_value(spec->persistent), sizeof(CK_BBOOL)},
        {CKA_LABEL, label, label_len},
        {CKA_ID, c->id, sizeof c->id},
        {CKA_MODULUS_BITS, &bits, sizeof bits},
        {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
        {CKA_ENCRYPT, flag_value(encrypts), sizeof(CK_BBOOL)},
        {CKA_VERIFY, flag_value((spec->can & TOK_CAN_SIGN) != 0), sizeof(CK_BBOOL)},
        {CKA_WRAP, flag_value(wraps), sizeof(CK_BBOOL)},
    };
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, flag_value(spec->persistent), sizeof(CK_BBOOL)},
        {CKA_PRIVATE, flag_value(true), sizeof(CK_BBOOL)},
        {CKA_SENSITIVE, flag_value(true), sizeof(CK_BBOOL)},
        {CKA_EXTRACTABLE, flag_value(spec->extractable), sizeof(CK_BBOOL)},
        {CKA_LABEL, label, label_len},
        {CKA_ID, c->id, sizeof c->id},
        {CKA_DECRYPT, flag_value((spec->can & TOK_CAN_DECRYPT) != 0), sizeof(CK_BBOOL)},
        {CKA_SIGN, flag_value((spec->can & TOK_CAN_SIGN) != 0), sizeof(CK_BBOOL)},
        {CKA_UNWRAP, flag_value((spec->can & TOK_CAN_UNWRAP) != 0), sizeof(CK_BBOOL)},
    };
    core_status st = tok_mech_need(session, CKM_RSA_PKCS_KEY_PAIR_GEN, bits, err);
    if (st != ST_OK)
        return st;
    CK_RV rv = session->f->C_GenerateKeyPair(
        session->handle, &mechanism, public, sizeof public / sizeof public[0], private,
        sizeof private / sizeof private[0], &c -> public, &c->private);
    return rv == CKR_OK
               ? ST_OK
               : fail_refused(session, "C_GenerateKeyPair", mechanism.mechanism, (unsigned)bits,
                              private, sizeof private / sizeof private[0], rv, err);
}

static core_status generate_symmetric(tok_session *session, creation *c, core_err *err)
{
    const tok_key_spec *spec = c->spec;
    bool aes = spec->algorithm != CORE_ALG_3DES;
    CK_ULONG length = core_algorithm_bits(spec->algorithm) / 8;
    CK_MECHANISM mechanism = {aes ? CKM_AES_KEY_GEN : CKM_DES3_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE key[] = {
        {CKA_TOKEN, flag_value(spec->persistent), sizeof(CK_BBOOL)},
        {CKA_PRIVATE, flag_value(true), sizeof(CK_BBOOL)},
        {CKA_SENSITIVE, flag_value(true), sizeof(CK_BBOOL)},
        {CKA_EXTRACTABLE, flag_value(spec->extractable), sizeof(CK_BBOOL)},
        {CKA_LABEL, (void *)(uintptr_t)spec->name, (CK_ULONG)strlen(spec->name)},
        {CKA_ID, c->id, sizeof c->id},
        {CKA_ENCRYPT, flag_value(true), sizeof(CK_BBOOL)}, /* the thumbprint needs it, too */
        {CKA_DECRYPT, flag_value((spec->can & TOK_CAN_DECRYPT) != 0), sizeof(CK_BBOOL)},
        {CKA_VALUE_LEN, &length, sizeof length}, /* last: 3DES has a fixed length */
    };
    tok_mech_info info;
    core_status st = tok_mech(session, mechanism.mechanism, &info, err);
    if (st != ST_OK)
        return st;
    if (!info.listed)
        return tok_mech_need(session, mechanism.mechanism, length, err);
    CK_RV rv = session->f->C_GenerateKey(session->handle, &mechanism, key,
                                         (CK_ULONG)(sizeof key / sizeof key[0]) - (aes ? 0 : 1),
                                         &c->private);
    return rv == CKR_OK ? ST_OK
                        : fail_refused(session, "C_GenerateKey", mechanism.mechanism,
                                       core_algorithm_bits(spec->algorithm), key,
                                       sizeof key / sizeof key[0], rv, err);
}

/* Sets CKA_ID of the new objects to the thumbprint, so that one search finds the key. If the token
 * does not let objects be changed, the key keeps its random id, a warning is logged, and searches
 * by thumbprint read all keys. */
static core_status set_thumb_id(tok_session *session, creation *c, core_err *err)
{
    tok_key_info *info = &c->key->info;
    const CK_ATTRIBUTE id = {CKA_ID, info->thumb, TOK_THUMB_LEN};
    core_err why = {0};

    core_status st =
        tok_attribute_set(session, c->private, &id, "C_SetAttributeValue(CKA_ID)", &why);
    if (st == ST_OK && c->public != 0)
        st = tok_attribute_set(session, c->public, &id, "C_SetAttributeValue(CKA_ID)", &why);
    if (st == ST_OK) {
        memcpy(info->id, info->thumb, TOK_THUMB_LEN);
        info->id_len = TOK_THUMB_LEN;
        return ST_OK;
    }
    if (core_status_class(st) == CORE_CLASS_QUIRK || core_status_class(st) == CORE_CLASS_POLICY) {
        core_log(CORE_LOG_WARNING,
                 "key \"%s\" keeps the CKA_ID it was made with, and searches for it read all keys: "
                 "%s",
                 info->name, core_err_text(&why, st));
        return ST_OK;
    }
    if (err != NULL)
        *err = why;
    return st;
}

/* Checks that the new key has the flags that were requested. Some tokens ignore CKA_SENSITIVE, and
 * SoftHSM under load has created a key whose CKA_TOKEN is FALSE. A flag that the token does not
 * tell is not checked. ST_POLICY. */
static core_status check_created(tok_session *session, const creation *c, core_err *err)
{
    const CK_BBOOL wanted[] = {c->spec->persistent, CK_TRUE, CK_TRUE, c->spec->extractable};
    static const char *const names[] = {"CKA_TOKEN", "CKA_PRIVATE", "CKA_SENSITIVE",
                                        "CKA_EXTRACTABLE"};
    CK_BBOOL is[4];
    CK_ATTRIBUTE a[] = {
        {CKA_TOKEN, &is[0], sizeof is[0]},
        {CKA_PRIVATE, &is[1], sizeof is[1]},
        {CKA_SENSITIVE, &is[2], sizeof is[2]},
        {CKA_EXTRACTABLE, &is[3], sizeof is[3]},
    };
    core_status st = tok_attributes(session, c->private, a, 4, err);

    for (size_t i = 0; st == ST_OK && i < 4; i++) {
        if (i == 1 && !tok_unprotected_refused(session))
            continue;
        if (tok_attribute_has(&a[i]) && (is[i] == CK_TRUE) != (wanted[i] == CK_TRUE)) {
            st = core_fail(err, ST_POLICY,
                           "token \"%s\" made key \"%s\" with %s %s against what was asked, so the "
                           "key was destroyed; try again, then ask the vendor for a token policy "
                           "that allows it",
                           session->token->info.label, c->spec->name, names[i],
                           wanted[i] == CK_TRUE ? "false" : "true");
        }
    }
    return st;
}

/* Destroys the objects of a creation that failed. It opens another session, because the session of
 * the creation may be the one that failed. */
static void undo_creation(tok_session *session, creation *c)
{
    const CK_OBJECT_HANDLE created[] = {c->private, c->public};
    CK_SESSION_HANDLE other = 0;
    core_status st = ST_OK;

    if (created[0] != 0 || created[1] != 0)
        st = tok_session_open(session->token, &other, NULL);
    for (size_t i = 0; i < 2; i++) {
        CK_RV rv = CKR_OK;
        if (st == ST_OK && created[i] != 0)
            rv = session->f->C_DestroyObject(other, created[i]);
        if (st != ST_OK || rv != CKR_OK) {
            tok_note(session->token->ctx->gate, CORE_LOG_ERROR,
                     "token \"%s\": an unfinished key \"%s\" could not be destroyed (%s); remove "
                     "it with p11ekm key purge",
                     session->token->info.label, c->spec->name, tok_rv_name(rv));
        }
    }
    if (other != 0 && st == ST_OK)
        (void)session->f->C_CloseSession(other);
    if (c->key != NULL) {
        tok_key_release(c->key);
        c->key = NULL;
    }
}

static core_status create_op(tok_session *session, void *arg, core_err *err)
{
    creation *c = arg;
    bool rsa = core_algorithm_is_rsa(c->spec->algorithm);
    core_status st = check_name(session, c->spec->name, err);

    if (st == ST_OK)
        st = core_random(c->id, sizeof c->id);
    if (st != ST_OK)
        return st;
    /* A session key is created in a session opened for it alone and lives until that session is
     * closed (PKCS #11 v3.1, 5.6.2). */
    tok_session own = *session;
    if (!c->spec->persistent) {
        st = tok_session_open(session->token, &own.handle, err);
        if (st != ST_OK)
            return st;
        c->own_session = own.handle;
    }
    st = rsa ? generate_rsa(&own, c, err) : generate_symmetric(&own, c, err);
    if (st == ST_OK)
        st = tok_key_load(&own, c->private, rsa ? CKO_PRIVATE_KEY : CKO_SECRET_KEY, &c->key, err);
    if (st == ST_OK)
        c->key->info.persistent = c->spec->persistent; /* even if CKA_TOKEN is not told */
    if (st == ST_OK && c->spec->persistent)
        st = set_thumb_id(&own, c, err);
    if (st == ST_OK)
        st = check_created(&own, c, err);
    if (st != ST_OK && c->own_session != 0) {
        /* Closing the session destroys the objects created in it. */
        if (st != ST_SESSION_LOST)
            (void)session->f->C_CloseSession(c->own_session);
        c->own_session = c->private = c->public = 0;
    }
    if (st != ST_OK) {
        undo_creation(session, c);
        return st;
    }
    if (c->own_session != 0)
        tok_session_key_add(c->key, c->own_session);
    return ST_OK;
}

static core_status check_spec(const tok_token *token, const tok_key_spec *spec, core_err *err)
{
    const core_token_config *config = token->config;
    const char *fault = core_text_fault(spec->name, TOK_NAME_UNITS);

    if (!config->create) {
        return core_fail(err, ST_POLICY, "token \"%s\": keys are not created here (create = no)",
                         token->info.label);
    }
    if (token->group != NULL && (config->group_create == CORE_GROUP_REFUSE || !spec->persistent)) {
        return core_fail(err, ST_POLICY,
                         spec->persistent
                             ? "group \"%s\": keys are not created on a group (group_create)"
                             : "group \"%s\": a group makes no keys that live for a session",
                         token->info.label);
    }
    if (spec->algorithm >= CORE_ALG_COUNT || (config->algorithms & (1u << spec->algorithm)) == 0) {
        return core_fail(err, ST_POLICY,
                         "token \"%s\": the policy does not allow this algorithm (algorithms)",
                         token->info.label);
    }
    if (fault != NULL) {
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key name \"%.128s\": it %s; give 1 to %d UTF-16 units without control "
                         "characters, characters that change the direction of text, and $(",
                         spec->name, fault, (int)TOK_NAME_UNITS);
    }
    if (tok_label_is_retired(spec->name)) {
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "key name \"%.128s\": %s marks retired keys; give another name",
                         spec->name, TOK_RETIRED_PREFIX);
    }
    return ST_OK;
}

core_status tok_key_create(tok_token *token, const tok_key_spec *wanted, tok_key **out,
                           core_err *err)
{
    tok_key_spec spec = *wanted;
    creation c = {.spec = &spec};

    *out = NULL;
    if (spec.can == 0)
        spec.can = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT;
    core_status st = check_spec(token, &spec, err);
    if (st != ST_OK)
        return st;
    tok_fork_check(token->ctx);
    /* The lock prevents two threads from creating the same name twice. */
    enum { CREATE_WAIT_MS = 60000 };
    if (!tok_timed_lock_acquire(&token->key_lock, CREATE_WAIT_MS)) {
        return core_fail(err, ST_POOL_TIMEOUT, "token \"%s\": another key is still being made",
                         token->info.label);
    }
    st = tok_execute_on_primary(token, create_op, &c, err);
    if (st == ST_OK && spec.persistent)
        tok_keys_put(c.key);
    tok_timed_lock_release(&token->key_lock);
    *out = c.key;
    return st;
}
