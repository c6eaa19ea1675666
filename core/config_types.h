/* SPDX-License-Identifier: Apache-2.0
 *
 * The values that configuration keys can have: their words (core/config_keys.c) as enumerations, in
 * the same order.
 */
#ifndef CORE_CONFIG_TYPES_H
#define CORE_CONFIG_TYPES_H

typedef enum core_loader { CORE_LOADER_AUTO, CORE_LOADER_P11KIT, CORE_LOADER_DIRECT } core_loader;
typedef enum core_drop { CORE_DROP_RETIRE, CORE_DROP_DESTROY, CORE_DROP_DENY } core_drop;
typedef enum core_expiry {
    CORE_EXPIRY_DENY_NEW, /* decryption and unwrapping go on */
    CORE_EXPIRY_DENY,
    CORE_EXPIRY_WARN,
    CORE_EXPIRY_IGNORE
} core_expiry;
/* Keys that anybody can have put on the token without its PIN (CKA_PRIVATE is not TRUE). */
typedef enum core_unprotected { CORE_UNPROTECTED_REFUSE, CORE_UNPROTECTED_ALLOW } core_unprotected;
typedef enum core_where { CORE_WHERE_TOKEN, CORE_WHERE_SOFTWARE } core_where;
typedef enum core_foreign {
    CORE_FOREIGN_REFUSE,
    CORE_FOREIGN_LOGOUT,
    CORE_FOREIGN_TRUST
} core_foreign;
typedef enum core_change { CORE_CHANGE_LOGIN, CORE_CHANGE_INIT, CORE_CHANGE_REFUSE } core_change;
typedef enum core_onfail { CORE_ONFAIL_REFUSE, CORE_ONFAIL_WARN } core_onfail;
typedef enum core_blob { CORE_BLOB_CNG, CORE_BLOB_CAPI, CORE_BLOB_DER } core_blob;
typedef enum core_finalize { CORE_FINALIZE_AUTO, CORE_FINALIZE_NEVER } core_finalize;
typedef enum core_auto { CORE_AUTO, CORE_YES, CORE_NO } core_auto;
typedef enum core_level {
    CORE_LOG_ERROR,
    CORE_LOG_WARNING,
    CORE_LOG_INFO,
    CORE_LOG_DEBUG
} core_level;

/* RSA paddings, in the fixed order in which an unwrap tries those allowed; sets: or'ed 1 << p. */
typedef enum core_padding {
    CORE_PAD_OAEP_SHA256,
    CORE_PAD_OAEP_SHA1,
    CORE_PAD_PKCS1,
    CORE_PAD_COUNT
} core_padding;

/* Algorithms SQL Server knows and this provider may offer; sets are or'ed 1 << a. The numbers are
 * the interface's algorithm ids less one and never change. */
typedef enum core_algorithm {
    CORE_ALG_RSA_2048,
    CORE_ALG_RSA_3072,
    CORE_ALG_RSA_4096,
    CORE_ALG_AES_128,
    CORE_ALG_AES_192,
    CORE_ALG_AES_256,
    CORE_ALG_3DES,
    CORE_ALG_RSA_1024,
    CORE_ALG_COUNT
} core_algorithm;

/* Which member of a group of tokens serves an operation: the first that is there, or each in turn.
 */
typedef enum core_order { CORE_ORDER_PREFERENCE, CORE_ORDER_ROUND_ROBIN } core_order;
/* Whether keys are created on a group: not at all, or on its first member only. */
typedef enum core_group_create { CORE_GROUP_REFUSE, CORE_GROUP_SINGLE } core_group_create;
enum { CORE_GROUP_MOST = 8 };

#endif
