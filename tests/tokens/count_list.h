/* SPDX-License-Identifier: Apache-2.0
 *
 * All functions of CK_FUNCTION_LIST as X(name, verb, operation, notes, parameters, arguments).
 * Notes are further members of a count_call. Functions with the same signature share a macro.
 */
#ifndef TESTS_COUNT_LIST_H
#define TESTS_COUNT_LIST_H

#define S  CK_SESSION_HANDLE s
#define NS .in_session = true, .session = s, .session_in = &s

/* Session only; with mechanism and key; input; output; both. */
#define SHAPE_S(X, name, verb, op) X(name, verb, op, (NS), (S), (s))
#define SHAPE_KEY(X, name, op)                              \
    X(name, V_START, op, (NS, .mechanism = m, .object = k), \
      (S, CK_MECHANISM * m, CK_OBJECT_HANDLE k), (s, m, k))
#define SHAPE_IN(X, name, verb, op) \
    X(name, verb, op, (NS), (S, CK_BYTE * in, CK_ULONG n), (s, in, n))
#define SHAPE_OUT(X, name, verb, op)                                \
    X(name, verb, op, (NS, .sized = true, .out = out, .length = n), \
      (S, CK_BYTE * out, CK_ULONG * n), (s, out, n))
#define SHAPE_INOUT(X, name, verb, op)                              \
    X(name, verb, op, (NS, .sized = true, .out = out, .length = n), \
      (S, CK_BYTE * in, CK_ULONG in_len, CK_BYTE * out, CK_ULONG * n), (s, in, in_len, out, n))

#define COUNT_LIST_GENERAL(X)                                                                   \
    X(C_Initialize, V_INITIALIZE, OP_NONE, (.object = 0), (void *args), (args))                 \
    X(C_Finalize, V_FINALIZE, OP_NONE, (.object = 0), (void *reserved), (reserved))             \
    X(C_GetInfo, V_PLAIN, OP_NONE, (.object = 0), (CK_INFO * info), (info))                     \
    X(C_GetSlotList, V_PLAIN, OP_NONE, (.slots = slots, .slot_count = n),                       \
      (CK_BBOOL present, CK_SLOT_ID * slots, CK_ULONG * n), (present, slots, n))                \
    X(C_GetSlotInfo, V_PLAIN, OP_NONE, (.slot = &slot), (CK_SLOT_ID slot, CK_SLOT_INFO * info), \
      (slot, info))                                                                             \
    X(C_GetTokenInfo, V_PLAIN, OP_NONE, (.slot = &slot, .token_info = info),                    \
      (CK_SLOT_ID slot, CK_TOKEN_INFO * info), (slot, info))                                    \
    X(C_GetMechanismList, V_PLAIN, OP_NONE, (.slot = &slot, .types = types, .type_count = n),   \
      (CK_SLOT_ID slot, CK_MECHANISM_TYPE * types, CK_ULONG * n), (slot, types, n))             \
    X(C_GetMechanismInfo, V_PLAIN, OP_NONE, (.slot = &slot, .asks_type = true, .type = type),   \
      (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO * info), (slot, type, info))  \
    X(C_InitToken, V_PLAIN, OP_NONE, (.slot = &slot),                                           \
      (CK_SLOT_ID slot, CK_BYTE * pin, CK_ULONG n, CK_BYTE * label), (slot, pin, n, label))     \
    X(C_OpenSession, V_OPEN, OP_NONE,                                                           \
      (.slot = &slot, .opened = out, .read_only = (flags & CKF_RW_SESSION) == 0),               \
      (CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify, CK_SESSION_HANDLE *out),   \
      (slot, flags, app, notify, out))                                                          \
    X(C_CloseAllSessions, V_CLOSE_ALL, OP_NONE, (.slot = &slot), (CK_SLOT_ID slot), (slot))     \
    X(C_WaitForSlotEvent, V_PLAIN, OP_NONE, (.object = 0),                                      \
      (CK_FLAGS flags, CK_SLOT_ID * slot, void *reserved), (flags, slot, reserved))

