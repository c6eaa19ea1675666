/* SPDX-License-Identifier: Apache-2.0
 *
 * The 17 exports of p11trace. Each records its arguments, calls the function of the same name in
 * ekm/abi.c, which this build compiles with the prefix p11trace_, and records the outputs.
 */
#include "tools/p11trace/recorder.h"

#define INNER_PROTOTYPE(state, name, parameters) SqlCpError p11trace_##name parameters;
SQLCP_EXPORTS(INNER_PROTOTYPE)
#undef INNER_PROTOTYPE

static void trace_key_info(trace_call *call, const char *name, const char *thumb,
                           const SqlCpKeyInfo *info)
{
    trace_text(call, name, info ? &info->name : NULL);
    trace_data(call, thumb, info ? &info->thumb : NULL);
}

SqlCpError SqlCryptInitializeProvider(void)
{
    trace_call call;
    trace_reopen();
    trace_begin(&call, "SqlCryptInitializeProvider");
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptInitializeProvider());
    return trace_end(&call);
}

SqlCpError SqlCryptFreeProvider(void)
{
    trace_call call;
    trace_begin(&call, "SqlCryptFreeProvider");
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptFreeProvider());
    SqlCpError result = trace_end(&call);
    trace_close();
    return result;
}

SqlCpError SqlCryptOpenSession(const SqlCpCredential *credential, SqlCpSession *session)
{
    trace_call call;
    trace_begin(&call, "SqlCryptOpenSession");
    trace_flag(&call, "credential", credential != NULL);
    trace_session(&call, "session", session);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptOpenSession(credential, session));
    trace_session(&call, "session_after", session);
    return trace_end(&call);
}

SqlCpError SqlCryptCloseSession(SqlCpSession *session, SqlCpBoolean abort)
{
    trace_call call;
    trace_begin(&call, "SqlCryptCloseSession");
    trace_session(&call, "session", session);
    trace_number(&call, "abort", abort);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptCloseSession(session, abort));
    return trace_end(&call);
}

SqlCpError SqlCryptGetProviderInfo(SqlCpProviderInfo *info)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetProviderInfo");
    trace_text(&call, "name", info ? &info->name : NULL);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetProviderInfo(info));
    trace_text(&call, "name_after", info ? &info->name : NULL);
    return trace_end(&call);
}

SqlCpError SqlCryptGetNextAlgorithmId(SqlCpAlgId *algId)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetNextAlgorithmId");
    trace_number(&call, "algorithm", algId ? *algId : 0);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetNextAlgorithmId(algId));
    trace_number(&call, "algorithm_after", algId ? *algId : 0);
    return trace_end(&call);
}

SqlCpError SqlCryptGetAlgorithmInfo(SqlCpAlgId algId, SqlCpAlgorithmInfo *info)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetAlgorithmInfo");
    trace_number(&call, "algorithm", algId);
    trace_text(&call, "tag", info ? &info->algTag : NULL);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetAlgorithmInfo(algId, info));
    trace_text(&call, "tag_after", info ? &info->algTag : NULL);
    return trace_end(&call);
}

SqlCpError SqlCryptCreateKey(const SqlCpSession *session, const SqlCpStr *name, SqlCpAlgId algId,
                             SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb)
{
    trace_call call;
    trace_begin(&call, "SqlCryptCreateKey");
    trace_session(&call, "session", session);
    trace_text(&call, "name", name);
    trace_number(&call, "algorithm", algId);
    trace_number(&call, "flags", flags);
    trace_data(&call, "thumb", thumb);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptCreateKey(session, name, algId, flags, thumb));
    trace_data(&call, "thumb_after", thumb);
    return trace_end(&call);
}

SqlCpError SqlCryptDropKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb)
{
    trace_call call;
    trace_begin(&call, "SqlCryptDropKey");
    trace_session(&call, "session", session);
    trace_data(&call, "thumb", thumb);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptDropKey(session, thumb));
    return trace_end(&call);
}

SqlCpError SqlCryptGetNextKeyId(const SqlCpSession *session, SqlCpKeyId *keyId)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetNextKeyId");
    trace_session(&call, "session", session);
    trace_number(&call, "key", keyId ? *keyId : 0);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetNextKeyId(session, keyId));
    trace_number(&call, "key_after", keyId ? *keyId : 0);
    return trace_end(&call);
}

