/* SPDX-License-Identifier: Apache-2.0
 *
 * Start-up, and the search for a key among many by its thumbprint: the first search of a new
 * provider, the first search of each other key, and later searches. PKCS#11 calls create the keys,
 * and this file computes the thumbprint by its rule, so a key that is found also proves the rule.
 */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { THUMB = 16, STARTS = 15, OTHERS = 9, AGAIN = 2000 };

bool bench_startup(bench *b)
{
    double load[STARTS], initialise[STARTS];

    for (int i = 0; i < STARTS; i++) {
        double start = seconds(), loaded;

        if (!provider_load(&b->provider, b->library))
            return false;
        loaded = seconds();
        if (!provider_open(&b->provider))
            return false;
        initialise[i] = (seconds() - loaded) * 1e3;
        load[i] = (loaded - start) * 1e3;
        provider_close(&b->provider);
    }
    tell(b, "start-up: load, 17 functions", "first", "ms", load[0], NULL);
    tell(b, "start-up: initialise, open session", "first", "ms", initialise[0], NULL);
    tell(b, "start-up: initialise, open session", "median", "ms", median(initialise, STARTS), NULL);
    return true;
}

/* The rule of the thumbprint of symmetric keys (pkcs11/key.h), with two PKCS#11 calls. */
static CK_RV thumbprint(const raw_token *t, CK_OBJECT_HANDLE key, CK_BYTE out[THUMB])
{
    static const char prefix[] = "p11ekm-sym-th-v1";
    CK_BYTE iv[16] = {0}, block[32], digest[32];
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof iv};
    CK_ULONG length = 16;
    CK_RV rv = t->f->C_EncryptInit(t->session, &cbc, key);

    memcpy(block, prefix, 16);
    if (rv == CKR_OK)
        rv = t->f->C_Encrypt(t->session, block, 16, block + 16, &length);
    if (rv != CKR_OK)
        return rv;
    (void)SHA256(block, sizeof block, digest);
    memcpy(out, digest, THUMB);
    return CKR_OK;
}

static CK_RV make_key(const raw_token *t, unsigned long number, CK_OBJECT_HANDLE *key,
                      CK_BYTE thumb[THUMB])
{
    CK_ATTRIBUTE id = {CKA_ID, thumb, THUMB};
    char label[32];
    CK_RV rv;

    (void)snprintf(label, sizeof label, "bench-%05lu", number);
    rv = raw_generate_aes(t, label, 256, true, key);
    if (rv == CKR_OK)
        rv = thumbprint(t, *key, thumb);
    if (rv == CKR_OK)
        rv = t->f->C_SetAttributeValue(t->session, *key, &id, 1);
    return rv;
}

static bool time_find(bench *b, const CK_BYTE *thumb, double *us)
{
    double start = seconds();
    bool found = provider_find(&b->provider, thumb);

    *us = (seconds() - start) * 1e6;
    return found;
}

/* The search by PKCS#11 calls alone. */
static double time_raw(const raw_token *t, CK_BYTE *thumb)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, thumb, THUMB}};
    CK_OBJECT_HANDLE found;
    CK_ULONG n = 0;
    double start = seconds();

    if (t->f->C_FindObjectsInit(t->session, template, 2) == CKR_OK) {
        (void)t->f->C_FindObjects(t->session, &found, 1, &n);
        (void)t->f->C_FindObjectsFinal(t->session);
    }
    return (seconds() - start) * 1e6;
}

static bool measure_find(bench *b, unsigned long count, CK_BYTE (*thumbs)[THUMB])
{
    static double raw[OTHERS], others[OTHERS], again[AGAIN];
    double first;
    bool good;

    /* A provider that has not seen any of the keys. Its logout also ends the login of the direct
     * session, until it logs in again. */
    provider_close(&b->provider);
    good = provider_open(&b->provider) && time_find(b, thumbs[count - 1], &first);
    for (size_t i = 0; good && i < OTHERS; i++) {
        raw[i] = time_raw(&b->raw, thumbs[(i * 7919) % count]);
        good = time_find(b, thumbs[(i * 7919) % count], &others[i]);
    }
    for (size_t i = 0; good && i < AGAIN; i++)
        good = time_find(b, thumbs[(i % OTHERS * 7919) % count], &again[i]);
    if (!good) {
        fprintf(stderr, "bench: a key among %lu is not found by its thumbprint\n", count);
        return false;
    }
    tell(b, "find by thumbprint", "raw search", "keys", (double)count, "us", median(raw, OTHERS),
         NULL);
    tell(b, "find by thumbprint", "very first", "keys", (double)count, "us", first, NULL);
    tell(b, "find by thumbprint", "first of a key", "keys", (double)count, "us",
         median(others, OTHERS), NULL);
    tell(b, "find by thumbprint", "again", "keys", (double)count, "us", median(again, AGAIN), NULL);
    return true;
}

static bool is_ours(const raw_token *t, CK_OBJECT_HANDLE key)
{
    char label[32] = "";
    CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof label - 1};

    return t->f->C_GetAttributeValue(t->session, key, &attribute, 1) == CKR_OK &&
           strncmp(label, "bench-", 6) == 0;
}

/* Finds the keys with one search, because the handles from their creation may be invalid after a
 * logout. `keys` is large enough. */
static void destroy_keys(const raw_token *t, CK_OBJECT_HANDLE *keys, unsigned long made)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ATTRIBUTE template = {CKA_CLASS, &class, sizeof class};
    CK_ULONG found = 0, n = 0;

    if (t->f->C_FindObjectsInit(t->session, &template, 1) != CKR_OK)
        return;
    while (found < made &&
           t->f->C_FindObjects(t->session, keys + found, made - found, &n) == CKR_OK && n)
        found += n;
    (void)t->f->C_FindObjectsFinal(t->session);
    for (CK_ULONG i = 0; i < found; i++)
        if (is_ours(t, keys[i]))
            (void)t->f->C_DestroyObject(t->session, keys[i]);
}

static bool find_among(bench *b, CK_OBJECT_HANDLE *keys, CK_BYTE (*thumbs)[THUMB])
{
    static const unsigned long counts[] = {10, 1000, 10000};
    unsigned long made = 0;
    bool good = true;

    for (size_t i = 0; good && i < sizeof counts / sizeof counts[0]; i++) {
        CK_RV rv = CKR_OK;
        char what[64];

        if (counts[i] > b->keys_max)
            break;
        for (; rv == CKR_OK && made < counts[i]; made += rv == CKR_OK)
            rv = make_key(&b->raw, made, &keys[made], thumbs[made]);
        if (rv != CKR_OK) {
            (void)snprintf(what, sizeof what, "the token takes %lu keys only: 0x%lx", made, rv);
            tell_skipped(b, "find by thumbprint among more keys", what);
            break;
        }
        good = measure_find(b, made, thumbs);
    }
    /* The token of with-token is deleted as a whole, so the keys need not be destroyed. */
    if (!getenv("TOKEN_DIR"))
        destroy_keys(&b->raw, keys, made);
    return good;
}

bool bench_find(bench *b)
{
    CK_OBJECT_HANDLE *keys = calloc(b->keys_max, sizeof *keys);
    CK_BYTE(*thumbs)[THUMB] = calloc(b->keys_max, THUMB);
    bool good = keys && thumbs;

    if (good && !raw_has(&b->raw, CKM_AES_KEY_GEN))
        tell_skipped(b, "find by thumbprint", "the token makes no AES keys");
    else if (good)
        good = find_among(b, keys, thumbs);
    free(keys);
    free(thumbs);
    return good;
}
