/* SPDX-License-Identifier: Apache-2.0
 *
 * The name and the GUID of the provider p11trace. ekm/provider.c is compiled with -include of
 * this header, so SQL Server can have p11trace and p11ekm registered at the same time. The GUID
 * never changes: {36e445d0-e500-4aed-899b-517984eb3963}.
 */
#ifndef P11TRACE_IDENTITY_H
#define P11TRACE_IDENTITY_H

#include "ekm/sqlcp.h"

#define P11EKM_PROVIDER_NAME "p11trace: p11ekm with a recorder of calls, for acceptance tests"
static const SqlCpGuid provider_guid = {
    0x36e445d0, 0xe500, 0x4aed, {0x89, 0x9b, 0x51, 0x79, 0x84, 0xeb, 0x39, 0x63}};

#endif
