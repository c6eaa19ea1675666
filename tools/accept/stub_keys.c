/* SPDX-License-Identifier: Apache-2.0
 *
 * Stub provider: toy keys in memory and a toy encryption (a length followed by a reversible
 * change of the bytes). Two keys exist from the start, P11ACC_RSA and P11ACC_AES.
 */
#include "tools/accept/stub.h"

#include <stdatomic.h>
#include <string.h>

enum { MOST_KEYS = 64, NAME_UNITS = 128, RSA_BYTES = 256, RSA_ALG = 1, AES_ALG = 4, BLOCK = 16 };
enum { MASK = 0x5a, LENGTH_BYTES = 4 };

typedef struct stub_key {
    SqlCpWchar name[NAME_UNITS];
    SqlCpUlong units;
    SqlCpAlgId algorithm;
    SqlCpByte thumb[STUB_THUMB];
} stub_key;

static stub_key keys[MOST_KEYS];
static size_t count;
static atomic_flag busy = ATOMIC_FLAG_INIT; /* guards keys and count */

static void lock(void)
{
    while (atomic_flag_test_and_set(&busy))
        ;
}

static void unlock(void)
{
    atomic_flag_clear(&busy);
}

static void add_key_locked(const SqlCpWchar *name, SqlCpUlong units, SqlCpAlgId algorithm)
{
    stub_key *key = &keys[count++];
    memcpy(key->name, name, units * sizeof *name);
    key->units = units;
    key->algorithm = algorithm;
    for (size_t i = 0; i < STUB_THUMB; i++)
        key->thumb[i] = (SqlCpByte)(count * 16 + i);
}

static void add_first_keys_locked(void)
{
    static const SqlCpWchar rsa[] = {'P', '1', '1', 'A', 'C', 'C', '_', 'R', 'S', 'A'};
    static const SqlCpWchar aes[] = {'P', '1', '1', 'A', 'C', 'C', '_', 'A', 'E', 'S'};
    if (count > 0)
        return;
    add_key_locked(rsa, sizeof rsa / sizeof rsa[0], RSA_ALG);
    add_key_locked(aes, sizeof aes / sizeof aes[0], AES_ALG);
}

/* Copies the key at an index; false if there is none. */
static bool key_at(size_t index, stub_key *out)
{
    lock();
    add_first_keys_locked();
    bool found = index < count;
    if (found)
        *out = keys[index];
    unlock();
    return found;
}

static bool key_by_thumb(const SqlCpKeyThumbprint *thumb, stub_key *out)
{
    for (size_t i = 0; thumb && thumb->pb && thumb->cb == STUB_THUMB && key_at(i, out); i++) {
        if (memcmp(out->thumb, thumb->pb, STUB_THUMB) == 0)
            return true;
    }
    return false;
}

static bool key_by_name(const SqlCpStr *name, stub_key *out)
{
    for (size_t i = 0; name && name->ws && key_at(i, out); i++) {
        if (name->cb == 2 * out->units && memcmp(out->name, name->ws, name->cb) == 0)
            return true;
    }
    return false;
}

static SqlCpError fill_info(const stub_key *key, SqlCpKeyInfo *info)
{
    SqlCpUlong need = 2 * key->units;
    bool fits = info->name.ws && info->name.cb >= need;
    if (fits)
        memcpy(info->name.ws, key->name, need);
    info->name.cb = need;
    fits = stub_put_data(&info->thumb, key->thumb, STUB_THUMB) && fits;
    info->algId = STUB_OTHER_ALGORITHM ? AES_ALG + RSA_ALG - key->algorithm : key->algorithm;
    info->flags = scp_kf_Supported;
    return fits ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptGetNextKeyId(const SqlCpSession *session, SqlCpKeyId *keyId)
{
    stub_key key;
    if (!keyId || !stub_session_open(session))
        return scp_err_AuthFailure;
    if (!key_at(*keyId, &key))
        return scp_err_NotFound;
    ++*keyId;
    return scp_err_Success;
}

SqlCpError SqlCryptGetKeyInfoByKeyId(const SqlCpSession *session, SqlCpKeyId keyId,
                                     SqlCpKeyInfo *info)
{
    stub_key key;
    if (!info || !stub_session_open(session))
        return scp_err_AuthFailure;
    return keyId > 0 && key_at(keyId - 1, &key) ? fill_info(&key, info) : scp_err_NotFound;
}

SqlCpError SqlCryptGetKeyInfoByThumb(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                                     SqlCpKeyInfo *info)
{
    stub_key key;
    if (!info || !stub_session_open(session))
        return scp_err_AuthFailure;
    return key_by_thumb(thumb, &key) ? fill_info(&key, info) : scp_err_NotFound;
}

SqlCpError SqlCryptGetKeyInfoByName(const SqlCpSession *session, const SqlCpStr *name,
                                    SqlCpKeyInfo *info)
{
    stub_key key;
    if (!info || !stub_session_open(session))
        return scp_err_AuthFailure;
    return key_by_name(name, &key) ? fill_info(&key, info) : scp_err_NotFound;
}

SqlCpError SqlCryptCreateKey(const SqlCpSession *session, const SqlCpStr *name, SqlCpAlgId algId,
                             SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb)
{
    stub_key key;
    (void)flags;
    if (!name || !name->ws || !thumb || name->cb / 2 > NAME_UNITS || !stub_session_open(session))
        return scp_err_InvalidArgument;
    if (STUB_CREATE_CODE)
        return STUB_CREATE_CODE;
    if (key_by_name(name, &key))
        return scp_err_FirstOwn;
    if (!thumb->pb || thumb->cb < STUB_THUMB) {
        thumb->cb = STUB_THUMB;
        return scp_err_InsufficientBuffer;
    }
    lock();
    add_first_keys_locked();
    bool has_space = count < MOST_KEYS;
    if (has_space) {
        add_key_locked(name->ws, name->cb / 2, algId);
        (void)stub_put_data(thumb, keys[count - 1].thumb, STUB_THUMB);
    }
    unlock();
    return has_space ? scp_err_Success : scp_err_Failure;
}

SqlCpError SqlCryptDropKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb)
{
    stub_key key;
    if (!stub_session_open(session))
        return scp_err_AuthFailure;
    if (STUB_DROP_CODE)
        return STUB_DROP_CODE;
    return key_by_thumb(thumb, &key) ? scp_err_Success : scp_err_NotFound;
}

