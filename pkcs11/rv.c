/* SPDX-License-Identifier: Apache-2.0
 *
 * What a CK_RV means: one table from code to status, with a column of its own for the calls that
 * judge the caller's data. There CKR_GENERAL_ERROR and CKR_FUNCTION_FAILED are what real tokens say
 * of a bad ciphertext, so they must not look like a broken device: whoever can send a bad
 * ciphertext could make us reset the token.
 */
#include "pkcs11/tok_private.h"

#define RV(code, data, other)              \
    {                                      \
        code, #code, ST_##data, ST_##other \
    }

static const struct rv_row {
    CK_RV rv;
    const char *name;
    core_status data;  /* from C_Decrypt, C_UnwrapKey */
    core_status other; /* from all others */
} rows[] = {
    RV(CKR_OK, OK, OK),
    /* the data */
    RV(CKR_ENCRYPTED_DATA_INVALID, DECRYPT_FAILED, DECRYPT_FAILED),
    RV(CKR_ENCRYPTED_DATA_LEN_RANGE, DECRYPT_FAILED, DECRYPT_FAILED),
    RV(CKR_DATA_INVALID, DECRYPT_FAILED, DATA_LENGTH),
    RV(CKR_DATA_LEN_RANGE, DECRYPT_FAILED, DATA_LENGTH),
    RV(CKR_WRAPPED_KEY_INVALID, DECRYPT_FAILED, DECRYPT_FAILED),
    RV(CKR_WRAPPED_KEY_LEN_RANGE, DECRYPT_FAILED, DECRYPT_FAILED),
    RV(CKR_GENERAL_ERROR, DECRYPT_FAILED, DEVICE),
    RV(CKR_FUNCTION_FAILED, DECRYPT_FAILED, DEVICE),
    RV(CKR_ARGUMENTS_BAD, DECRYPT_FAILED, MECHANISM),
    /* Elsewhere the room is always enough, and the host must not be told to bring more. */
    RV(CKR_BUFFER_TOO_SMALL, BUFFER_TOO_SMALL, DEVICE),
    RV(CKR_SIGNATURE_INVALID, SIGNATURE_INVALID, SIGNATURE_INVALID),
    RV(CKR_SIGNATURE_LEN_RANGE, SIGNATURE_INVALID, SIGNATURE_INVALID),
    /* the session */
    RV(CKR_SESSION_HANDLE_INVALID, SESSION_LOST, SESSION_LOST),
    RV(CKR_SESSION_CLOSED, SESSION_LOST, SESSION_LOST),
    RV(CKR_OPERATION_ACTIVE, SESSION_BUSY, SESSION_BUSY),
    RV(CKR_OPERATION_NOT_INITIALIZED, SESSION_BUSY, SESSION_BUSY),
    /* the login */
    RV(CKR_USER_NOT_LOGGED_IN, LOGIN_LOST, LOGIN_LOST),
    /* the object handle */
    RV(CKR_OBJECT_HANDLE_INVALID, HANDLE_LOST, HANDLE_LOST),
    RV(CKR_KEY_HANDLE_INVALID, HANDLE_LOST, HANDLE_LOST),
    RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID, HANDLE_LOST, HANDLE_LOST),
    RV(CKR_WRAPPING_KEY_HANDLE_INVALID, HANDLE_LOST, HANDLE_LOST),
    /* room */
    RV(CKR_SESSION_COUNT, TOKEN_FULL, TOKEN_FULL),
    RV(CKR_DEVICE_MEMORY, TOKEN_FULL, TOKEN_FULL),
    RV(CKR_HOST_MEMORY, NO_MEMORY, NO_MEMORY),
    /* the device */
    RV(CKR_DEVICE_ERROR, DEVICE, DEVICE),
    RV(CKR_DEVICE_REMOVED, DEVICE, DEVICE),
    RV(CKR_TOKEN_NOT_PRESENT, DEVICE, DEVICE),
    RV(CKR_TOKEN_NOT_RECOGNIZED, DEVICE, DEVICE),
    RV(CKR_SLOT_ID_INVALID, DEVICE, DEVICE),
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, DEVICE, DEVICE),
    RV(CKR_FUNCTION_CANCELED, DEVICE, DEVICE),
    /* the PIN */
    RV(CKR_PIN_INCORRECT, AUTH_FAILED, AUTH_FAILED),
    RV(CKR_PIN_INVALID, AUTH_FAILED, AUTH_FAILED),
    RV(CKR_PIN_LEN_RANGE, AUTH_FAILED, AUTH_FAILED),
    RV(CKR_PIN_LOCKED, PIN_LOCKED, PIN_LOCKED),
    RV(CKR_PIN_EXPIRED, PIN_EXPIRED, PIN_EXPIRED),
    RV(CKR_USER_PIN_NOT_INITIALIZED, PIN_EXPIRED, PIN_EXPIRED),
    RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, PIN_FOREIGN_LOGIN, PIN_FOREIGN_LOGIN),
    RV(CKR_USER_TOO_MANY_TYPES, PIN_FOREIGN_LOGIN, PIN_FOREIGN_LOGIN),
    /* what the token cannot do this way */
    RV(CKR_MECHANISM_INVALID, MECHANISM, MECHANISM),
    RV(CKR_MECHANISM_PARAM_INVALID, MECHANISM, MECHANISM),
    RV(CKR_FUNCTION_NOT_SUPPORTED, MECHANISM, MECHANISM),
    RV(CKR_KEY_SIZE_RANGE, MECHANISM, MECHANISM),
    RV(CKR_TEMPLATE_INCONSISTENT, MECHANISM, MECHANISM),
    RV(CKR_TEMPLATE_INCOMPLETE, MECHANISM, MECHANISM),
    RV(CKR_ATTRIBUTE_TYPE_INVALID, MECHANISM, MECHANISM),
    RV(CKR_ATTRIBUTE_VALUE_INVALID, MECHANISM, MECHANISM),
    RV(CKR_ATTRIBUTE_READ_ONLY, MECHANISM, MECHANISM),
    RV(CKR_ATTRIBUTE_SENSITIVE, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_FUNCTION_NOT_PERMITTED, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_TYPE_INCONSISTENT, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_UNEXTRACTABLE, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_NOT_WRAPPABLE, KEY_USAGE, KEY_USAGE),
    RV(CKR_ACTION_PROHIBITED, KEY_USAGE, KEY_USAGE),
    RV(CKR_TOKEN_WRITE_PROTECTED, POLICY, POLICY),
    RV(CKR_SESSION_READ_ONLY, POLICY, POLICY),
};
#undef RV

