/* SPDX-License-Identifier: Apache-2.0
 *
 * Project Wycheproof's RSA decryption vectors through our token layer, on a real token: each
 * group's private key is put on the token with a direct C_CreateObject (the layer imports no keys),
 * found by the layer like any key, used by tok_rsa_decrypt, and destroyed.
 *
 * A valid ciphertext must give its message; an invalid one must give ST_DECRYPT_FAILED and nothing
 * else. PKCS#1 v1.5 on tokens with implicit rejection may also give another message. Vectors that
 * cannot be run are counted with the reason.
 */
#include "wycheproof.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pkcs11/key.h"
#include "raw.h"
#include "token_conf.h"

/* The fewest vectors that a token with OAEP SHA-1 and PKCS#1 v1.5 runs: fewer means an error in the
 * test. */
enum { SKIPPED = 77, REASONS = 16, RUN_LEAST = 250 };

static struct {
    raw_token raw;
    tok_token *token;
    tok_key *key;
    CK_OBJECT_HANDLE object;
    core_padding padding;
    unsigned groups, run, failed, rejected_silently;
    struct {
        const char *why;
        unsigned count;
    } skipped[REASONS];
} t;

static void skip(const char *why)
{
    for (size_t i = 0; i < REASONS; i++) {
        if (t.skipped[i].why && strcmp(t.skipped[i].why, why) != 0)
            continue;
        t.skipped[i].why = why;
        t.skipped[i].count++;
        return;
    }
}

static CK_RV import_key(const wy_group *group, const char *label)
{
    static CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    static CK_KEY_TYPE type = CKK_RSA;
    static CK_BBOOL yes = CK_TRUE;
    static const CK_ATTRIBUTE_TYPE parts[WY_PARTS] = {
        CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
        CKA_PRIME_2, CKA_EXPONENT_1,      CKA_EXPONENT_2,       CKA_COEFFICIENT};
    CK_ATTRIBUTE template[8 + WY_PARTS] = {{CKA_CLASS, &class, sizeof class},
                                           {CKA_KEY_TYPE, &type, sizeof type},
                                           {CKA_TOKEN, &yes, sizeof yes},
                                           {CKA_PRIVATE, &yes, sizeof yes},
                                           {CKA_SENSITIVE, &yes, sizeof yes},
                                           {CKA_DECRYPT, &yes, sizeof yes},
                                           {CKA_ID, (void *)(uintptr_t)label, strlen(label)},
                                           {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};

    for (size_t i = 0; i < WY_PARTS; i++)
        template[8 + i] = (CK_ATTRIBUTE){parts[i], (void *)(uintptr_t)group->parts[i].bytes,
                                         group->parts[i].length};
    return t.raw.f->C_CreateObject(t.raw.session, template, 8 + WY_PARTS, &t.object);
}

static bool choose_padding(const wy_group *group)
{
    static const struct {
        const char *sha;
        core_padding padding;
    } known[] = {{"SHA-1", CORE_PAD_OAEP_SHA1}, {"SHA-256", CORE_PAD_OAEP_SHA256}};

    t.padding = CORE_PAD_PKCS1;
    if (!group->oaep)
        return true;
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(group->sha, known[i].sha) == 0 && strcmp(group->mgf_sha, known[i].sha) == 0) {
            t.padding = known[i].padding;
            return true;
        }
    }
    return false;
}

static bool on_group(void *context, const wy_group *group)
{
    core_err err = {0};
    char label[32];
    core_status st;

    (void)context;
    (void)snprintf(label, sizeof label, "wycheproof-%u", ++t.groups);
    if (!choose_padding(group)) {
        skip("groups of a hash or MGF that p11ekm does not use");
        return false;
    }
    if (import_key(group, label) != CKR_OK) {
        skip("groups of a key that the token does not import");
        return false;
    }
    st = tok_key_by_label_id(t.token, label, (const uint8_t *)label, strlen(label), &t.key, &err);
    if (st == ST_OK)
        return true;
    printf("FAILED %s, group %u: %s\n", group->file, t.groups, core_err_text(&err, st));
    t.failed++;
    (void)t.raw.f->C_DestroyObject(t.raw.session, t.object);
    return false;
}

