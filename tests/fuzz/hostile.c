/* SPDX-License-Identifier: Apache-2.0
 *
 * The module of hostile.h.
 */
#include "hostile.h"

#include <string.h>

enum { SESSIONS = 64, FIRST_OBJECT = 100, MADE = 1000, OFTEN_GOOD = 0xd0 };

hostile the_hostile;
static bool open_sessions[SESSIONS];
static size_t found_at; /* of the current search */
static CK_OBJECT_CLASS found_class;

uint32_t hostile_take(unsigned bytes)
{
    uint32_t value = 0;
    for (; bytes > 0 && the_hostile.left > 0; bytes--, the_hostile.left--)
        value = value << 8 | *the_hostile.next++;
    return value;
}

size_t hostile_bytes(uint8_t *out, size_t room)
{
    uint32_t first = hostile_take(1);
    size_t length = first == 0xff ? hostile_take(2) : first;
    if (length > room)
        length = room;
    if (length > the_hostile.left)
        length = the_hostile.left;
    memcpy(out, the_hostile.next, length);
    the_hostile.next += length;
    the_hostile.left -= length;
    return length;
}

static void field(uint8_t *out, size_t room)
{
    memset(out, ' ', room);
    (void)hostile_bytes(out, room);
}

static void begin_token(CK_TOKEN_INFO *token, CK_ULONG number)
{
    static const CK_FLAGS usual =
        CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_RNG;
    field(token->label, sizeof token->label);
    field(token->manufacturerID, sizeof token->manufacturerID);
    field(token->serialNumber, sizeof token->serialNumber);
    field(token->model, sizeof token->model);
    token->ulMaxPinLen = 64;
    token->flags = usual ^ (hostile_take(1) << 16); /* the flags about the PIN */
    if (number == 0)
        memcpy(token->model, "hostile         ", sizeof token->model);
}

static void begin_key(hostile_key *key)
{
    uint8_t kind = (uint8_t)hostile_take(1);
    key->rsa = kind % 2 == 0;
    key->flags = (uint8_t)~hostile_take(1);
    key->name_len = hostile_bytes(key->name, sizeof key->name);
    key->id_len = hostile_bytes(key->id, sizeof key->id);
    /* Mostly a usual length. */
    key->modulus_len = kind % 8 == 0 ? hostile_take(2) % HOSTILE_MODULUS : 256;
    memset(key->modulus, 0xa7, sizeof key->modulus);
    (void)hostile_bytes(key->modulus, sizeof key->modulus);
    memcpy(key->dates[0], "20260101", 8);
    memcpy(key->dates[1], "20991231", 8);
    if (kind >= 0x80) {
        (void)hostile_bytes(key->dates[0], 8);
        (void)hostile_bytes(key->dates[1], 8);
    }
}

void hostile_begin(const uint8_t *data, size_t size)
{
    memset(&the_hostile, 0, sizeof the_hostile);
    memset(open_sessions, 0, sizeof open_sessions);
    the_hostile.next = data;
    the_hostile.left = size;
    the_hostile.info.cryptokiVersion = (CK_VERSION){2, 40};
    field(the_hostile.info.libraryDescription, sizeof the_hostile.info.libraryDescription);
    uint32_t counts = hostile_take(1);
    the_hostile.token_count = 1 + counts % HOSTILE_TOKENS;
    the_hostile.key_count = counts / 16 % (HOSTILE_KEYS + 1);
    for (CK_ULONG i = 0; i < the_hostile.token_count; i++)
        begin_token(&the_hostile.tokens[i], i);
    for (size_t i = 0; i < the_hostile.key_count; i++)
        begin_key(&the_hostile.keys[i]);
}

