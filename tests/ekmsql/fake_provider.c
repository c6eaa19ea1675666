/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider that behaves correctly, or wrongly in the way that FAKE_TROUBLE says, to test every
 * check and every error of ekmsql. See fake_provider.h.
 */
#include "tests/ekmsql/fake_provider.h"

#include <stdlib.h>
#include <string.h>

static SqlCpByte own_bytes[64]; /* for faults with pointers to the provider's own memory */

/* Writes an ASCII text as UTF-16LE, or returns the needed size. */
static bool put_text(SqlCpStr *out, const char *text)
{
    SqlCpUlong need = (SqlCpUlong)(2 * strlen(text));
    bool fits = out->ws != NULL && out->cb >= need;
    for (SqlCpUlong i = 0; fits && i < need / 2; i++) {
        out->ws[i] = (SqlCpWchar)(unsigned char)text[i];
    }
    out->cb = need;
    return fits;
}

static bool put_data(SqlCpData *out, const SqlCpByte *data, SqlCpUlong need)
{
    bool fits = out->pb != NULL && out->cb >= need;
    if (fits && need > 0) {
        memcpy(out->pb, data, need);
    }
    out->cb = need;
    return fits;
}

static void narrow(const SqlCpStr *in, char *out, size_t cap)
{
    size_t n = in->cb / 2 < cap - 1 ? in->cb / 2 : cap - 1;
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)in->ws[i];
    }
    out[n] = 0;
}

SqlCpError SqlCryptInitializeProvider(void)
{
    return fake_code("init");
}

SqlCpError SqlCryptFreeProvider(void)
{
    return scp_err_Success;
}

SqlCpError SqlCryptOpenSession(const SqlCpCredential *credential, SqlCpSession *session)
{
    char pin[64];
    const char *right = getenv("FAKE_PIN");
    narrow(&credential->password, pin, sizeof pin);
    if (fake_code("open") != 0) {
        return fake_code("open");
    }
    if (strcmp(pin, right == NULL ? "1234" : right) != 0) {
        return scp_err_AuthFailure;
    }
    *session = malloc(1);
    return *session == NULL ? scp_err_Failure : scp_err_Success;
}

SqlCpError SqlCryptCloseSession(SqlCpSession *session, SqlCpBoolean abort)
{
    (void)abort;
    free(*session);
    *session = NULL;
    return scp_err_Success;
}

