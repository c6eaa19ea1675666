/* SPDX-License-Identifier: Apache-2.0
 *
 * The algorithms offered to SQL Server: those that the global key `algorithms` of the configuration
 * allows. An algorithm id is the value of core_algorithm plus one, so it means the same in every
 * version and configuration.
 */
#include <string.h>
#include "core/text.h"
#include "ekm/key_private.h"

bool ekm_algorithm_offered(const core_config *config, core_algorithm algorithm)
{
    return algorithm < CORE_ALG_COUNT && (config->defaults.algorithms & (1U << algorithm)) != 0;
}

SqlCpAlgId ekm_algorithm_id(core_algorithm algorithm)
{
    return (SqlCpAlgId)algorithm + 1;
}

core_status ekm_algorithm_from_id(ekm_call *call, SqlCpAlgId id, core_algorithm *out)
{
    *out = CORE_ALG_COUNT;
    if (id == 0)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "algorithm id 0");
    if (id > CORE_ALG_COUNT || !ekm_algorithm_offered(call->config, (core_algorithm)(id - 1)))
        return core_fail(&call->err, ST_NOT_SUPPORTED,
                         "algorithm id %u is not offered; see 'algorithms' in p11ekm.conf(5)",
                         (unsigned)id);
    *out = (core_algorithm)(id - 1);
    return ST_OK;
}

core_status ekm_algorithm_next(ekm_call *call, SqlCpAlgId *id)
{
    if (!id)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "algorithm id is NULL");
    for (SqlCpAlgId next = *id; next < CORE_ALG_COUNT; next++) {
        if (ekm_algorithm_offered(call->config, (core_algorithm)next)) {
            *id = next + 1;
            return ST_OK;
        }
    }
    return core_fail(&call->err, ST_NOT_FOUND, "no more algorithms");
}

core_status ekm_algorithm_info(ekm_call *call, SqlCpAlgId id, SqlCpAlgorithmInfo *info)
{
    if (!info)
        return core_fail(&call->err, ST_INVALID_ARGUMENT, "info is NULL");
    core_algorithm algorithm;
    core_status st = ekm_algorithm_from_id(call, id, &algorithm);
    if (st != ST_OK)
        return st;
    uint8_t tag[scp_MaxAlgTag];
    size_t length = sizeof tag;
    st = core_utf8_to_utf16(core_algorithm_tag(algorithm), tag, &length);
    if (st != ST_OK)
        return st;
    if (!ekm_fits(info->algTag.ws, info->algTag.cb, length)) {
        info->algTag.cb = (SqlCpUlong)length;
        return ST_BUFFER_TOO_SMALL;
    }
    memcpy(info->algTag.ws, tag, length);
    info->algTag.cb = (SqlCpUlong)length;
    info->algId = id;
    info->type = core_algorithm_is_rsa(algorithm) ? scp_kt_Asymmetric : scp_kt_Symmetric;
    info->bitLen = core_algorithm_bits(algorithm);
    info->ivLen = core_algorithm_iv_bits(algorithm);
    return ST_OK;
}