#define COUNT_LIST_SESSION(X)                                                                    \
    SHAPE_S(X, C_CloseSession, V_CLOSE, OP_NONE)                                                 \
    X(C_GetSessionInfo, V_PLAIN, OP_NONE, (NS), (S, CK_SESSION_INFO * info), (s, info))          \
    SHAPE_OUT(X, C_GetOperationState, V_PLAIN, OP_NONE)                                          \
    X(C_SetOperationState, V_PLAIN, OP_NONE, (NS),                                               \
      (S, CK_BYTE * in, CK_ULONG n, CK_OBJECT_HANDLE k, CK_OBJECT_HANDLE k2), (s, in, n, k, k2)) \
    X(C_Login, V_PLAIN, OP_NONE, (NS), (S, CK_USER_TYPE user, CK_BYTE * pin, CK_ULONG n),        \
      (s, user, pin, n))                                                                         \
    SHAPE_S(X, C_Logout, V_LOGOUT, OP_NONE)                                                      \
    SHAPE_IN(X, C_InitPIN, V_PLAIN, OP_NONE)                                                     \
    X(C_SetPIN, V_PLAIN, OP_NONE, (NS),                                                          \
      (S, CK_BYTE * pin, CK_ULONG n, CK_BYTE * next, CK_ULONG n2), (s, pin, n, next, n2))        \
    SHAPE_IN(X, C_SeedRandom, V_PLAIN, OP_NONE)                                                  \
    SHAPE_IN(X, C_GenerateRandom, V_PLAIN, OP_NONE)                                              \
    SHAPE_S(X, C_GetFunctionStatus, V_PLAIN, OP_NONE)                                            \
    SHAPE_S(X, C_CancelFunction, V_PLAIN, OP_NONE)

#define T CK_ATTRIBUTE *t, CK_ULONG tn
#define COUNT_LIST_OBJECT(X)                                                                       \
    X(C_CreateObject, V_PLAIN, OP_NONE, (NS, .made = out, .template = t, .template_count = tn),    \
      (S, T, CK_OBJECT_HANDLE * out), (s, t, tn, out))                                             \
    X(C_CopyObject, V_PLAIN, OP_NONE, (NS, .object = o, .made = out),                              \
      (S, CK_OBJECT_HANDLE o, T, CK_OBJECT_HANDLE * out), (s, o, t, tn, out))                      \
    X(C_DestroyObject, V_PLAIN, OP_NONE, (NS, .object = o), (S, CK_OBJECT_HANDLE o), (s, o))       \
    X(C_GetObjectSize, V_PLAIN, OP_NONE, (NS, .object = o), (S, CK_OBJECT_HANDLE o, CK_ULONG * n), \
      (s, o, n))                                                                                   \
    X(C_GetAttributeValue, V_PLAIN, OP_NONE, (NS, .object = o, .asked = t, .asked_count = tn),     \
      (S, CK_OBJECT_HANDLE o, T), (s, o, t, tn))                                                   \
    X(C_SetAttributeValue, V_PLAIN, OP_NONE, (NS, .object = o), (S, CK_OBJECT_HANDLE o, T),        \
      (s, o, t, tn))                                                                               \
    X(C_FindObjectsInit, V_START, OP_FIND, (NS, .template = t, .template_count = tn), (S, T),      \
      (s, t, tn))                                                                                  \
    X(C_FindObjects, V_PART, OP_FIND, (NS, .made = out, .made_count = n),                          \
      (S, CK_OBJECT_HANDLE * out, CK_ULONG room, CK_ULONG * n), (s, out, room, n))                 \
    SHAPE_S(X, C_FindObjectsFinal, V_END, OP_FIND)

