/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the EKM provider: algorithms, keys and data.
 */
#ifndef EKM_KEY_PRIVATE_H
#define EKM_KEY_PRIVATE_H

#include "ekm/ekm_private.h"

/* algorithm.c */
bool ekm_algorithm_offered(const core_config *config, core_algorithm algorithm);
/* ST_INVALID_ARGUMENT: id 0; ST_NOT_SUPPORTED: an algorithm that is not offered. */
CORE_MUST_USE core_status ekm_algorithm_from_id(ekm_call *call, SqlCpAlgId id, core_algorithm *out);
SqlCpAlgId ekm_algorithm_id(core_algorithm algorithm);
CORE_MUST_USE core_status ekm_algorithm_next(ekm_call *call, SqlCpAlgId *id);
CORE_MUST_USE core_status ekm_algorithm_info(ekm_call *call, SqlCpAlgId id,
                                             SqlCpAlgorithmInfo *info);

/* policy.c */
/* offered: the configuration and the policy of the token allow the algorithm of the key. visible:
 * the key is offered, not withheld and not retired, and enumeration lists it. An open key that was
 * retired is not visible but still decrypts. */
bool ekm_key_offered(const ekm_call *call, const tok_key *key);
bool ekm_key_visible(const ekm_call *call, const tok_key *key);
/* Call before call->key is used: reads the attributes that permit its use again if they are older
 * than the configuration allows, and refuses a withheld key. */
CORE_MUST_USE core_status ekm_key_check(ekm_call *call);
/* True for a column master key that the configuration withholds from SQL Server; ekm_key_refuse
 * reports it with ST_POLICY. */
bool ekm_key_withheld(const ekm_call *call, const tok_key *key);
core_status ekm_key_refuse(ekm_call *call, const char *name);

/* keys.c, keyid.c, export.c */
/* These put a reference to the key in call->key. */
CORE_MUST_USE core_status ekm_key_by_thumb(ekm_call *call, const SqlCpKeyThumbprint *thumb);
CORE_MUST_USE core_status ekm_key_by_name(ekm_call *call, const SqlCpStr *name);
CORE_MUST_USE core_status ekm_key_by_id(ekm_call *call, SqlCpKeyId id);
CORE_MUST_USE core_status ekm_key_create(ekm_call *call, const SqlCpStr *name, SqlCpAlgId algId,
                                         SqlCpKeyFlags flags, SqlCpKeyThumbprint *thumb);
CORE_MUST_USE core_status ekm_key_drop(ekm_call *call, const SqlCpKeyThumbprint *thumb);
CORE_MUST_USE core_status ekm_key_next_id(ekm_call *call, SqlCpKeyId *id);
CORE_MUST_USE core_status ekm_key_info(ekm_call *call, SqlCpKeyInfo *info);
CORE_MUST_USE core_status ekm_key_export(ekm_call *call, const SqlCpKeyThumbprint *thumb,
                                         const SqlCpKeyThumbprint *encryptor, SqlCpKeyBlobType type,
                                         SqlCpKeyBlob *blob);
CORE_MUST_USE core_status ekm_key_import(ekm_call *call, const SqlCpStr *name,
                                         const SqlCpKeyThumbprint *decryptor, SqlCpKeyBlobType type,
                                         SqlCpKeyFlags flags, const SqlCpKeyBlob *blob);

/* data.c */
typedef struct ekm_data {
    const SqlCpKeyThumbprint *thumb;
    SqlCpBoolean final;
    const SqlCpEncryptionParam *params;
    SqlCpUlong count;
    const SqlCpData *in;
    SqlCpData *out;
} ekm_data;
CORE_MUST_USE core_status ekm_encrypt(ekm_call *call, const ekm_data *data);
CORE_MUST_USE core_status ekm_decrypt(ekm_call *call, const ekm_data *data);

#endif
