/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQL Crypto API 1.1: the binary interface between Extensible Key Management of SQL Server and
 * a provider library. Declared from public facts about the interface (SQL Server documentation and
 * the EKM technical documentation), with natural alignment, little endian, 64 bits. This header is
 * the whole contract: the provider (ekm/) implements it and the test double of SQL Server
 * (tools/ekmsql) calls it.
 *
 * SqlCpUlong has 32 bits and SqlCpWchar 16 bits on every platform, so they are not `unsigned long`
 * and `wchar_t`. Every `cb` counts bytes, not characters; strings are UTF-16LE and not terminated.
 */
#ifndef P11EKM_SQLCP_H
#define P11EKM_SQLCP_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint8_t SqlCpByte;
typedef uint8_t SqlCpBoolean;
typedef uint16_t SqlCpUshort;
typedef uint32_t SqlCpUlong;
typedef uint16_t SqlCpWchar;

typedef SqlCpUlong SqlCpAlgId;    /* 0 is not a valid algorithm id */
typedef SqlCpUlong SqlCpKeyId;    /* 0 is not a valid key id */
typedef SqlCpUlong SqlCpKeyFlags; /* a set of scp_kf_ bits */
typedef void *SqlCpSession;       /* functions take a pointer to it */

/* Codes up to 2048 are reserved; those of a provider start at 2049 (core/status.h lists ours). A
 * 32-bit integer and not an enum, because SQL Server accepts any value. */
typedef SqlCpUlong SqlCpError;
enum {
    scp_err_Success = 0,
    scp_err_Failure = 1,
    scp_err_InsufficientBuffer = 2,
    scp_err_NotSupported = 3,
    scp_err_NotFound = 4,
    scp_err_AuthFailure = 5,
    scp_err_InvalidArgument = 6,
    scp_err_ProviderError = 7,
    scp_err_FirstOwn = 2049
};

typedef enum SqlCpAuthType { scp_auth_Other = 0, scp_auth_Basic = 1 } SqlCpAuthType;
typedef enum SqlCpKeyType { scp_kt_Symmetric = 0, scp_kt_Asymmetric = 1 } SqlCpKeyType;
typedef enum SqlCpKeyBlobType { scp_kb_SimpleBlob = 0, scp_kb_PublicKeyBlob = 1 } SqlCpKeyBlobType;
typedef enum SqlCpEncryptionParamType { scp_ep_IV = 0 } SqlCpEncryptionParamType;

/* Bits of SqlCpKeyFlags, and of symmKeySupport and asymmKeySupport in SqlCpProviderInfo. */
enum {
    scp_kf_Supported = 1,
    scp_kf_Volatile = 2,
    scp_kf_Exportable = 4,
    scp_kf_Importable = 8,
    scp_kf_All = 15
};

/* Limits in bytes. */
enum {
    scp_MaxProviderName = 2048,
    scp_MaxKeyName = 512,
    scp_MaxAlgTag = 120,
    scp_MaxIV = 512,
    scp_MaxThumbprint = 32,
    scp_MaxKeyBlob = 2048
};

typedef struct SqlCpData {
    SqlCpUlong cb;
    SqlCpByte *pb;
} SqlCpData;
typedef SqlCpData SqlCpKeyThumbprint;
typedef SqlCpData SqlCpKeyBlob;

typedef struct SqlCpStr {
    SqlCpUlong cb;
    SqlCpWchar *ws;
} SqlCpStr;

typedef struct SqlCpVersion {
    SqlCpByte major;
    SqlCpByte minor;
    SqlCpUshort build;
    SqlCpByte revision;
} SqlCpVersion;

typedef struct SqlCpGuid {
    SqlCpUlong data1;
    SqlCpUshort data2;
    SqlCpUshort data3;
    SqlCpByte data4[8];
} SqlCpGuid;

typedef struct SqlCpCredential {
    SqlCpStr name;     /* IDENTITY of the SQL Server credential */
    SqlCpStr password; /* SECRET */
} SqlCpCredential;

typedef struct SqlCpKeyInfo {
    SqlCpStr name;
    SqlCpKeyThumbprint thumb;
    SqlCpAlgId algId;
    SqlCpKeyFlags flags;
} SqlCpKeyInfo;

typedef struct SqlCpProviderInfo {
    SqlCpStr name;
    SqlCpGuid guid;
    SqlCpVersion version;
    SqlCpVersion scpVersion; /* exactly 1.1.0.0, else SQL Server reports error 33032 */
    SqlCpAuthType authType;
    SqlCpKeyFlags symmKeySupport;
    SqlCpKeyFlags asymmKeySupport;
    SqlCpUlong cbKeyThumbLen;
    SqlCpBoolean fAcceptsKeyName;
} SqlCpProviderInfo;

typedef struct SqlCpAlgorithmInfo {
    SqlCpAlgId algId;
    SqlCpStr algTag;
    SqlCpKeyType type;
    SqlCpUlong bitLen;
    SqlCpUlong ivLen; /* in bits, like bitLen */
} SqlCpAlgorithmInfo;

