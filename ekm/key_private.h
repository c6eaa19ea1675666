/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of the EKM provider that serve calls about algorithms, keys and data.
 */
#ifndef EKM_KEY_PRIVATE_H
#define EKM_KEY_PRIVATE_H

#include "ekm/ekm_private.h"

/* algorithm.c */
bool ekm_algorithm_offered(const core_config *config, core_algorithm algorithm);
/* ST_INVALID_ARGUMENT for 0, ST_NOT_SUPPORTED for an algorithm that is not offered. */
CORE_MUST_USE core_status ekm_algorithm_from_id(ekm_call *call, SqlCpAlgId id, core_algorithm *out);
SqlCpAlgId ekm_algorithm_id(core_algorithm algorithm);
CORE_MUST_USE core_status ekm_algorithm_next(ekm_call *call, SqlCpAlgId *id);
CORE_MUST_USE core_status ekm_algorithm_info(ekm_call *call, SqlCpAlgId id,
                                             SqlCpAlgorithmInfo *info);

/* policy.c */
/* Whether the key is of an algorithm that is offered; whether it is listed, too: a retired key that
 * was open is not, and still decrypts. */
bool ekm_key_offered(const ekm_call *call, const tok_key *key);
bool ekm_key_visible(const ekm_call *call, const tok_key *key);
/* Before call->key is used: what it may be used for now decides, read again where that is due. */
CORE_MUST_USE core_status ekm_key_check(ekm_call *call);
/* Whether it is a column master key, which is refused; and that refusal. */
bool ekm_key_withheld(const ekm_call *call, const tok_key *key);
core_status ekm_key_refuse(ekm_call *call, const char *name);

/* keys.c, keyid.c, export.c */
/* Put the key in call->key. */
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