#define COUNT_LIST_CRYPT(X)                                                                  \
    SHAPE_KEY(X, C_EncryptInit, OP_ENCRYPT)                                                  \
    SHAPE_INOUT(X, C_Encrypt, V_ONCE, OP_ENCRYPT)                                            \
    SHAPE_INOUT(X, C_EncryptUpdate, V_PART, OP_ENCRYPT)                                      \
    SHAPE_OUT(X, C_EncryptFinal, V_END, OP_ENCRYPT)                                          \
    SHAPE_KEY(X, C_DecryptInit, OP_DECRYPT)                                                  \
    SHAPE_INOUT(X, C_Decrypt, V_ONCE, OP_DECRYPT)                                            \
    SHAPE_INOUT(X, C_DecryptUpdate, V_PART, OP_DECRYPT)                                      \
    SHAPE_OUT(X, C_DecryptFinal, V_END, OP_DECRYPT)                                          \
    X(C_DigestInit, V_START, OP_DIGEST, (NS, .mechanism = m), (S, CK_MECHANISM * m), (s, m)) \
    SHAPE_INOUT(X, C_Digest, V_ONCE, OP_DIGEST)                                              \
    SHAPE_IN(X, C_DigestUpdate, V_PART, OP_DIGEST)                                           \
    X(C_DigestKey, V_PART, OP_DIGEST, (NS, .object = k), (S, CK_OBJECT_HANDLE k), (s, k))    \
    SHAPE_OUT(X, C_DigestFinal, V_END, OP_DIGEST)                                            \
    SHAPE_KEY(X, C_SignInit, OP_SIGN)                                                        \
    SHAPE_INOUT(X, C_Sign, V_ONCE, OP_SIGN)                                                  \
    SHAPE_IN(X, C_SignUpdate, V_PART, OP_SIGN)                                               \
    SHAPE_OUT(X, C_SignFinal, V_END, OP_SIGN)                                                \
    SHAPE_KEY(X, C_SignRecoverInit, OP_SIGN_RECOVER)                                         \
    SHAPE_INOUT(X, C_SignRecover, V_ONCE, OP_SIGN_RECOVER)                                   \
    SHAPE_KEY(X, C_VerifyInit, OP_VERIFY)                                                    \
    X(C_Verify, V_ONCE, OP_VERIFY, (NS),                                                     \
      (S, CK_BYTE * in, CK_ULONG n, CK_BYTE * sig, CK_ULONG sn), (s, in, n, sig, sn))        \
    SHAPE_IN(X, C_VerifyUpdate, V_PART, OP_VERIFY)                                           \
    SHAPE_IN(X, C_VerifyFinal, V_END, OP_VERIFY)                                             \
    SHAPE_KEY(X, C_VerifyRecoverInit, OP_VERIFY_RECOVER)                                     \
    SHAPE_INOUT(X, C_VerifyRecover, V_ONCE, OP_VERIFY_RECOVER)                               \
    SHAPE_INOUT(X, C_DigestEncryptUpdate, V_PLAIN, OP_NONE)                                  \
    SHAPE_INOUT(X, C_DecryptDigestUpdate, V_PLAIN, OP_NONE)                                  \
    SHAPE_INOUT(X, C_SignEncryptUpdate, V_PLAIN, OP_NONE)                                    \
    SHAPE_INOUT(X, C_DecryptVerifyUpdate, V_PLAIN, OP_NONE)

#define COUNT_LIST_KEY(X)                                                                         \
    X(C_GenerateKey, V_PLAIN, OP_NONE,                                                            \
      (NS, .mechanism = m, .made = out, .template = t, .template_count = tn),                     \
      (S, CK_MECHANISM * m, T, CK_OBJECT_HANDLE * out), (s, m, t, tn, out))                       \
    X(C_GenerateKeyPair, V_PLAIN, OP_NONE,                                                        \
      (NS, .mechanism = m, .made = out, .made_private = out2),                                    \
      (S, CK_MECHANISM * m, T, CK_ATTRIBUTE * t2, CK_ULONG tn2, CK_OBJECT_HANDLE * out,           \
       CK_OBJECT_HANDLE * out2),                                                                  \
      (s, m, t, tn, t2, tn2, out, out2))                                                          \
    X(C_WrapKey, V_PLAIN, OP_NONE, (NS, .mechanism = m, .object = k, .out = out, .length = n),    \
      (S, CK_MECHANISM * m, CK_OBJECT_HANDLE k, CK_OBJECT_HANDLE o, CK_BYTE * out, CK_ULONG * n), \
      (s, m, k, o, out, n))                                                                       \
    X(C_UnwrapKey, V_PLAIN, OP_NONE,                                                              \
      (NS, .mechanism = m, .object = k, .made = out, .template = t, .template_count = tn),        \
      (S, CK_MECHANISM * m, CK_OBJECT_HANDLE k, CK_BYTE * in, CK_ULONG n, T,                      \
       CK_OBJECT_HANDLE * out),                                                                   \
      (s, m, k, in, n, t, tn, out))                                                               \
    X(C_DeriveKey, V_PLAIN, OP_NONE,                                                              \
      (NS, .mechanism = m, .object = k, .made = out, .template = t, .template_count = tn),        \
      (S, CK_MECHANISM * m, CK_OBJECT_HANDLE k, T, CK_OBJECT_HANDLE * out), (s, m, k, t, tn, out))

/* C_GetFunctionList is defined in count_module.c. */
#define COUNT_LIST(X)     \
    COUNT_LIST_GENERAL(X) \
    COUNT_LIST_SESSION(X) COUNT_LIST_OBJECT(X) COUNT_LIST_CRYPT(X) COUNT_LIST_KEY(X)

#endif