static void on_end(void *context)
{
    (void)context;
    tok_key_release(t.key);
    t.key = NULL;
    (void)t.raw.f->C_DestroyObject(t.raw.session, t.object);
}

static bool all_zero(const uint8_t *out)
{
    uint8_t any = 0;

    for (size_t i = 0; i < WY_BYTES_MAX; i++)
        any |= out[i];
    return any == 0;
}

static bool proxy(const wy_test *test, core_status st, const uint8_t *out, size_t length)
{
    bool same = st == ST_OK && length == test->message.length &&
                memcmp(out, test->message.bytes, length) == 0;

    if (strcmp(test->result, "valid") == 0)
        return same;
    if (st == ST_DECRYPT_FAILED)
        return all_zero(out); /* no partial output */
    if (strcmp(test->result, "acceptable") == 0)
        return same;
    t.rejected_silently += st == ST_OK && !same;
    return t.padding == CORE_PAD_PKCS1 && st == ST_OK && !same;
}

static void on_test(void *context, const wy_group *group, const wy_test *test)
{
    uint8_t out[WY_BYTES_MAX] = {0};
    size_t length = sizeof out;
    core_err err = {0};
    core_status st;

    (void)context;
    if (test->label.length) {
        skip("tests with an OAEP label, which p11ekm never uses");
        return;
    }
    st = tok_rsa_decrypt(t.key, t.padding, test->ciphertext.bytes, test->ciphertext.length, out,
                         &length, &err);
    if (st == ST_MECHANISM) {
        skip("tests of a padding that the token lacks");
        return;
    }
    t.run++;
    if (proxy(test, st, out, length))
        return;
    t.failed++;
    printf("FAILED %s, test %d (%s, %s): %s, %zu bytes: %s\n", group->file, test->id, test->result,
           test->comment, core_status_name(st), length, core_err_text(&err, st));
}

static bool on_directory(const char *directory)
{
    const wy_reader reader = {on_group, on_test, on_end, NULL};
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, NULL, alphasort);
    bool good = count > 0;

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (strncmp(name, "rsa_", 4) == 0 && strstr(name, "_test.json"))
            good = wy_read(directory, name, &reader) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

static int report(bool good)
{
    printf("%u run, %u failed, %u invalid PKCS#1 ciphertexts rejected silently\n", t.run, t.failed,
           t.rejected_silently);
    for (size_t i = 0; i < REASONS && t.skipped[i].why; i++)
        printf("SKIPPED %u %s\n", t.skipped[i].count, t.skipped[i].why);
    return good && t.run >= RUN_LEAST && t.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The layer logs in first; the raw session shares its login. */
static bool open_token(tok_context **ctx, core_err *err)
{
    const char *pin = getenv("PIN");
    core_status st = tok_context_open(token_conf_path(), ctx, err);

    if (st == ST_OK)
        st = tok_token_find(*ctx, "test", &t.token, err);
    if (st == ST_OK)
        st = tok_token_login(t.token, pin, strlen(pin), err);
    return st == ST_OK && raw_open(&t.raw);
}

int main(void)
{
    const char *vectors = getenv("P11EKM_VECTORS"), *source = getenv("P11EKM_SOURCE_DIR");
    char directory[1024];
    core_err err = {0};
    tok_context *ctx = NULL;
    int result = EXIT_FAILURE;

    if (vectors)
        (void)snprintf(directory, sizeof directory, "%s/wycheproof", vectors);
    else
        (void)snprintf(directory, sizeof directory, "%s/../shared/vectors/wycheproof",
                       source ? source : ".");
    DIR *there = opendir(directory);
    if (!there) {
        printf("SKIPPED: no vectors in %s; set P11EKM_VECTORS\n", directory);
        return SKIPPED;
    }
    (void)closedir(there);
    if (getenv("PIN") && token_conf_make("") && open_token(&ctx, &err)) {
        result = report(on_directory(directory));
        if (t.raw.session)
            (void)t.raw.f->C_CloseSession(t.raw.session);
        tok_token_logout(t.token);
    } else {
        printf("token: %s\n", err.text);
    }
    if (t.token)
        tok_token_release(t.token);
    if (ctx)
        tok_context_close(ctx);
    token_conf_remove();
    return result;
}