/* The result of this call: mostly CKR_OK. */
static CK_RV answer(void)
{
    static const CK_RV codes[] = {
        CKR_GENERAL_ERROR,          CKR_FUNCTION_FAILED,
        CKR_MECHANISM_INVALID,      CKR_FUNCTION_NOT_SUPPORTED,
        CKR_ARGUMENTS_BAD,          CKR_KEY_FUNCTION_NOT_PERMITTED,
        CKR_DEVICE_ERROR,           CKR_TOKEN_NOT_PRESENT,
        CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN,
        CKR_PIN_INCORRECT,          CKR_PIN_LOCKED,
        CKR_ATTRIBUTE_SENSITIVE,    CKR_BUFFER_TOO_SMALL,
        CKR_ENCRYPTED_DATA_INVALID, CKR_VENDOR_DEFINED + 0x99,
        CKR_SESSION_COUNT,          CKR_OBJECT_HANDLE_INVALID,
        CKR_KEY_TYPE_INCONSISTENT,  CKR_CRYPTOKI_NOT_INITIALIZED,
    };
    uint32_t byte = hostile_take(1);
    if (!the_hostile.initialised)
        the_hostile.misuses++;
    return byte < OFTEN_GOOD ? CKR_OK
                             : codes[(byte - OFTEN_GOOD) % (sizeof codes / sizeof codes[0])];
}

static CK_RV of_session(CK_SESSION_HANDLE session)
{
    if (session == 0 || session > SESSIONS || !open_sessions[session - 1])
        the_hostile.misuses++;
    return answer();
}

/* An output with the length from the input, written as far as the buffer allows. */
static CK_RV give(CK_RV rv, CK_BYTE_PTR out, CK_ULONG_PTR length)
{
    const CK_ULONG room = *length;
    uint32_t form = hostile_take(1);
    if (rv != CKR_OK)
        return rv;
    *length = form < 0x80 ? (form < 0x40 ? 256 : 32) : hostile_take(2);
    if (out == NULL)
        return CKR_OK;
    if (*length > room)
        return CKR_BUFFER_TOO_SMALL;
    memset(out, (int)form, *length);
    (void)hostile_bytes(out, *length);
    return CKR_OK;
}

static CK_RV f_initialize(void *arguments)
{
    (void)arguments;
    the_hostile.misuses += the_hostile.initialised;
    the_hostile.initialised = true;
    CK_RV rv = answer();
    the_hostile.initialised = rv == CKR_OK;
    return rv;
}

static CK_RV f_finalize(void *reserved)
{
    (void)reserved;
    CK_RV rv = answer();
    memset(open_sessions, 0, sizeof open_sessions);
    the_hostile.initialised = false;
    return rv;
}

static CK_RV f_get_info(CK_INFO_PTR info)
{
    *info = the_hostile.info;
    return answer();
}

/* Returns the length of a list, which may be wrong. */
static CK_RV list_count(CK_ULONG have, const void *list, CK_ULONG *count, bool *fits)
{
    uint32_t lie = hostile_take(1);
    *fits = list != NULL && *count >= have;
    if (list != NULL && *count < have) {
        *count = have;
        return CKR_BUFFER_TOO_SMALL;
    }
    *count = lie < OFTEN_GOOD ? have : lie * 64;
    return answer();
}

static CK_RV f_get_slot_list(CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
    bool fits = false;
    (void)present;
    CK_RV rv = list_count(the_hostile.token_count, list, count, &fits);
    for (CK_ULONG i = 0; fits && i < the_hostile.token_count; i++)
        list[i] = i;
    return rv;
}

static CK_RV f_get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    CK_RV rv = answer();
    if (slot >= the_hostile.token_count)
        return CKR_SLOT_ID_INVALID;
    *info = the_hostile.tokens[slot];
    return rv;
}

static CK_RV f_get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
    static const CK_MECHANISM_TYPE types[] = {
        CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS,          CKM_RSA_PKCS_OAEP, CKM_SHA256_RSA_PKCS,
        CKM_AES_KEY_GEN,           CKM_AES_CBC_PAD,       CKM_AES_CBC,       CKM_DES3_KEY_GEN,
        CKM_DES3_CBC_PAD,          CKM_VENDOR_DEFINED + 7};
    enum { TYPES = sizeof types / sizeof types[0] };
    bool fits = false;
    (void)slot;
    CK_RV rv = list_count(TYPES, list, count, &fits);
    if (fits)
        memcpy(list, types, sizeof types);
    return rv;
}

static CK_RV f_get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type,
                                  CK_MECHANISM_INFO_PTR info)
{
    uint32_t form = hostile_take(1);
    (void)slot;
    (void)type;
    *info = (CK_MECHANISM_INFO){16, 32, (CK_FLAGS)-1};
    if (form >= OFTEN_GOOD) {
        info->ulMinKeySize = hostile_take(4);
        info->ulMaxKeySize = (CK_ULONG)0 - hostile_take(4);
        info->flags = hostile_take(4);
    }
    return answer();
}

