/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the memory token. Everything that changes is guarded by mem.lock; what a key is made of
 * never changes, so an operation holds a reference and works without the lock.
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

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
enum { MEM_SLOT = 7, MEM_TWIN = 8, MEM_SESSIONS = 1024, MEM_ATTRIBUTES = 40, MEM_SECRET_MOST = 64 };

/* The functions; those that are not defined are answered by CKR_FUNCTION_NOT_SUPPORTED. They are
 * called only while the module is initialised and the token there. */
#define AS_PROTOTYPE(name, verb, op, notes, parameters, arguments) \
    __attribute__((weak)) CK_RV mem_##name parameters;
COUNT_LIST(AS_PROTOTYPE)

/* --- mechanism.c --- */
typedef struct mem_mechanism {
    CK_MECHANISM_TYPE type;
    CK_ULONG min, max;
    CK_FLAGS flags;
    CK_KEY_TYPE key;
    int padding; /* of RSA as OpenSSL calls it, of a cipher whether it pads */
    bool hashes;
    const EVP_CIPHER *(*cipher)(size_t key_len);
} mem_mechanism;
const mem_mechanism *mem_mechanism_find(CK_MECHANISM_TYPE type);

/* --- attribute.c, object.c --- */
typedef struct mem_attribute {
    CK_ATTRIBUTE_TYPE type;
    CK_ULONG length;
    CK_BYTE *bytes;
} mem_attribute;

typedef struct mem_object {
    struct mem_object *next;
    CK_OBJECT_HANDLE handle;
    unsigned refs;
    CK_SESSION_HANDLE owner; /* 0: of the token */
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    EVP_PKEY *rsa;
    CK_BYTE value[MEM_SECRET_MOST];
    CK_ULONG value_len;
    mem_attribute attributes[MEM_ATTRIBUTES];
    size_t count;
} mem_object;

/* A new object of the template with what the class has by default; not yet on the token. */
CK_RV mem_object_new(CK_OBJECT_CLASS class, CK_KEY_TYPE type, const CK_ATTRIBUTE *t, CK_ULONG n,
                     mem_object **out);
bool mem_object_is(const mem_object *object, CK_ATTRIBUTE_TYPE flag);
CK_RV mem_object_put(mem_object *object, CK_ATTRIBUTE_TYPE type, const void *bytes, size_t length);
const mem_attribute *mem_object_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type);
/* One attribute of a template: of a new object, or (`later`) of one there is; and one that is read.
 */
CK_RV mem_object_take(mem_object *object, const CK_ATTRIBUTE *a, bool later);
CK_RV mem_object_give(const mem_object *object, CK_ATTRIBUTE *a);
/* Enters it, for a session that may write; the object is the token's then, or freed on failure. */
CK_RV mem_object_enter(CK_SESSION_HANDLE session, mem_object *object, CK_OBJECT_HANDLE *out);
void mem_object_free(mem_object *object);
/* Under the lock: a visible object; dropping it from the token; dropping a reference. When a login
 * ends, the handles of private objects are no good any more: here they are other objects' then. */
mem_object *mem_object_find(CK_OBJECT_HANDLE handle);
void mem_objects_drop(bool (*which)(const mem_object *, CK_SESSION_HANDLE), CK_SESSION_HANDLE of);
void mem_object_unref(mem_object *object);
void mem_objects_renumber(void);
const CK_ATTRIBUTE *mem_template_find(const CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE_TYPE type);

/* --- session.c --- */
typedef struct mem_operation {
    const mem_mechanism *how; /* NULL: none is active */
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
    MEM_KINDS, /* that go on from call to call */
    MEM_WRAP = MEM_KINDS,
    MEM_UNWRAP
} mem_kind;

typedef struct mem_session {
    CK_SESSION_HANDLE handle; /* 0: free */
    bool writes;
    mem_operation operations[MEM_KINDS];
    CK_OBJECT_HANDLE *found; /* of a search, NULL: none */
    size_t found_count, found_next;
} mem_session;
/* Under the lock. */
mem_session *mem_session_find(CK_SESSION_HANDLE handle);
void mem_sessions_close(void);
void mem_operation_end(mem_operation *operation);

typedef struct mem_state {
    pthread_mutex_t lock;
    _Atomic pid_t pid; /* whose initialisation it is */
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
/* Where every call passes; not CKR_OK: the result. */
CK_RV mem_park(const char *function, bool after, CK_RV rv);
bool mem_is_function(const char *name);

/* --- refuse.c. Under the lock. --- */
/* Whether the attribute is not given, and what the call answers for it. */
bool mem_refuse_attribute(const mem_object *object, CK_ATTRIBUTE_TYPE type, CK_RV *rv);
/* Not CKR_OK: the use is refused. */
CK_RV mem_refuse_use(const mem_object *object, mem_kind kind);
/* Whether the object stays as it is, and what a change of it answers. */
bool mem_refuse_change(const mem_object *object, CK_RV *rv);

/* --- use.c --- */
/* Under the lock: an operation with a key that is allowed to do it; holds a reference to it. */
CK_RV mem_operation_begin(mem_operation *o, mem_kind kind, const CK_MECHANISM *mechanism,
                          CK_OBJECT_HANDLE key);

/* --- quirk.c --- */
/* Under the lock: what a test wants of a new object. */
CK_RV mem_quirk_enter(mem_object *object);

/* --- key.c --- */
bool mem_length_fits(CK_KEY_TYPE type, CK_ULONG length);
CK_RV mem_template_number(const CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE_TYPE type, CK_ULONG *out);
/* A secret key of these bytes; NULL: random ones. */
CK_RV mem_secret_enter(CK_SESSION_HANDLE session, CK_KEY_TYPE type, const CK_BYTE *value,
                       CK_ULONG length, const CK_ATTRIBUTE *t, CK_ULONG tn, CK_OBJECT_HANDLE *out);

/* --- cipher.c --- */
/* Takes the mechanism's parameters. */
CK_RV mem_operation_set(mem_operation *o, const CK_MECHANISM *mechanism);
/* One operation, into memory made for it (*out released by OPENSSL_clear_free). */
CK_RV mem_crypt(const mem_operation *o, mem_kind kind, const CK_BYTE *in, CK_ULONG in_len,
                CK_BYTE **out, CK_ULONG *out_len);
CK_RV mem_verify(const mem_operation *o, const CK_BYTE *in, CK_ULONG in_len, const CK_BYTE *sig,
                 CK_ULONG sig_len);
/* How long the result may be. */
CK_ULONG mem_crypt_most(const mem_operation *o, CK_ULONG in_len);

#endif
