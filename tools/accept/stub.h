/* SPDX-License-Identifier: Apache-2.0
 *
 * A stub provider: it has no token, keeps toy keys in memory, and has one fault, which the build
 * chooses (stubs.cmake). The reaction of SQL Server to the fault settles an assumption about SQL
 * Server. Its encryption protects nothing: never give a stub real data or a real PIN.
 */
#ifndef P11ACC_STUB_H
#define P11ACC_STUB_H

#include "ekm/sqlcp.h"

#include <stdbool.h>

/* The only SECRET that opens a session. */
#define STUB_PIN "P11ACC-PIN"

/* Options of the build. An option _CODE is the result of the function; with 0 it does its work. */
#ifndef STUB_NUMBER
#define STUB_NUMBER 0 /* last byte of the GUID */
#endif
#ifndef STUB_INIT_CODE
#define STUB_INIT_CODE 0
#endif
#ifndef STUB_INFO_CODE
#define STUB_INFO_CODE 0
#endif
#ifndef STUB_ALGORITHM_CODE
#define STUB_ALGORITHM_CODE 0
#endif
#ifndef STUB_OPEN_CODE
#define STUB_OPEN_CODE 0
#endif
#ifndef STUB_CREATE_CODE
#define STUB_CREATE_CODE 0
#endif
#ifndef STUB_EXPORT_CODE
#define STUB_EXPORT_CODE 0
#endif
#ifndef STUB_DROP_CODE
#define STUB_DROP_CODE 0
#endif
#ifndef STUB_DATA_CODE
#define STUB_DATA_CODE 0
#endif
#ifndef STUB_SIZE_ZERO
#define STUB_SIZE_ZERO 0 /* states a size of 0 for its name */
#endif
#ifndef STUB_OWN_POINTER
#define STUB_OWN_POINTER 0 /* replaces the pointer in the caller's structure by its own */
#endif
#ifndef STUB_SUCCESS_FIRST
#define STUB_SUCCESS_FIRST 0 /* answers the size query with success */
#endif
#ifndef STUB_API_MINOR
#define STUB_API_MINOR 1 /* of scpVersion */
#endif
#ifndef STUB_VERSION_MINOR
#define STUB_VERSION_MINOR 0 /* of its own version */
#endif
#ifndef STUB_THUMB
#define STUB_THUMB 16 /* bytes of a thumbprint */
#endif
#ifndef STUB_STATED_THUMB
#define STUB_STATED_THUMB STUB_THUMB /* cbKeyThumbLen */
#endif
#ifndef STUB_AUTH_TYPE
#define STUB_AUTH_TYPE scp_auth_Basic
#endif
#ifndef STUB_RSA_BITS
#define STUB_RSA_BITS 2048 /* of the algorithm RSA_2048 */
#endif
#ifndef STUB_AES_IV_BITS
#define STUB_AES_IV_BITS 128
#endif
#ifndef STUB_UNKNOWN_TAG
#define STUB_UNKNOWN_TAG 0 /* lists P11ACC_CIPHER, too */
#endif
#ifndef STUB_ENDLESS
#define STUB_ENDLESS 0 /* the list of algorithms has no end */
#endif
#ifndef STUB_ANY_PIN
#define STUB_ANY_PIN 0 /* accepts every SECRET */
#endif
#ifndef STUB_GARBLES
#define STUB_GARBLES 0 /* decrypts to other data */
#endif
#ifndef STUB_OVERRUNS
#define STUB_OVERRUNS 0 /* encrypts one byte beyond the stated size */
#endif
#ifndef STUB_UNSTEADY
#define STUB_UNSTEADY 0 /* states another version at each query */
#endif
#ifndef STUB_OTHER_ALGORITHM
#define STUB_OTHER_ALGORITHM 0 /* reports AES for an RSA key, and RSA for an AES key */
#endif
#ifndef STUB_KEEPS_CLOSED
#define STUB_KEEPS_CLOSED false /* accepts the handle of a closed session */
#endif
#ifndef STUB_SLOW_OPEN
#define STUB_SLOW_OPEN 0
#endif
#ifndef STUB_SLOW_DATA
#define STUB_SLOW_DATA 0
#endif
#ifndef STUB_CRASH_OPEN
#define STUB_CRASH_OPEN 0
#endif
#ifndef STUB_CRASH_DATA
#define STUB_CRASH_DATA 0
#endif

enum {
    STUB_DELAY_MS = 120000
}; /* delay of the slow stubs; P11STUB_DELAY_MS in the environment overrides it */

void stub_sleep(void);
/* Causes an access violation. */
void stub_crash(void);
bool stub_session_open(const SqlCpSession *session);

/* Write an ASCII text or bytes to the buffer of the caller and set cb; false if the buffer is
 * too small. */
bool stub_put_text(SqlCpStr *out, const char *ascii);
bool stub_put_data(SqlCpData *out, const SqlCpByte *bytes, SqlCpUlong length);

#endif