static CK_RV f_open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                            CK_SESSION_HANDLE_PTR session)
{
    CK_RV rv = answer();
    (void)flags;
    (void)application;
    (void)notify;
    if (slot >= the_hostile.token_count)
        return CKR_SLOT_ID_INVALID;
    for (CK_ULONG i = 0; rv == CKR_OK && i < SESSIONS; i++) {
        if (!open_sessions[i]) {
            open_sessions[i] = true;
            *session = i + 1;
            return CKR_OK;
        }
    }
    return rv == CKR_OK ? CKR_SESSION_COUNT : rv;
}

static CK_RV f_close_session(CK_SESSION_HANDLE session)
{
    CK_RV rv = of_session(session);
    if (session > 0 && session <= SESSIONS)
        open_sessions[session - 1] = false;
    return rv;
}

static CK_RV f_get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    *info = (CK_SESSION_INFO){0, CKS_RW_USER_FUNCTIONS, 0, 0};
    /* Asking whether a session still exists is not misuse. */
    if (session == 0 || session > SESSIONS || !open_sessions[session - 1])
        return CKR_SESSION_HANDLE_INVALID;
    return of_session(session);
}

static CK_RV f_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin,
                     CK_ULONG length)
{
    (void)user;
    (void)pin;
    (void)length;
    return of_session(session);
}

static CK_RV f_logout(CK_SESSION_HANDLE session)
{
    return of_session(session);
}

static CK_RV f_find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR match, CK_ULONG count)
{
    found_at = 0;
    found_class = CK_UNAVAILABLE_INFORMATION;
    for (CK_ULONG i = 0; i < count; i++)
        if (match[i].type == CKA_CLASS)
            memcpy(&found_class, match[i].pValue, sizeof found_class);
    return of_session(session);
}

static CK_RV f_find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR out, CK_ULONG most,
                            CK_ULONG_PTR count)
{
    *count = 0;
    for (; found_at < the_hostile.key_count && *count < most; found_at++)
        if (found_class != CKO_SECRET_KEY || !the_hostile.keys[found_at].rsa)
            out[(*count)++] = FIRST_OBJECT + found_at;
    return of_session(session);
}

static CK_RV f_find_objects_final(CK_SESSION_HANDLE session)
{
    return of_session(session);
}

static size_t attribute_of(const hostile_key *key, CK_ATTRIBUTE_TYPE type, const void **value)
{
    static const CK_KEY_TYPE rsa = CKK_RSA, aes = CKK_AES;
    static const CK_ULONG value_len = 32;
    static const uint8_t exponent[] = {1, 0, 1}, answers[] = {CK_FALSE, CK_TRUE};
    const struct {
        CK_ATTRIBUTE_TYPE type;
        const void *value;
        size_t length;
    } known[] = {
        {CKA_KEY_TYPE, key->rsa ? &rsa : &aes, sizeof rsa},
        {CKA_VALUE_LEN, &value_len, sizeof value_len},
        {CKA_LABEL, key->name, key->name_len},
        {CKA_ID, key->id, key->id_len},
        {CKA_MODULUS, key->modulus, key->modulus_len},
        {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
        {CKA_START_DATE, key->dates[0], 8},
        {CKA_END_DATE, key->dates[1], 8},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].type == type) {
            *value = known[i].value;
            return known[i].length;
        }
    }
    *value = &answers[key->flags >> (type % 8) & 1];
    return 1;
}

static CK_RV f_get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                   CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    CK_RV rv = of_session(session);
    static hostile_key made = {.rsa = true, .flags = 0xff, .modulus_len = 256};
    const hostile_key *key = &made;

    memset(made.modulus, 0xb3, 256);
    if (object >= FIRST_OBJECT && object < FIRST_OBJECT + the_hostile.key_count)
        key = &the_hostile.keys[object - FIRST_OBJECT];
    for (CK_ULONG i = 0; i < count; i++) {
        const void *value = NULL;
        size_t length = attribute_of(key, attributes[i].type, &value);
        const bool room = attributes[i].pValue != NULL && attributes[i].ulValueLen >= length;
        if (room)
            memcpy(attributes[i].pValue, value, length);
        if (attributes[i].pValue != NULL && !room)
            rv = CKR_BUFFER_TOO_SMALL;
        attributes[i].ulValueLen =
            attributes[i].pValue == NULL || room ? length : CK_UNAVAILABLE_INFORMATION;
    }
    return rv;
}