SqlCpError SqlCryptGetKeyInfoByKeyId(const SqlCpSession *session, SqlCpKeyId keyId,
                                     SqlCpKeyInfo *info)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetKeyInfoByKeyId");
    trace_session(&call, "session", session);
    trace_number(&call, "key", keyId);
    trace_key_info(&call, "info_name", "info_thumb", info);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetKeyInfoByKeyId(session, keyId, info));
    trace_key_info(&call, "info_name_after", "info_thumb_after", info);
    return trace_end(&call);
}

SqlCpError SqlCryptGetKeyInfoByThumb(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                                     SqlCpKeyInfo *info)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetKeyInfoByThumb");
    trace_session(&call, "session", session);
    trace_data(&call, "thumb", thumb);
    trace_key_info(&call, "info_name", "info_thumb", info);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetKeyInfoByThumb(session, thumb, info));
    trace_key_info(&call, "info_name_after", "info_thumb_after", info);
    return trace_end(&call);
}

SqlCpError SqlCryptGetKeyInfoByName(const SqlCpSession *session, const SqlCpStr *name,
                                    SqlCpKeyInfo *info)
{
    trace_call call;
    trace_begin(&call, "SqlCryptGetKeyInfoByName");
    trace_session(&call, "session", session);
    trace_text(&call, "name", name);
    trace_key_info(&call, "info_name", "info_thumb", info);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptGetKeyInfoByName(session, name, info));
    trace_key_info(&call, "info_name_after", "info_thumb_after", info);
    return trace_end(&call);
}

SqlCpError SqlCryptExportKey(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                             const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                             SqlCpKeyBlob *blob)
{
    trace_call call;
    trace_begin(&call, "SqlCryptExportKey");
    trace_session(&call, "session", session);
    trace_data(&call, "thumb", thumb);
    trace_data(&call, "encryptor", encryptor);
    trace_number(&call, "type", (uint64_t)type);
    trace_data(&call, "blob", blob);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptExportKey(session, thumb, encryptor, type, blob));
    trace_data(&call, "blob_after", blob);
    return trace_end(&call);
}

SqlCpError SqlCryptImportKey(const SqlCpSession *session, const SqlCpStr *name,
                             const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                             SqlCpKeyFlags flags, const SqlCpKeyBlob *blob)
{
    trace_call call;
    trace_begin(&call, "SqlCryptImportKey");
    trace_session(&call, "session", session);
    trace_text(&call, "name", name);
    trace_data(&call, "decryptor", decryptor);
    trace_number(&call, "type", (uint64_t)type);
    trace_number(&call, "flags", flags);
    trace_data(&call, "blob", blob);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptImportKey(session, name, decryptor, type, flags, blob));
    return trace_end(&call);
}

SqlCpError SqlCryptEncrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *plaintext, SqlCpData *ciphertext)
{
    trace_call call;
    trace_begin(&call, "SqlCryptEncrypt");
    trace_session(&call, "session", session);
    trace_data(&call, "thumb", thumb);
    trace_number(&call, "final", final);
    trace_params(&call, params, cParams);
    trace_data(&call, "plaintext", plaintext);
    trace_data(&call, "ciphertext", ciphertext);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptEncrypt(session, thumb, final, params, cParams, plaintext,
                                               ciphertext));
    trace_data(&call, "ciphertext_after", ciphertext);
    return trace_end(&call);
}

SqlCpError SqlCryptDecrypt(const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,
                           SqlCpBoolean final, const SqlCpEncryptionParam *params,
                           SqlCpUlong cParams, const SqlCpData *ciphertext, SqlCpData *plaintext)
{
    trace_call call;
    trace_begin(&call, "SqlCryptDecrypt");
    trace_session(&call, "session", session);
    trace_data(&call, "thumb", thumb);
    trace_number(&call, "final", final);
    trace_params(&call, params, cParams);
    trace_data(&call, "ciphertext", ciphertext);
    trace_data(&call, "plaintext", plaintext);
    trace_start(&call);
    trace_stop(&call, p11trace_SqlCryptDecrypt(session, thumb, final, params, cParams, ciphertext,
                                               plaintext));
    trace_data(&call, "plaintext_after", plaintext);
    return trace_end(&call);
}