static const struct rv_row *rv_find(CK_RV rv)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].rv == rv)
            return &rows[i];
    return NULL;
}

core_status tok_rv_status(CK_RV rv, tok_call kind)
{
    /* Codes of a vendor's own, and those the table does not know, are the device's: "unknown, so
     * give up until somebody restarts" is the complaint most heard of other clients. */
    const struct rv_row *row = rv_find(rv);
    if (row == NULL)
        return ST_DEVICE;
    return kind == TOK_CALL_DATA ? row->data : row->other;
}

const char *tok_rv_name(CK_RV rv)
{
    const struct rv_row *row = rv_find(rv);
    return row != NULL ? row->name : "";
}

bool tok_rv_refuses_template(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT ||
           rv == CKR_TEMPLATE_INCOMPLETE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
           rv == CKR_ATTRIBUTE_VALUE_INVALID;
}

core_status tok_rv_fail(core_err *err, const tok_token *token, const char *function, CK_RV rv,
                        tok_call kind)
{
    core_status st = tok_rv_status(rv, kind);

    if (core_status_class(st) == CORE_CLASS_DATA)
        return core_fail(err, st, "%s; %s", core_status_text(st), core_status_next(st));
    return core_fail(err, st, "token \"%s\": %s (%s: %s 0x%lx); %s", token->info.label,
                     core_status_text(st), function, tok_rv_name(rv), (unsigned long)rv,
                     core_status_next(st));
}