static CK_RV f_set_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                   CK_ATTRIBUTE_PTR attributes, CK_ULONG count)
{
    (void)object;
    (void)attributes;
    (void)count;
    return of_session(session);
}

static CK_RV make(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR key)
{
    CK_RV rv = of_session(session);
    *key = rv == CKR_OK ? MADE : 0;
    return rv;
}

static CK_RV f_create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count,
                             CK_OBJECT_HANDLE_PTR object)
{
    (void)attributes;
    (void)count;
    return make(session, object);
}

static CK_RV f_destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    (void)object;
    return of_session(session);
}

static CK_RV f_generate_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                            CK_ATTRIBUTE_PTR attributes, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    (void)mechanism;
    (void)attributes;
    (void)count;
    return make(session, key);
}

static CK_RV f_generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                                 CK_ATTRIBUTE_PTR of_public, CK_ULONG public_count,
                                 CK_ATTRIBUTE_PTR of_private, CK_ULONG private_count,
                                 CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
    (void)mechanism;
    (void)of_public;
    (void)public_count;
    (void)of_private;
    (void)private_count;
    CK_RV rv = make(session, public_key);
    *private_key = *public_key;
    return rv;
}

static CK_RV f_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    (void)mechanism;
    (void)key;
    return of_session(session);
}

static CK_RV f_crypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_len, CK_BYTE_PTR out,
                     CK_ULONG_PTR out_len)
{
    (void)in;
    (void)in_len;
    return give(of_session(session), out, out_len);
}

static CK_RV f_wrap_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                        CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key, CK_BYTE_PTR out,
                        CK_ULONG_PTR out_len)
{
    (void)mechanism;
    (void)wrapping;
    (void)key;
    return give(of_session(session), out, out_len);
}

static CK_RV f_unwrap_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                          CK_OBJECT_HANDLE unwrapping, CK_BYTE_PTR wrapped, CK_ULONG wrapped_len,
                          CK_ATTRIBUTE_PTR attributes, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    (void)mechanism;
    (void)unwrapping;
    (void)wrapped;
    (void)wrapped_len;
    (void)attributes;
    (void)count;
    return make(session, key);
}

/* Ends an operation that is still active. */
static CK_RV f_final(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
    (void)out;
    *out_len = 0;
    return of_session(session);
}

CK_FUNCTION_LIST *hostile_functions(void)
{
    static CK_FUNCTION_LIST list = {
        .version = {2, 40},
        .C_Initialize = f_initialize,
        .C_Finalize = f_finalize,
        .C_GetInfo = f_get_info,
        .C_GetSlotList = f_get_slot_list,
        .C_GetTokenInfo = f_get_token_info,
        .C_GetMechanismList = f_get_mechanism_list,
        .C_GetMechanismInfo = f_get_mechanism_info,
        .C_OpenSession = f_open_session,
        .C_CloseSession = f_close_session,
        .C_GetSessionInfo = f_get_session_info,
        .C_Login = f_login,
        .C_Logout = f_logout,
        .C_FindObjectsInit = f_find_objects_init,
        .C_FindObjects = f_find_objects,
        .C_FindObjectsFinal = f_find_objects_final,
        .C_GetAttributeValue = f_get_attribute_value,
        .C_SetAttributeValue = f_set_attribute_value,
        .C_CreateObject = f_create_object,
        .C_DestroyObject = f_destroy_object,
        .C_GenerateKey = f_generate_key,
        .C_GenerateKeyPair = f_generate_key_pair,
        .C_EncryptInit = f_init,
        .C_Encrypt = f_crypt,
        .C_EncryptFinal = f_final,
        .C_DecryptInit = f_init,
        .C_Decrypt = f_crypt,
        .C_DecryptFinal = f_final,
        .C_SignInit = f_init,
        .C_Sign = f_crypt,
        .C_SignFinal = f_final,
        .C_WrapKey = f_wrap_key,
        .C_UnwrapKey = f_unwrap_key,
    };
    return &list;
}
