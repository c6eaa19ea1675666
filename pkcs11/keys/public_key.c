/* SPDX-License-Identifier: Apache-2.0
 *
 * Provides the public key object that the token encrypts and wraps with. Anyone with access to the
 * token can create a public object without the PIN, with the modulus of a key and an exponent that
 * reveals the plaintext. So the token uses a session object that this file creates from the key's
 * proven numbers (exponent.c, rsa_proof.c). If the token refuses C_CreateObject, it uses its own
 * public object, whose numbers are compared in the same session just before each use.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

static CK_OBJECT_CLASS class_public = CKO_PUBLIC_KEY;
static CK_KEY_TYPE type_rsa = CKK_RSA;
static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

/* Finds the public objects with this modulus. `persistent`: token objects only, without the session
 * objects that this file creates. Some tokens store the modulus with a leading zero. */
static core_status find_by_modulus(tok_session *session, const tok_key_info *info, bool persistent,
                                   CK_OBJECT_HANDLE **out, size_t *count, core_err *err)
{
    const CK_ULONG matches = persistent ? 4 : 3;
    uint8_t padded[sizeof info->modulus + 1] = {0};
    CK_ATTRIBUTE match[] = {
        {CKA_CLASS, &class_public, sizeof class_public},
        {CKA_KEY_TYPE, &type_rsa, sizeof type_rsa},
        {CKA_MODULUS, padded + 1, (CK_ULONG)info->modulus_len},
        {CKA_TOKEN, &yes, sizeof yes},
    };

    memcpy(padded + 1, info->modulus, info->modulus_len);
    core_status st = tok_search(session, match, matches, out, count, err);
    if (st == ST_OK && *count == 0) {
        match[2] = (CK_ATTRIBUTE){CKA_MODULUS, padded, (CK_ULONG)info->modulus_len + 1};
        core_free(*out);
        st = tok_search(session, match, matches, out, count, err);
    }
    return st;
}

/* The numbers that a public object tells; a length of 0: not told. */
typedef struct public_numbers {
    uint8_t modulus[1025];
    size_t modulus_len;
    tok_exponent exponent;
    uint8_t id[64];
    size_t id_len;
} public_numbers;

static core_status read_numbers(tok_session *session, CK_OBJECT_HANDLE object, public_numbers *out,
                                core_err *err)
{
    CK_ATTRIBUTE want[] = {
        {CKA_MODULUS, out->modulus, sizeof out->modulus},
        {CKA_PUBLIC_EXPONENT, out->exponent.bytes, sizeof out->exponent.bytes},
        {CKA_ID, out->id, sizeof out->id},
    };

    out->modulus_len = out->exponent.length = out->id_len = 0;
    core_status st = tok_attributes(session, object, want, 3, err);
    if (st != ST_OK)
        return st;
    out->modulus_len = tok_attribute_has(&want[0]) ? want[0].ulValueLen : 0;
    out->exponent.length = tok_attribute_has(&want[1]) ? want[1].ulValueLen : 0;
    out->id_len = tok_attribute_has(&want[2]) ? want[2].ulValueLen : 0;
    return ST_OK;
}

static bool has_numbers_of(const public_numbers *numbers, const tok_key_info *info)
{
    return tok_number_is(numbers->modulus, numbers->modulus_len, info->modulus,
                         info->modulus_len) &&
           tok_number_is(numbers->exponent.bytes, numbers->exponent.length, info->exponent,
                         info->exponent_len);
}

core_status tok_public_own(tok_session *session, const tok_key *key, CK_OBJECT_HANDLE *out,
                           core_err *err)
{
    const tok_key_info *info = &key->info;
    CK_OBJECT_HANDLE *objects = NULL;
    size_t count = 0;
    bool has_id = false;

    *out = 0;
    core_status st = find_by_modulus(session, info, true, &objects, &count, err);
    for (size_t i = 0; st == ST_OK && !has_id && i < count; i++) {
        public_numbers numbers;
        core_err ignored = {0};
        /* An object that cannot be read, or was deleted after the search, does not match. */
        core_status read = read_numbers(session, objects[i], &numbers, &ignored);
        if (tok_status_is_access_lost(read))
            st = core_fail(err, read, "%s", core_err_text(&ignored, read));
        if (read != ST_OK || !has_numbers_of(&numbers, info))
            continue;
        has_id = numbers.id_len == info->id_len && memcmp(numbers.id, info->id, info->id_len) == 0;
        if (has_id || *out == 0)
            *out = objects[i];
    }
    core_free(objects);
    return st;
}

static bool is_listed(const tok_exponent *list, size_t count, const tok_exponent *exponent)
{
    for (size_t i = 0; i < count; i++)
        if (tok_number_is(list[i].bytes, list[i].length, exponent->bytes, exponent->length))
            return true;
    return false;
}

