/* SPDX-License-Identifier: Apache-2.0
 *
 * Internals of the memory token. mem.lock guards all that changes; a key's value never changes, so
 * an operation holds a reference to the key and works without the lock.
 */
#ifndef TESTS_MEMORY_PRIVATE_H
#define TESTS_MEMORY_PRIVATE_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "tests/tokens/count_list.h"
#include "tests/tokens/memory/memory.h"
#include "tests/tokens/memory/object_private.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
enum { MEM_SLOT = 7, MEM_TWIN = 8, MEM_SESSIONS = 1024 };

/* The functions; those that are not defined return CKR_FUNCTION_NOT_SUPPORTED. They are called only
 * while the module is initialised and the token present. */
#define AS_PROTOTYPE(name, verb, op, notes, parameters, arguments) \
    __attribute__((weak)) CK_RV mem_##name parameters;
COUNT_LIST(AS_PROTOTYPE)

/* --- mechanism.c --- */
typedef struct mem_mechanism {
    CK_MECHANISM_TYPE type;
    CK_ULONG min, max;
    CK_FLAGS flags;
    CK_KEY_TYPE key;
    int padding; /* RSA: OpenSSL's constant; cipher: whether it pads */
    bool hashes;
    const EVP_CIPHER *(*cipher)(size_t key_len);
} mem_mechanism;
const mem_mechanism *mem_mechanism_find(CK_MECHANISM_TYPE type);

/* --- session.c --- */
typedef struct mem_operation {
    const mem_mechanism *how; /* NULL: no operation is active */
    mem_object *key;          /* a reference */
    CK_BYTE iv[16];
    CK_ULONG iv_len;
    const EVP_MD *oaep, *mgf;
} mem_operation;

typedef enum mem_kind {
    MEM_ENCRYPT,
    MEM_DECRYPT,
    MEM_SIGN,
    MEM_VERIFY,
    MEM_KINDS, /* kinds that may take several calls */
    MEM_WRAP = MEM_KINDS,
    MEM_UNWRAP
} mem_kind;

typedef struct mem_session {
    CK_SESSION_HANDLE handle; /* 0: free */
    bool writes;
    mem_operation operations[MEM_KINDS];
    CK_OBJECT_HANDLE *found; /* results of a search; NULL: none */
    size_t found_count, found_next;
} mem_session;
/* Under the lock. */
mem_session *mem_session_find(CK_SESSION_HANDLE handle);
void mem_sessions_close(void);
void mem_operation_end(mem_operation *operation);

typedef struct mem_state {
    pthread_mutex_t lock;
    _Atomic pid_t pid; /* process that initialised the module */
    bool initialised, away, logged_in;
    _Atomic bool twin;
    unsigned limit, sessions_open, wrong_pins;
    unsigned logins, initialisations;
    char label[33], pin[65];
    mem_session sessions[MEM_SESSIONS];
    CK_SESSION_HANDLE last_session;
    mem_object *objects;
    CK_OBJECT_HANDLE last_object;
} mem_state;
extern mem_state mem;
void mem_lock(void);
bool mem_slot_there(CK_SLOT_ID slot);
void mem_unlock(void);

/* --- park.c --- */
/* Called by every function; a result other than CKR_OK is the call's. */
CK_RV mem_park(const char *function, bool after, CK_RV rv);
bool mem_is_function(const char *name);

/* --- refuse.c: under the lock --- */
/* True if the attribute is not readable; *rv is the call's result. */
bool mem_refuse_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type, CK_RV *rv);
/* Not CKR_OK: the use is refused. */
CK_RV mem_refuse_use(const mem_object *object, mem_kind kind);
/* True if the object cannot be changed; *rv is the call's result. */
bool mem_refuse_change(const mem_object *object, CK_RV *rv);

/* --- use.c --- */
/* Under the lock: begins an operation with a key that allows it; holds a reference to the key. */
CK_RV mem_operation_begin(mem_operation *o, mem_kind kind, const CK_MECHANISM *mechanism,
                          CK_OBJECT_HANDLE key);

/* --- quirk.c --- */
/* Under the lock: applies the test's settings to a new object. */
CK_RV mem_quirk_enter(mem_object *object);

/* --- key.c --- */
bool mem_length_fits(CK_KEY_TYPE type, CK_ULONG length);
CK_RV mem_template_number(const CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE_TYPE type, CK_ULONG *out);
/* A secret key with this value; NULL: a random one. */
CK_RV mem_secret_enter(CK_SESSION_HANDLE session, CK_KEY_TYPE type, const CK_BYTE *value,
                       CK_ULONG length, const CK_ATTRIBUTE *t, CK_ULONG tn, CK_OBJECT_HANDLE *out);

/* --- cipher.c --- */
/* Reads the mechanism's parameters. */
CK_RV mem_operation_set(mem_operation *o, const CK_MECHANISM *mechanism);
/* One operation, into memory made for it (*out released by OPENSSL_clear_free). */
CK_RV mem_crypt(const mem_operation *o, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                CK_BYTE **out, CK_ULONG *out_len);
CK_RV mem_verify(const mem_operation *o, const CK_BYTE *in, CK_ULONG in_len, const CK_BYTE *sig,
                 CK_ULONG sig_len);
/* Upper bound of the result's length. */
CK_ULONG mem_crypt_most(const mem_operation *o, CK_ULONG in_len);

#endif
