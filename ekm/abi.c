/* SPDX-License-Identifier: Apache-2.0
 *
 * The 17 functions that SQL Server looks up by name. They make no decisions: each enters the
 * provider, calls one implementation function and passes its status to ekm_result.
 */
#include "ekm/key_private.h"

SqlCpError SqlCryptInitializeProvider(void)
{
    ekm_call call;
    ekm_begin(&call, "InitializeProvider", EKM_UNRECORDED);
    return ekm_result(&call, ekm_provider_open(&call.err));
}

SqlCpError SqlCryptFreeProvider(void)
{
    ekm_provider_close();
    return scp_err_Success;
}

SqlCpError SqlCryptOpenSession(const SqlCpCredential *credential, SqlCpSession *session)
{
    ekm_call call;
    ekm_begin(&call, "OpenSession", EKM_RECORD_SESSION);
    core_status st = ekm_enter(&call);
    if (st == ST_OK)
        st = ekm_login(&call, credential, session);
    return ekm_result(&call, st);
}

/* `abort` is ignored: a call of another thread that uses the session completes normally, and the
 * session is freed when that call ends. */
SqlCpError SqlCryptCloseSession(SqlCpSession *session, SqlCpBoolean abort)
{
    (void)abort;
    ekm_call call;
    ekm_begin(&call, "CloseSession", EKM_RECORD_SESSION);
    core_status st = ekm_enter(&call);
    if (st == ST_OK && !session) {
        st = core_fail(&call.err, ST_INVALID_ARGUMENT, "session is NULL");
    } else if (st == ST_OK) {
        call.session = ekm_handle_take(session);
        if (call.session)
            *session = NULL;
        else
            st = core_fail(&call.err, ST_AUTH_FAILED, "no open session has this handle");
    }
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetProviderInfo(SqlCpProviderInfo *info)
{
    ekm_call call;
    ekm_begin(&call, "GetProviderInfo", EKM_UNRECORDED);
    core_status st = ekm_enter(&call);
    if (st == ST_OK)
        st = ekm_provider_info(&call, info);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetNextAlgorithmId(SqlCpAlgId *algId)
{
    ekm_call call;
    ekm_begin(&call, "GetNextAlgorithmId", EKM_UNRECORDED);
    core_status st = ekm_enter(&call);
    if (st == ST_OK)
        st = ekm_algorithm_next(&call, algId);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetAlgorithmInfo(SqlCpAlgId algId, SqlCpAlgorithmInfo *info)
{
    ekm_call call;
    ekm_begin(&call, "GetAlgorithmInfo", EKM_UNRECORDED);
    core_status st = ekm_enter(&call);
    if (st == ST_OK)
        st = ekm_algorithm_info(&call, algId, info);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptCreateKey(const SqlCpSession *session, const SqlCpStr *name, SqlCpAlgId algId,
                             SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb)
{
    ekm_call call;
    ekm_begin(&call, "CreateKey", EKM_RECORD_KEY);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_create(&call, name, algId, flags, thumb);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptDropKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb)
{
    ekm_call call;
    ekm_begin(&call, "DropKey", EKM_RECORD_KEY);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_drop(&call, thumb);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetNextKeyId(const SqlCpSession *session, SqlCpKeyId *keyId)
{
    ekm_call call;
    ekm_begin(&call, "GetNextKeyId", EKM_UNRECORDED);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_next_id(&call, keyId);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetKeyInfoByKeyId(const SqlCpSession *session, SqlCpKeyId keyId,
                                     SqlCpKeyInfo *info)
{
    ekm_call call;
    ekm_begin(&call, "GetKeyInfoByKeyId", EKM_UNRECORDED);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_by_id(&call, keyId);
    if (st == ST_OK)
        st = ekm_key_info(&call, info);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetKeyInfoByThumb(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                                     SqlCpKeyInfo *info)
{
    ekm_call call;
    ekm_begin(&call, "GetKeyInfoByThumb", EKM_UNRECORDED);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_by_thumb(&call, thumb);
    if (st == ST_OK)
        st = ekm_key_info(&call, info);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptGetKeyInfoByName(const SqlCpSession *session, const SqlCpStr *name,
                                    SqlCpKeyInfo *info)
{
    ekm_call call;
    ekm_begin(&call, "GetKeyInfoByName", EKM_UNRECORDED);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_by_name(&call, name);
    if (st == ST_OK)
        st = ekm_key_info(&call, info);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptExportKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                             const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                             SqlCpKeyBlob *blob)
{
    ekm_call call;
    ekm_begin(&call, "ExportKey", EKM_RECORD_KEY);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_export(&call, thumb, encryptor, type, blob);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptImportKey(const SqlCpSession *session, const SqlCpStr *name,
                             const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                             SqlCpKeyFlags flags, const SqlCpKeyBlob *blob)
{
    ekm_call call;
    ekm_begin(&call, "ImportKey", EKM_RECORD_KEY);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_key_import(&call, name, decryptor, type, flags, blob);
    return ekm_result(&call, st);
}

SqlCpError SqlCryptEncrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *plaintext, SqlCpData *ciphertext)
{
    ekm_call call;
    ekm_begin(&call, "Encrypt", EKM_RECORD_DATA);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_encrypt(&call, &(ekm_data){thumb, final, params, cParams, plaintext, ciphertext});
    return ekm_result(&call, st);
}

SqlCpError SqlCryptDecrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *ciphertext, SqlCpData *plaintext)
{
    ekm_call call;
    ekm_begin(&call, "Decrypt", EKM_RECORD_DATA);
    core_status st = ekm_enter_session(&call, session);
    if (st == ST_OK)
        st = ekm_decrypt(&call, &(ekm_data){thumb, final, params, cParams, ciphertext, plaintext});
    return ekm_result(&call, st);
}