core_status tok_public_exponents(tok_session *session, const tok_key_info *info, tok_exponent *out,
                                 size_t room, size_t *count, core_err *err)
{
    CK_OBJECT_HANDLE *objects = NULL;
    size_t found = 0;

    *count = 0;
    core_status st = find_by_modulus(session, info, false, &objects, &found, err);
    for (size_t i = 0; st == ST_OK && *count < room && i < found; i++) {
        tok_exponent *exponent = &out[*count];
        CK_ATTRIBUTE want = {CKA_PUBLIC_EXPONENT, exponent->bytes, sizeof exponent->bytes};
        core_err ignored = {0};
        core_status read = tok_attributes(session, objects[i], &want, 1, &ignored);
        if (tok_status_is_access_lost(read))
            st = core_fail(err, read, "%s", core_err_text(&ignored, read));
        if (read != ST_OK || !tok_attribute_has(&want))
            continue;
        exponent->length = want.ulValueLen;
        tok_strip_zeros(exponent->bytes, &exponent->length);
        if (tok_exponent_is_possible(exponent->bytes, exponent->length) &&
            !is_listed(out, *count, exponent))
            ++*count;
    }
    core_free(objects);
    return st;
}

/* --- the public objects of a session --- */

static tok_public *find_entry(tok_session *session, const tok_key *key)
{
    for (size_t i = 0; i < TOK_SESSION_PUBLICS; i++) {
        tok_public *entry = &session->publics[i];
        if (entry->object != 0 && entry->handle_generation == session->handle_generation &&
            memcmp(entry->thumb, key->info.thumb, TOK_THUMB_LEN) == 0)
            return entry;
    }
    return NULL;
}

/* Notes the object, in place of the oldest entry, whose session object is destroyed. */
static void add_entry(tok_session *session, const tok_key *key, CK_OBJECT_HANDLE object, bool ours)
{
    tok_public *entry = &session->publics[session->public_next++ % TOK_SESSION_PUBLICS];

    if (entry->object != 0 && entry->ours && entry->handle_generation == session->handle_generation)
        (void)session->f->C_DestroyObject(session->handle, entry->object);
    memcpy(entry->thumb, key->info.thumb, TOK_THUMB_LEN);
    entry->object = object;
    entry->handle_generation = session->handle_generation;
    entry->ours = ours;
}

/* Creates the session object (C_CreateObject, PKCS #11 v3.1, 5.7.1). Some tokens refuse the
 * optional attributes at the end of the template, so it is tried again with fewer. */
static CK_RV create_object(tok_session *session, const tok_key_info *info, CK_OBJECT_HANDLE *out)
{
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class_public, sizeof class_public},
        {CKA_KEY_TYPE, &type_rsa, sizeof type_rsa},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_MODULUS, (void *)(uintptr_t)info->modulus, (CK_ULONG)info->modulus_len},
        {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)info->exponent, (CK_ULONG)info->exponent_len},
        {CKA_ENCRYPT, &yes, sizeof yes},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
    };
    static const CK_ULONG counts[] = {8, 7, 6};
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;

    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && tok_rv_refuses_template(rv); i++)
        rv = session->f->C_CreateObject(session->handle, template, counts[i], out);
    return rv;
}

/* True if the code says that the token does not create such objects. False: a code outside the
 * standard, a lost device, session or login, or a lack of memory. */
static bool refuses_objects(CK_RV rv)
{
    const core_status st = tok_rv_status(rv, TOK_CALL_OTHER);
    return tok_rv_name(rv)[0] != '\0' && !tok_status_is_access_lost(st) &&
           core_status_class(st) != CORE_CLASS_CAPACITY;
}

static core_status use_own_object(tok_session *session, tok_key *key, CK_RV rv,
                                  CK_OBJECT_HANDLE *out, core_err *err)
{
    core_status st = tok_public_own(session, key, out, err);

    if (st == ST_OK && *out == 0) {
        st = core_fail(err, ST_MECHANISM,
                       "key \"%s\": token \"%s\" makes no public key object for the session "
                       "(C_CreateObject: %s 0x%lx) and holds none with this modulus and exponent; "
                       "public_ops = software encrypts without it",
                       key->info.name, session->token->info.label, tok_rv_name(rv),
                       (unsigned long)rv);
    }
    if (st == ST_OK)
        add_entry(session, key, *out, false);
    return st;
}

/* Compares the numbers of the token's own object again, because its handle may name another object
 * by now. If they differ, searches for the object again. */
static core_status check_own_object(tok_session *session, tok_key *key, tok_public *entry,
                                    CK_OBJECT_HANDLE *out, core_err *err)
{
    public_numbers numbers;
    core_status st = read_numbers(session, entry->object, &numbers, err);

    if (st == ST_OK && has_numbers_of(&numbers, &key->info)) {
        *out = entry->object;
        return ST_OK;
    }
    entry->object = 0;
    if (st != ST_OK && core_status_class(st) != CORE_CLASS_HANDLE)
        return st;
    return use_own_object(session, key, CKR_OK, out, err);
}

core_status tok_public_object(tok_session *session, tok_key *key, CK_OBJECT_HANDLE *out,
                              core_err *err)
{
    tok_public *entry = find_entry(session, key);

    *out = 0;
    if (entry != NULL && !entry->ours)
        return check_own_object(session, key, entry, out, err);
    if (entry != NULL) {
        *out = entry->object;
        return ST_OK;
    }
    CK_RV rv = create_object(session, &key->info, out);
    if (rv == CKR_OK) {
        add_entry(session, key, *out, true);
        return ST_OK;
    }
    *out = 0;
    return refuses_objects(rv)
               ? use_own_object(session, key, rv, out, err)
               : tok_rv_fail(err, session->token, "C_CreateObject", rv, TOK_CALL_OTHER);
}
