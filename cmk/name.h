/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider's name: the value of KEY_STORE_PROVIDER_NAME in CREATE COLUMN MASTER KEY. Drivers
 * compare it case-sensitively, and the signature of a column master key covers its lower-case form.
 * Therefore it does not contain I, whose lower case depends on the locale. It has more than six
 * characters and does not begin with MSSQL_, which drivers reserve. It never changes.
 */
#ifndef CMK_NAME_H
#define CMK_NAME_H

#define CMK_PROVIDER_NAME "PKCS11_KEY_STORE"

/* The algorithm name that this provider writes in T-SQL. It accepts RSA-OAEP too, and both without
 * regard to case. */
#define CMK_ALGORITHM "RSA_OAEP"

/* The size of a column encryption key in bytes. */
enum { CMK_CEK_LEN = 32 };

#endif
