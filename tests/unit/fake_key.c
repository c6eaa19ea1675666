/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the fake token: see fake_tok.h. Objects on the token are not allocated by core/, so
 * that tests fail allocations of the code under test only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/crypto.h"
#include "core/memory.h"
#include "core/platform.h"
#include "pkcs11/key_state.h"
#include "tests/unit/fake_tok_private.h"

enum { RSA_FRONT = 10, RSA_OVERHEAD = 66 };
static const char retired_prefix[] = "p11ekm-retired:20260101000000:";

void fake_free_objects_locked(void)
{
    while (fake.objects) {
        fake_object *next = fake.objects->next;
        free(fake.objects);
        fake.objects = next;
    }
}

static void describe(fake_object *o, const char *name, core_algorithm algorithm)
{
    snprintf(o->info.name, sizeof o->info.name, "%s", name);
    o->info.algorithm = algorithm;
    o->info.can = TOK_CAN_ENCRYPT | TOK_CAN_DECRYPT;
    o->info.persistent = true;
    if (algorithm == CORE_ALG_COUNT)
        return;
    o->info.bits = core_algorithm_bits(algorithm);
    o->info.rsa = core_algorithm_is_rsa(algorithm);
    if (o->info.rsa) {
        o->info.modulus_len = o->info.bits / 8;
        for (size_t n = 0; n < o->info.modulus_len; n++)
            o->info.modulus[n] = (uint8_t)(o->secret[n % sizeof o->secret] ^ n);
        o->info.modulus[0] |= 0x80;
        o->info.modulus[o->info.modulus_len - 1] |= 1;
        memcpy(o->info.exponent, "\x01\x00\x01", 3);
        o->info.exponent_len = 3;
    }
}

static fake_object *make_object(const char *name, core_algorithm algorithm)
{
    fake_object *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    pthread_mutex_lock(&fake.lock);
    unsigned seed = ++fake.made;
    pthread_mutex_unlock(&fake.lock);
    uint8_t thumb[32];
    if (core_sha256("secret", 6, &seed, sizeof seed, NULL, 0, o->secret) != ST_OK ||
        core_sha256("thumb", 5, o->secret, sizeof o->secret, NULL, 0, thumb) != ST_OK) {
        free(o);
        return NULL;
    }
    memcpy(o->info.thumb, thumb, TOK_THUMB_LEN);
    describe(o, name, algorithm);
    o->present = true;
    return o;
}

static void link_object(fake_object *o)
{
    pthread_mutex_lock(&fake.lock);
    o->next = fake.objects;
    fake.objects = o;
    pthread_mutex_unlock(&fake.lock);
}

static tok_key *hand_out(tok_token *token, fake_object *o)
{
    tok_key *key = core_calloc(1, sizeof *key);
    if (!key)
        return NULL;
    key->refs = 1;
    key->token = token;
    key->object = o;
    pthread_mutex_lock(&fake.lock);
    key->info = o->info;
    pthread_mutex_unlock(&fake.lock);
    fake_count(1);
    return key;
}

static bool is_on_token_locked(const fake_object *o)
{
    return o->present && o->info.persistent && !o->info.retired;
}

static fake_object *by_thumb_locked(const uint8_t *thumb)
{
    for (fake_object *o = fake.objects; o; o = o->next) {
        if (is_on_token_locked(o) && memcmp(o->info.thumb, thumb, TOK_THUMB_LEN) == 0)
            return o;
    }
    return NULL;
}

static fake_object *by_name_locked(const char *name)
{
    for (fake_object *o = fake.objects; o; o = o->next) {
        if (is_on_token_locked(o) && name && strcmp(o->info.name, name) == 0)
            return o;
    }
    return NULL;
}

void fake_put_key(const char *name, core_algorithm algorithm, uint8_t thumb[TOK_THUMB_LEN])
{
    fake_object *o = core_crypto_open() == ST_OK ? make_object(name, algorithm) : NULL;
    core_crypto_close();
    if (!o) {
        fake_misuse();
        return;
    }
    memcpy(thumb, o->info.thumb, TOK_THUMB_LEN);
    link_object(o);
}