/* Returns an RSA1 blob with an odd modulus of the right size, whose factors are unknown. */
SqlCpError SqlCryptExportKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                             const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                             SqlCpKeyBlob *blob)
{
    static const uint32_t header[] = {0x31415352, 8 * RSA_BYTES, 3, RSA_BYTES, 0, 0};
    static const SqlCpByte exponent[] = {1, 0, 1};
    SqlCpByte bytes[sizeof header + 3 + RSA_BYTES];
    stub_key key;
    (void)encryptor;
    if (!blob || !stub_session_open(session))
        return scp_err_AuthFailure;
    if (STUB_EXPORT_CODE)
        return STUB_EXPORT_CODE;
    if (!key_by_thumb(thumb, &key))
        return scp_err_NotFound;
    if (type != scp_kb_PublicKeyBlob || key.algorithm == AES_ALG)
        return scp_err_NotSupported;
    memcpy(bytes, header, sizeof header);
    memcpy(bytes + sizeof header, exponent, sizeof exponent);
    for (size_t i = 0; i < RSA_BYTES; i++)
        bytes[sizeof header + 3 + i] = (SqlCpByte)(0x80 | (i * 37 + key.thumb[0]));
    bytes[sizeof bytes - 1] |= 1;
    return stub_put_data(blob, bytes, sizeof bytes) ? scp_err_Success : scp_err_InsufficientBuffer;
}

SqlCpError SqlCryptImportKey(const SqlCpSession *session, const SqlCpStr *name,
                             const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                             SqlCpKeyFlags flags, const SqlCpKeyBlob *blob)
{
    (void)session, (void)name, (void)decryptor, (void)type, (void)flags, (void)blob;
    return scp_err_NotSupported;
}

/* The part that encryption and decryption have in common. */
static SqlCpError begin_data(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                             const SqlCpData *in, const SqlCpData *out, stub_key *key)
{
    if (!in || !in->pb || !out || !stub_session_open(session))
        return scp_err_InvalidArgument;
    if (!key_by_thumb(thumb, key))
        return scp_err_NotFound;
    if (out->pb && STUB_SLOW_DATA)
        stub_sleep();
    if (out->pb && STUB_CRASH_DATA)
        stub_crash();
    return STUB_DATA_CODE;
}

static SqlCpUlong sealed_size(const stub_key *key, SqlCpUlong length)
{
    return key->algorithm == AES_ALG ? (length + LENGTH_BYTES + BLOCK) / BLOCK * BLOCK : RSA_BYTES;
}

SqlCpError SqlCryptEncrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *plaintext, SqlCpData *ciphertext)
{
    stub_key key;
    (void) final, (void)params, (void)cParams;
    SqlCpError result = begin_data(session, thumb, plaintext, ciphertext, &key);
    if (result != scp_err_Success)
        return result;
    SqlCpUlong need = sealed_size(&key, plaintext->cb);
    if (key.algorithm != AES_ALG && plaintext->cb > RSA_BYTES - LENGTH_BYTES)
        return scp_err_InvalidArgument;
    bool fits = ciphertext->pb && ciphertext->cb >= need;
    ciphertext->cb = need;
    if (!fits)
        return scp_err_InsufficientBuffer;
    memset(ciphertext->pb, MASK, need + (STUB_OVERRUNS ? 1 : 0));
    memcpy(ciphertext->pb, &plaintext->cb, LENGTH_BYTES);
    for (SqlCpUlong i = 0; i < plaintext->cb; i++)
        ciphertext->pb[LENGTH_BYTES + i] = plaintext->pb[i] ^ MASK;
    return scp_err_Success;
}

SqlCpError SqlCryptDecrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *ciphertext, SqlCpData *plaintext)
{
    stub_key key;
    SqlCpUlong length = 0;
    (void) final, (void)params, (void)cParams;
    SqlCpError result = begin_data(session, thumb, ciphertext, plaintext, &key);
    if (result != scp_err_Success)
        return result;
    if (ciphertext->cb < LENGTH_BYTES)
        return scp_err_InvalidArgument;
    memcpy(&length, ciphertext->pb, LENGTH_BYTES);
    if (length > ciphertext->cb - LENGTH_BYTES)
        return scp_err_InvalidArgument;
    bool fits = plaintext->pb && plaintext->cb >= length;
    plaintext->cb = length;
    for (SqlCpUlong i = 0; fits && i < length; i++)
        plaintext->pb[i] = ciphertext->pb[LENGTH_BYTES + i] ^ (STUB_GARBLES ? 0 : MASK);
    return fits ? scp_err_Success : scp_err_InsufficientBuffer;
}