SqlCpError SqlCryptGetProviderInfo(SqlCpProviderInfo *info)
{
    if (fake_code("info") != 0) {
        return fake_code("info");
    }
    SqlCpStr name = info->name;
    memset(info, 0, sizeof *info);
    info->name = name;
    info->guid = (SqlCpGuid){fake_trouble("guid") ? 2u : 1u, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    info->version = (SqlCpVersion){1, fake_trouble("version") ? 9 : 2, 3, 4};
    info->scpVersion = (SqlCpVersion){1, fake_trouble("api") ? 2 : 1, 0, 0};
    info->authType = fake_trouble("auth-type") ? (SqlCpAuthType)7 : scp_auth_Basic;
    info->symmKeySupport = fake_trouble("no-symmetric") ? 0 : scp_kf_Supported;
    info->asymmKeySupport = scp_kf_Supported;
    info->cbKeyThumbLen = fake_trouble("thumb-length") ? 33 : FAKE_THUMB;
    info->fAcceptsKeyName = !fake_trouble("no-names");
    if (fake_trouble("pointer")) {
        info->name.ws = (SqlCpWchar *)(void *)own_bytes;
        return scp_err_InsufficientBuffer;
    }
    bool fits = put_text(&info->name, "Fake provider for tests");
    if (fake_trouble("no-size")) {
        info->name.cb = 0;
    }
    return fits ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptGetNextAlgorithmId(SqlCpAlgId *id)
{
    const fake_algorithm *next = &fake_algorithms[*id];
    if (fake_trouble("endless")) {
        *id = 1;
        return scp_err_Success;
    }
    if (next->id == 0) {
        return scp_err_NotFound;
    }
    *id = next->id;
    return scp_err_Success;
}

SqlCpError SqlCryptGetAlgorithmInfo(SqlCpAlgId id, SqlCpAlgorithmInfo *info)
{
    const fake_algorithm *a = fake_algorithm_by_id(id);
    if (a == NULL || fake_code("algorithm") != 0) {
        return a == NULL ? scp_err_NotFound : fake_code("algorithm");
    }
    info->algId = a->id;
    info->type = a->type;
    info->bitLen = fake_trouble("bits") ? a->bits + 8 : a->bits;
    info->ivLen = a->iv_bits;
    return put_text(&info->algTag, a->tag) ? scp_err_Success : scp_err_InsufficientBuffer;
}

static fake_key keys[FAKE_MAX_KEYS];

static fake_key *by_thumb(const SqlCpKeyThumbprint *thumb)
{
    int count = fake_load(keys);
    for (int i = 0; i < count; i++) {
        if (thumb->cb == FAKE_THUMB && memcmp(keys[i].thumb, thumb->pb, FAKE_THUMB) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static SqlCpError fill_info(const fake_key *key, SqlCpKeyInfo *info)
{
    if (key == NULL) {
        return scp_err_NotFound;
    }
    info->algId = fake_trouble("other-algorithm") ? 99 : key->algorithm;
    info->flags = scp_kf_Supported;
    bool name = put_text(&info->name, key->name);
    bool thumb = put_data(&info->thumb, key->thumb, FAKE_THUMB);
    if (fake_trouble("key-pointer")) {
        info->thumb.pb = own_bytes;
    }
    if (fake_trouble("no-thumb-size")) {
        info->thumb.cb = 0;
    }
    return name && thumb ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptCreateKey(const SqlCpSession *session, const SqlCpStr *name,
                             SqlCpAlgId algorithm, SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb)
{
    (void)session;
    (void)flags;
    if (fake_code("create") != 0) {
        return fake_code("create");
    }
    int count = fake_load(keys);
    fake_key *key = &keys[count];
    memset(key, 0, sizeof *key);
    narrow(name, key->name, sizeof key->name);
    for (int i = 0; i < count; i++) {
        if (strcmp(keys[i].name, key->name) == 0) {
            return scp_err_FirstOwn;
        }
    }
    if (!put_data(thumb, key->thumb, FAKE_THUMB)) {
        return scp_err_InsufficientBuffer;
    }
    if (!fake_generate(fake_algorithm_by_id(algorithm), key) || !fake_save(keys, count + 1)) {
        return scp_err_Failure;
    }
    memcpy(thumb->pb, key->thumb, FAKE_THUMB);
    return scp_err_Success;
}

SqlCpError SqlCryptDropKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb)
{
    (void)session;
    fake_key *key = by_thumb(thumb);
    if (key == NULL || fake_code("drop") != 0) {
        return key == NULL ? scp_err_NotFound : fake_code("drop");
    }
    int count = fake_load(keys);
    *key = keys[count - 1];
    return fake_save(keys, count - 1) ? scp_err_Success : scp_err_Failure;
}

SqlCpError SqlCryptGetNextKeyId(const SqlCpSession *session, SqlCpKeyId *id)
{
    (void)session;
    if (*id >= (SqlCpKeyId)fake_load(keys)) {
        return scp_err_NotFound;
    }
    ++*id;
    return scp_err_Success;
}

SqlCpError SqlCryptGetKeyInfoByKeyId(const SqlCpSession *session, SqlCpKeyId id, SqlCpKeyInfo *info)
{
    (void)session;
    return fill_info(id >= 1 && id <= (SqlCpKeyId)fake_load(keys) ? &keys[id - 1] : NULL, info);
}

SqlCpError SqlCryptGetKeyInfoByThumb(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                                     SqlCpKeyInfo *info)
{
    (void)session;
    return fill_info(by_thumb(thumb), info);
}

SqlCpError SqlCryptGetKeyInfoByName(const SqlCpSession *session, const SqlCpStr *name,
                                    SqlCpKeyInfo *info)
{
    char text[256];
    (void)session;
    narrow(name, text, sizeof text);
    int count = fake_load(keys);
    for (int i = 0; i < count; i++) {
        if (strcmp(keys[i].name, text) == 0) {
            return fill_info(&keys[i], info);
        }
    }
    return scp_err_NotFound;
}

SqlCpError SqlCryptExportKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                             const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                             SqlCpKeyBlob *blob)
{
    SqlCpByte bytes[scp_MaxKeyBlob];
    (void)session;
    (void)encryptor;
    (void)type;
    const fake_key *key = by_thumb(thumb);
    if (key == NULL || fake_code("export") != 0) {
        return key == NULL ? scp_err_NotFound : fake_code("export");
    }
    bool fits = put_data(blob, bytes, (SqlCpUlong)fake_public(key, bytes));
    return fits ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptImportKey(const SqlCpSession *session, const SqlCpStr *name,
                             const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                             SqlCpKeyFlags flags, const SqlCpKeyBlob *blob)
{
    (void)session;
    (void)name;
    (void)decryptor;
    (void)type;
    (void)flags;
    (void)blob;
    return scp_err_NotSupported;
}

typedef int (*operation)(const fake_key *key, const SqlCpByte *in, int len, SqlCpByte *out);

static SqlCpError crypt(const SqlCpKeyThumbprint *thumb, const SqlCpData *in, SqlCpData *out,
                        operation run, const char *trouble)
{
    const fake_key *key = by_thumb(thumb);
    if (key == NULL || fake_code(trouble) != 0) {
        return key == NULL ? scp_err_NotFound : fake_code(trouble);
    }
    if (out->pb == NULL) {
        out->cb = in->cb + FAKE_DATA;
        return scp_err_InsufficientBuffer;
    }
    SqlCpByte *room = malloc(in->cb + FAKE_DATA);
    int n = room == NULL ? -1 : run(key, in->pb, (int)in->cb, room);
    bool fits = n >= 0 && put_data(out, room, (SqlCpUlong)n);
    free(room);
    return n < 0 ? scp_err_InvalidArgument : fits ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptEncrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params, SqlCpUlong count,
                           const SqlCpData *in, SqlCpData *out)
{
    (void)session;
    (void) final;
    (void)params;
    (void)count;
    return crypt(thumb, in, out, fake_encrypt, "encrypt");
}

SqlCpError SqlCryptDecrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params, SqlCpUlong count,
                           const SqlCpData *in, SqlCpData *out)
{
    (void)session;
    (void) final;
    (void)params;
    (void)count;
    return crypt(thumb, in, out, fake_decrypt, "decrypt");
}
