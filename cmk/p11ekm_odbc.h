/* SPDX-License-Identifier: Apache-2.0
 *
 * The key store interface of p11ekm for Microsoft's ODBC Driver for SQL Server (17.4 and later):
 * what the shared library exports, and the settings that an application sends through the driver.
 * Include it in an application for the attribute numbers and the layout of
 * SQL_COPT_SS_CEKEYSTOREDATA.
 *
 *     SQLSetConnectAttr(dbc, SQL_COPT_SS_CEKEYSTOREPROVIDER, "/usr/lib/libp11ekm.so", SQL_NTS);
 *
 * This call is sufficient if the default configuration file names the token and its pin_file. If it
 * does not, the application then writes settings, UTF-8 text of up to 8 KiB, one `name=value` per
 * line, each optional and at most once, in any order:
 *
 *     config=/etc/p11ekm.conf      the configuration file
 *     token=hsm                    the alias, URI or label of the token
 *     pin=1234                     its PIN
 *
 * A write takes effect at once for the whole process: the library reads the configuration and logs
 * in to the token, so a wrong PIN is reported by this call. If it fails, the previous settings
 * remain in effect. They also remain when the driver frees the key store, until other settings are
 * written or the process ends. The library wipes its copies; the application wipes its own. A read
 * returns lines of the same form: provider, version, config, token (one for each token that is
 * logged in), cached.
 *
 * Text is UTF-16 in 16-bit units on all systems, not wchar_t. Functions return 1 on success. On
 * failure they report one message through `on_error` and return 0; the driver formats the message,
 * so % is doubled in it. They may be called from any thread and in the children of a fork.
 */
#ifndef P11EKM_ODBC_H
#define P11EKM_ODBC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The name for KEY_STORE_PROVIDER_NAME, with its case. */
#define P11EKM_ODBC_PROVIDER "PKCS11_KEY_STORE"

/* Connection attributes of the driver. */
#define P11EKM_SQL_COPT_SS_COLUMN_ENCRYPTION  1250
#define P11EKM_SQL_COPT_SS_CEKEYSTOREPROVIDER 1251
#define P11EKM_SQL_COPT_SS_CEKEYSTOREDATA     1252
#define P11EKM_SQL_COPT_SS_TRUSTEDCMKPATHS    1253
#define P11EKM_SQL_COPT_SS_CEKCACHETTL        1254

/* The value of SQL_COPT_SS_CEKEYSTOREDATA: `data` holds `data_size` bytes. */
typedef struct p11ekm_odbc_data {
    const uint16_t *name;
    unsigned int data_size;
    char data[];
} p11ekm_odbc_data;

/* Ids of the driver's handles; opaque. */
typedef struct p11ekm_odbc_context {
    void *environment, *connection, *statement;
} p11ekm_odbc_context;

typedef void p11ekm_odbc_error(p11ekm_odbc_context *context, const uint16_t *message, ...);

/* *cek and *ecek are allocated for the driver, which releases them with free(), on Windows with
 * LocalFree(). */
typedef int p11ekm_odbc_init(p11ekm_odbc_context *, p11ekm_odbc_error *);
typedef int p11ekm_odbc_read(p11ekm_odbc_context *, p11ekm_odbc_error *, void *data,
                             unsigned int *length);
typedef int p11ekm_odbc_write(p11ekm_odbc_context *, p11ekm_odbc_error *, void *data,
                              unsigned int length);
typedef int p11ekm_odbc_decrypt(p11ekm_odbc_context *, p11ekm_odbc_error *,
                                const uint16_t *key_path, const uint16_t *algorithm,
                                unsigned char *ecek, unsigned short ecek_length,
                                unsigned char **cek, unsigned short *cek_length);
typedef int p11ekm_odbc_encrypt(p11ekm_odbc_context *, p11ekm_odbc_error *,
                                const uint16_t *key_path, const uint16_t *algorithm,
                                unsigned char *cek, unsigned short cek_length, unsigned char **ecek,
                                unsigned short *ecek_length);
typedef int p11ekm_odbc_verify(p11ekm_odbc_context *, p11ekm_odbc_error *, const uint16_t *key_path,
                               unsigned char *signature, unsigned short signature_length);
/* When another connection loads the library, the driver calls `free` and within a second `init`.
 * `free` therefore keeps settings and logins. If `init` follows more than a second after
 * `free`, it closes the store, unless the store was opened by written settings. */
typedef void p11ekm_odbc_free(void);

/* Version 1: drivers from 13.1; version 2: drivers from 17.4, which also verifies the metadata of
 * enclave-enabled keys. If both arrays have an entry of the same name, a driver uses version 1. The
 * array of version 1 is therefore empty unless the library was built with P11EKM_ODBC_VERSION1 for
 * drivers before 17.4. */
typedef struct p11ekm_odbc_provider {
    const uint16_t *name;
    p11ekm_odbc_init *init;
    p11ekm_odbc_read *read;
    p11ekm_odbc_write *write;
    p11ekm_odbc_decrypt *decrypt_cek;
    p11ekm_odbc_encrypt *encrypt_cek;
    p11ekm_odbc_free *free;
} p11ekm_odbc_provider;

typedef struct p11ekm_odbc_provider2 {
    const uint16_t *name;
    p11ekm_odbc_init *init;
    p11ekm_odbc_read *read;
    p11ekm_odbc_write *write;
    p11ekm_odbc_decrypt *decrypt_cek;
    p11ekm_odbc_encrypt *encrypt_cek;
    p11ekm_odbc_verify *verify_cmk_metadata;
    void *reserved;
    p11ekm_odbc_free *free;
} p11ekm_odbc_provider2;

/* The two exported symbols: arrays that end with NULL. */
extern const p11ekm_odbc_provider *const CEKeystoreProvider[];
extern const p11ekm_odbc_provider2 *const CEKeystoreProvider2[];

#ifdef __cplusplus
}
#endif

#endif
