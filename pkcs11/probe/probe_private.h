/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the probe: the state that its tests share. One session holds the keys and runs no
 * other operation. Each test gets a new session, because some tokens never end an operation that
 * failed.
 */
#ifndef PKCS11_PROBE_PRIVATE_H
#define PKCS11_PROBE_PRIVATE_H

#include "pkcs11/probe.h"
#include "pkcs11/ops/ops_private.h"

enum { PROBE_MADE_MAX = 64, PROBE_BYTES_MAX = 8192 + 64 };

/* A symmetric key, with its value if the token lets it be known. */
typedef struct probe_key {
    CK_OBJECT_HANDLE handle; /* 0: none */
    bool known;
    uint8_t value[32];
    size_t length;
} probe_key;

typedef struct probe {
    const tok_session *session; /* holds the keys */
    const CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE work; /* of the test that runs */
    tok_probe_item *item;   /* its result */
    CK_OBJECT_HANDLE made[PROBE_MADE_MAX];
    size_t made_count;

    CK_OBJECT_HANDLE public_key, private_key; /* RSA-2048; 0: none */
    bool rsa_kept;                            /* they are token objects */
    uint8_t modulus[1024];
    size_t modulus_len;
    EVP_PKEY *rsa; /* the public part of the pair */
    probe_key aes, des3, generic;
} probe;

typedef struct probe_row {
    const char *name;
    void (*run)(probe *p, const struct probe_row *row);
    CK_MECHANISM_TYPE mechanism;
    const char *hash; /* of OAEP; OpenSSL's name */
    CK_KEY_TYPE type;
    unsigned bits;
    const char *cipher; /* OpenSSL's name */
} probe_row;

/* Set the result of the running test. `detail` is copied, at most 63 bytes. */
void probe_yes(probe *p, const char *detail);
void probe_wrong(probe *p, const char *detail);
void probe_no(probe *p, const char *detail);
void probe_refused(probe *p, CK_RV rv); /* "no", with the name of the code */

/* Notes an object (0: none) that the probe destroys at its end. At most PROBE_MADE_MAX. */
void probe_made(probe *p, CK_OBJECT_HANDLE object);

/* probe_rsa.c */
void probe_rsa_generate(probe *p, const probe_row *row);
void probe_rsa_decrypt(probe *p, const probe_row *row);
void probe_rsa_encrypt(probe *p, const probe_row *row);
void probe_rsa_raw(probe *p, const probe_row *row);
void probe_rsa_sign(probe *p, const probe_row *row);
void probe_rsa_after_error(probe *p, const probe_row *row);
/* The mechanism of a row. `params` receives the OAEP parameters and must outlive the mechanism. */
CK_MECHANISM probe_rsa_mechanism(const probe_row *row, CK_RSA_PKCS_OAEP_PARAMS *params);
/* Decrypts in the test's session. *out_len: the capacity of `out`, then the length written. */
CK_RV probe_rsa_open(probe *p, const probe_row *row, const uint8_t *in, size_t in_len, uint8_t *out,
                     CK_ULONG *out_len);

/* probe_symmetric.c */
void probe_generate(probe *p, const probe_row *row);
void probe_import(probe *p, const probe_row *row);
void probe_cipher(probe *p, const probe_row *row);
void probe_wrap(probe *p, const probe_row *row);
void probe_unwrap(probe *p, const probe_row *row);

#endif
