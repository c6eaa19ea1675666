/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider's name, stated once: what KEY_STORE_PROVIDER_NAME of CREATE COLUMN MASTER KEY says.
 * Drivers compare it with its case, the signature of a master key covers its lower-case form: so it
 * has no letter whose lower case depends on the locale (I), is longer than six characters and does
 * not begin with MSSQL_, which drivers keep for themselves. It never changes.
 */
#ifndef CMK_NAME_H
#define CMK_NAME_H

#define CMK_PROVIDER_NAME "PKCS11_KEY_STORE"

/* The algorithm as this provider writes it in T-SQL; RSA-OAEP and any case are read, too. */
#define CMK_ALGORITHM "RSA_OAEP"

/* A column encryption key is always of this many bytes. */
enum { CMK_CEK_LEN = 32 };

#endif