void fake_copy_key(const uint8_t thumb[TOK_THUMB_LEN], const char *name)
{
    pthread_mutex_lock(&fake.lock);
    fake_object *old = by_thumb_locked(thumb);
    fake_object *o = old ? calloc(1, sizeof *o) : NULL;
    if (o) {
        *o = *old;
        snprintf(o->info.name, sizeof o->info.name, "%s", name);
    }
    pthread_mutex_unlock(&fake.lock);
    if (o)
        link_object(o);
    else
        fake_misuse();
}

void fake_take_key(const uint8_t thumb[TOK_THUMB_LEN])
{
    pthread_mutex_lock(&fake.lock);
    fake_object *o = by_thumb_locked(thumb);
    if (o)
        o->present = false;
    pthread_mutex_unlock(&fake.lock);
}

void fake_purge(const char *ending)
{
    pthread_mutex_lock(&fake.lock);
    for (fake_object *o = fake.objects; o; o = o->next) {
        size_t name = strlen(o->info.name);
        size_t end = strlen(ending);
        if (name >= end && strcmp(o->info.name + name - end, ending) == 0)
            o->present = false;
    }
    pthread_mutex_unlock(&fake.lock);
}

uint64_t fake_state(void)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&fake.lock);
    for (const fake_object *o = fake.objects; o; o = o->next) {
        if (!o->present || !o->info.persistent)
            continue;
        uint64_t one = 14695981039346656037U;
        for (size_t n = 0; n < TOK_THUMB_LEN; n++)
            one = (one ^ o->info.thumb[n]) * 1099511628211U;
        for (const char *c = o->info.name; *c; c++)
            one = (one ^ (uint8_t)*c) * 1099511628211U;
        sum += one;
    }
    pthread_mutex_unlock(&fake.lock);
    return sum;
}

const tok_key_info *tok_key_info_of(const tok_key *key)
{
    return &key->info;
}

tok_key_state tok_key_now(const tok_key *key)
{
    return (tok_key_state){key->info.can, key->info.retired, key->info.start_date,
                           key->info.end_date, key->info.can};
}

core_status tok_key_renew(tok_key *key, core_err *err)
{
    (void)key;
    (void)err;
    return ST_OK;
}

tok_key *tok_key_ref(tok_key *key)
{
    pthread_mutex_lock(&fake.lock);
    key->refs++;
    fake.live++;
    pthread_mutex_unlock(&fake.lock);
    return key;
}

void tok_key_release(tok_key *key)
{
    pthread_mutex_lock(&fake.lock);
    bool last = --key->refs == 0;
    if (last && !key->info.persistent)
        key->object->present = false;
    pthread_mutex_unlock(&fake.lock);
    fake_count(-1);
    if (last)
        core_free(key);
}

static core_status find(tok_token *token, fake_function function, const uint8_t *thumb,
                        const char *name, tok_key **out, core_err *err)
{
    *out = NULL;
    core_status st = fake_enter(function, err);
    if (st != ST_OK)
        return st;
    if (!fake_logged_in())
        fake_misuse();
    pthread_mutex_lock(&fake.lock);
    fake_object *o = thumb ? by_thumb_locked(thumb) : by_name_locked(name);
    pthread_mutex_unlock(&fake.lock);
    if (!o)
        return core_fail(err, ST_NOT_FOUND, "no such key");
    *out = hand_out(token, o);
    return *out ? ST_OK : ST_NO_MEMORY;
}

core_status tok_key_by_thumb(tok_token *token, const uint8_t thumb[TOK_THUMB_LEN], tok_key **out,
                             core_err *err)
{
    return find(token, FAKE_tok_key_by_thumb, thumb, NULL, out, err);
}

core_status tok_key_by_name(tok_token *token, const char *name, tok_key **out, core_err *err)
{
    return find(token, FAKE_tok_key_by_name, NULL, name, out, err);
}