typedef struct SqlCpEncryptionParam {
    SqlCpEncryptionParamType type;
    SqlCpUlong cb;
    SqlCpByte *pb;
} SqlCpEncryptionParam;

static_assert(sizeof(void *) == 8, "the interface is 64-bit only");
static_assert(sizeof(SqlCpVersion) == 6, "SqlCpVersion layout");
static_assert(sizeof(SqlCpGuid) == 16, "SqlCpGuid layout");
static_assert(sizeof(SqlCpKeyInfo) == 40, "SqlCpKeyInfo layout");
static_assert(sizeof(SqlCpAlgorithmInfo) == 40, "SqlCpAlgorithmInfo layout");
static_assert(sizeof(SqlCpEncryptionParam) == 16, "SqlCpEncryptionParam layout");
static_assert(sizeof(SqlCpProviderInfo) == 64, "SqlCpProviderInfo layout");
static_assert(offsetof(SqlCpProviderInfo, guid) == 16 &&
                  offsetof(SqlCpProviderInfo, version) == 32 &&
                  offsetof(SqlCpProviderInfo, scpVersion) == 38 &&
                  offsetof(SqlCpProviderInfo, authType) == 44 &&
                  offsetof(SqlCpProviderInfo, symmKeySupport) == 48 &&
                  offsetof(SqlCpProviderInfo, asymmKeySupport) == 52 &&
                  offsetof(SqlCpProviderInfo, cbKeyThumbLen) == 56 &&
                  offsetof(SqlCpProviderInfo, fAcceptsKeyName) == 60,
              "SqlCpProviderInfo offsets");

/* The 17 exports in the order of the states of error 33085: X(state, name, parameters). This list
 * makes the prototypes below, the function table of the test double, and the tests of the exports.
 */
#define SQLCP_EXPORTS(X)                                                                         \
    X(1, SqlCryptInitializeProvider, (void))                                                     \
    X(2, SqlCryptFreeProvider, (void))                                                           \
    X(3, SqlCryptOpenSession, (const SqlCpCredential *credential, SqlCpSession *session))        \
    X(4, SqlCryptCloseSession, (SqlCpSession * session, SqlCpBoolean abort))                     \
    X(5, SqlCryptGetProviderInfo, (SqlCpProviderInfo * info))                                    \
    X(6, SqlCryptGetNextAlgorithmId, (SqlCpAlgId * algId))                                       \
    X(7, SqlCryptGetAlgorithmInfo, (SqlCpAlgId algId, SqlCpAlgorithmInfo * info))                \
    X(8, SqlCryptCreateKey,                                                                      \
      (const SqlCpSession *session, const SqlCpStr *name, SqlCpAlgId algId, SqlCpKeyFlags flags, \
       SqlCpKeyThumbprint *thumb))                                                               \
    X(9, SqlCryptDropKey, (const SqlCpSession *session, const SqlCpKeyThumbprint *thumb))        \
    X(10, SqlCryptGetNextKeyId, (const SqlCpSession *session, SqlCpKeyId *keyId))                \
    X(11, SqlCryptGetKeyInfoByKeyId,                                                             \
      (const SqlCpSession *session, SqlCpKeyId keyId, SqlCpKeyInfo *info))                       \
    X(12, SqlCryptGetKeyInfoByThumb,                                                             \
      (const SqlCpSession *session, const SqlCpKeyThumbprint *thumb, SqlCpKeyInfo *info))        \
    X(13, SqlCryptGetKeyInfoByName,                                                              \
      (const SqlCpSession *session, const SqlCpStr *name, SqlCpKeyInfo *info))                   \
    X(14, SqlCryptExportKey,                                                                     \
      (const SqlCpSession *session, const SqlCpKeyThumbprint *thumb,                             \
       const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type, SqlCpKeyBlob *blob))          \
    X(15, SqlCryptImportKey,                                                                     \
      (const SqlCpSession *session, const SqlCpStr *name, const SqlCpKeyThumbprint *decryptor,   \
       SqlCpKeyBlobType type, SqlCpKeyFlags flags, const SqlCpKeyBlob *blob))                    \
    X(16, SqlCryptEncrypt,                                                                       \
      (const SqlCpSession *session, const SqlCpKeyThumbprint *thumb, SqlCpBoolean final,         \
       const SqlCpEncryptionParam *params, SqlCpUlong cParams, const SqlCpData *plaintext,       \
       SqlCpData *ciphertext))                                                                   \
    X(17, SqlCryptDecrypt,                                                                       \
      (const SqlCpSession *session, const SqlCpKeyThumbprint *thumb, SqlCpBoolean final,         \
       const SqlCpEncryptionParam *params, SqlCpUlong cParams, const SqlCpData *ciphertext,      \
       SqlCpData *plaintext))

#define SQLCP_PROTOTYPE(state, name, parameters) SqlCpError name parameters;
SQLCP_EXPORTS(SQLCP_PROTOTYPE)
#undef SQLCP_PROTOTYPE

#ifdef __cplusplus
}
#endif
#endif