void tok_key_list_free(tok_key **keys, size_t count)
{
    for (size_t n = 0; n < count; n++)
        tok_key_release(keys[n]);
    core_free(keys);
}

core_status tok_key_list(tok_token *token, tok_key ***out, size_t *count, core_err *err)
{
    *out = NULL;
    *count = 0;
    core_status st = fake_enter(FAKE_tok_key_list, err);
    if (st != ST_OK)
        return st;
    size_t room = 1;
    pthread_mutex_lock(&fake.lock);
    fake_object *first = fake.objects;
    pthread_mutex_unlock(&fake.lock);
    for (const fake_object *o = first; o; o = o->next)
        room++;
    *out = core_calloc(room, sizeof **out);
    if (!*out)
        return ST_NO_MEMORY;
    for (fake_object *o = first; o; o = o->next) {
        pthread_mutex_lock(&fake.lock);
        bool there = o->present && o->info.persistent;
        pthread_mutex_unlock(&fake.lock);
        tok_key *key = there ? hand_out(token, o) : NULL;
        if (there && !key) {
            tok_key_list_free(*out, *count);
            *out = NULL;
            *count = 0;
            return ST_NO_MEMORY;
        }
        if (key)
            (*out)[(*count)++] = key;
    }
    return ST_OK;
}

core_status tok_key_create(tok_token *token, const tok_key_spec *spec, tok_key **out, core_err *err)
{
    *out = NULL;
    core_status st = fake_enter(FAKE_tok_key_create, err);
    if (st != ST_OK)
        return st;
    if (!tok_token_config(token)->create)
        return core_fail(err, ST_POLICY, "create = no");
    fake_object *o = make_object(spec->name, spec->algorithm);
    if (!o)
        return ST_NO_MEMORY;
    o->info.persistent = spec->persistent;
    o->info.extractable = spec->extractable;
    pthread_mutex_lock(&fake.lock);
    bool clash = spec->persistent && by_name_locked(spec->name);
    if (!clash) {
        o->next = fake.objects;
        fake.objects = o;
    }
    pthread_mutex_unlock(&fake.lock);
    if (clash) {
        free(o);
        return core_fail(err, ST_KEY_EXISTS, "a key \"%s\" exists", spec->name);
    }
    *out = hand_out(token, o);
    if (!*out) {
        pthread_mutex_lock(&fake.lock);
        o->present = false;
        pthread_mutex_unlock(&fake.lock);
    }
    return *out ? ST_OK : ST_NO_MEMORY;
}

/* Renames the object; keys handed out keep the name under which they were found. */
static core_status change(tok_key *key, fake_function function, bool present, bool retired,
                          core_err *err)
{
    core_status st = fake_enter(function, err);
    if (st != ST_OK)
        return st;
    if (!key->info.persistent)
        fake_misuse();
    pthread_mutex_lock(&fake.lock);
    fake_object *o = key->object;
    st = o->present ? ST_OK : ST_NOT_FOUND;
    o->present = o->present && present;
    o->info.retired = retired;
    snprintf(o->info.name, sizeof o->info.name, "%s%.200s", retired ? retired_prefix : "",
             key->info.name);
    pthread_mutex_unlock(&fake.lock);
    return st == ST_OK ? ST_OK : core_fail(err, st, "no such key");
}

core_status tok_key_retire(tok_key *key, core_err *err)
{
    return change(key, FAKE_tok_key_retire, true, true, err);
}

core_status tok_key_restore(tok_key *key, core_err *err)
{
    return change(key, FAKE_tok_key_restore, true, false, err);
}

core_status tok_key_destroy(tok_key *key, core_err *err)
{
    return change(key, FAKE_tok_key_destroy, false, false, err);
}

static size_t block_of(const tok_key *key)
{
    return core_algorithm_iv_bits(key->info.algorithm) / 8;
}

size_t tok_encrypt_size(const tok_key *key, size_t length)
{
    size_t block = block_of(key);
    return key->info.rsa ? key->info.modulus_len : length / block * block + block;
}

size_t tok_decrypt_size(const tok_key *key, size_t length)
{
    return key->info.rsa ? key->info.modulus_len - RSA_OVERHEAD : length;
}

size_t tok_encrypt_max(const tok_key *key)
{
    return key->info.modulus_len - RSA_OVERHEAD;
}

static void mask(const tok_key *key, const uint8_t *iv, size_t iv_len, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] ^= (uint8_t)(key->object->secret[i % 32] ^ (iv_len ? iv[i % iv_len] : 0));
}

static bool sum_of(const tok_key *key, const uint8_t *data, size_t length, uint8_t sum[8])
{
    uint8_t digest[32];
    bool ok = core_sha256(key->object->secret, 32, data, length, NULL, 0, digest) == ST_OK;
    memcpy(sum, digest, 8);
    return ok;
}

core_status tok_encrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    core_status st = fake_enter(FAKE_tok_encrypt, err);
    if (st != ST_OK)
        return st;
    size_t size = tok_encrypt_size(key, in_len);
    if (iv_len != block_of(key) || *out_len < size)
        fake_misuse();
    if (key->info.rsa && in_len > tok_encrypt_max(key))
        return ST_DATA_LENGTH;
    memset(out, (int)(size - in_len), size);
    memcpy(out + (key->info.rsa ? RSA_FRONT : 0), in, in_len);
    if (key->info.rsa) {
        out[0] = (uint8_t)(in_len >> 8);
        out[1] = (uint8_t)in_len;
        if (!sum_of(key, in, in_len, out + 2))
            return ST_NO_MEMORY;
    }
    mask(key, iv, iv_len, out, size);
    *out_len = size;
    return ST_OK;
}

/* The plaintext within `clear`; NULL if it was not encrypted by this key. */
static const uint8_t *unpad(const tok_key *key, const uint8_t *clear, size_t size, size_t *length)
{
    if (!key->info.rsa) {
        size_t pad = clear[size - 1];
        *length = size - pad;
        return pad >= 1 && pad <= block_of(key) && pad <= size ? clear : NULL;
    }
    uint8_t sum[8];
    *length = (size_t)clear[0] << 8 | clear[1];
    if (*length > tok_encrypt_max(key) || !sum_of(key, clear + RSA_FRONT, *length, sum))
        return NULL;
    return memcmp(sum, clear + 2, sizeof sum) == 0 ? clear + RSA_FRONT : NULL;
}

core_status tok_decrypt(tok_key *key, const uint8_t *iv, size_t iv_len, const uint8_t *in,
                        size_t in_len, uint8_t *out, size_t *out_len, core_err *err)
{
    core_status st = fake_enter(FAKE_tok_decrypt, err);
    pthread_mutex_lock(&fake.lock);
    unsigned delay = fake.delay_ms;
    pthread_mutex_unlock(&fake.lock);
    if (delay)
        core_sleep_ms(delay);
    if (st != ST_OK)
        return st;
    if (iv_len != block_of(key))
        fake_misuse();
    size_t unit = key->info.rsa ? key->info.modulus_len : block_of(key);
    if (in_len == 0 || in_len % unit != 0 || (key->info.rsa && in_len != unit))
        return core_fail(err, ST_DECRYPT_FAILED, "decryption failed");
    uint8_t *clear = core_calloc(1, in_len);
    if (!clear)
        return ST_NO_MEMORY;
    memcpy(clear, in, in_len);
    mask(key, iv, iv_len, clear, in_len);
    size_t length = 0;
    const uint8_t *plain = unpad(key, clear, in_len, &length);
    if (!plain)
        st = core_fail(err, ST_DECRYPT_FAILED, "decryption failed");
    else if (length > *out_len)
        st = ST_BUFFER_TOO_SMALL;
    else
        memcpy(out, plain, length);
    if (plain)
        *out_len = length;
    core_free(clear);
    return st;
}
