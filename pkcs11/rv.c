/* SPDX-License-Identifier: Apache-2.0
 *
 * What a CK_RV means: one table from code to status, with a column of its own for the calls that
 * check the caller's data, C_Decrypt and C_UnwrapKey. There, real tokens answer a bad ciphertext
 * with CKR_GENERAL_ERROR, CKR_DEVICE_ERROR or a code of their vendor. Such a code must not look
 * like a broken device, or whoever can send a bad ciphertext could make us reset the token. So it
 * is the data's fault until the device fails to answer a question of ours (tok_rv_data_fail).
 */
#include "pkcs11/tok_private.h"

/* Of PKCS #11 3.x, which older headers do not have. */
#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x42UL
#endif
#ifndef CKR_TOKEN_RESOURCE_EXCEEDED
#define CKR_TOKEN_RESOURCE_EXCEEDED 0x201UL
#endif
#ifndef CKR_OPERATION_CANCEL_FAILED
#define CKR_OPERATION_CANCEL_FAILED 0x202UL
#endif
#ifndef CKR_KEY_EXHAUSTED
#define CKR_KEY_EXHAUSTED 0x203UL
#endif
#ifndef CKR_PENDING
#define CKR_PENDING 0x204UL
#endif
#ifndef CKR_SESSION_ASYNC_NOT_SUPPORTED
#define CKR_SESSION_ASYNC_NOT_SUPPORTED 0x205UL
#endif

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
    RV(CKR_AEAD_DECRYPT_FAILED, DECRYPT_FAILED, DECRYPT_FAILED),
    /* Elsewhere the room is always enough, and the host must not be told to bring more. */
    RV(CKR_BUFFER_TOO_SMALL, BUFFER_TOO_SMALL, DEVICE),
    RV(CKR_SIGNATURE_INVALID, SIGNATURE_INVALID, SIGNATURE_INVALID),
    RV(CKR_SIGNATURE_LEN_RANGE, SIGNATURE_INVALID, SIGNATURE_INVALID),
    /* the session */
    RV(CKR_SESSION_HANDLE_INVALID, SESSION_LOST, SESSION_LOST),
    RV(CKR_SESSION_CLOSED, SESSION_LOST, SESSION_LOST),
    RV(CKR_OPERATION_ACTIVE, SESSION_BUSY, SESSION_BUSY),
    RV(CKR_OPERATION_NOT_INITIALIZED, SESSION_BUSY, SESSION_BUSY),
    RV(CKR_OPERATION_CANCEL_FAILED, SESSION_BUSY, SESSION_BUSY),
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
    RV(CKR_TOKEN_RESOURCE_EXCEEDED, TOKEN_FULL, TOKEN_FULL),
    RV(CKR_HOST_MEMORY, NO_MEMORY, NO_MEMORY),
    /* the device */
    RV(CKR_DEVICE_ERROR, DECRYPT_FAILED, DEVICE),
    RV(CKR_DEVICE_REMOVED, DEVICE, DEVICE),
    RV(CKR_TOKEN_NOT_PRESENT, DEVICE, DEVICE),
    RV(CKR_TOKEN_NOT_RECOGNIZED, DEVICE, DEVICE),
    RV(CKR_SLOT_ID_INVALID, DEVICE, DEVICE),
    RV(CKR_CRYPTOKI_NOT_INITIALIZED, DEVICE, DEVICE),
    RV(CKR_FUNCTION_CANCELED, DECRYPT_FAILED, DEVICE),
    RV(CKR_CANCEL, DECRYPT_FAILED, DEVICE),
    RV(CKR_NO_EVENT, DECRYPT_FAILED, DEVICE),
    RV(CKR_NEED_TO_CREATE_THREADS, DECRYPT_FAILED, DEVICE),
    RV(CKR_CANT_LOCK, DECRYPT_FAILED, DEVICE),
    RV(CKR_MUTEX_BAD, DECRYPT_FAILED, DEVICE),
    RV(CKR_MUTEX_NOT_LOCKED, DECRYPT_FAILED, DEVICE),
    RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, DECRYPT_FAILED, DEVICE),
    RV(CKR_FIPS_SELF_TEST_FAILED, DECRYPT_FAILED, DEVICE),
    RV(CKR_LIBRARY_LOAD_FAILED, DECRYPT_FAILED, DEVICE),
    /* the PIN */
    RV(CKR_PIN_INCORRECT, DECRYPT_FAILED, AUTH_FAILED),
    RV(CKR_PIN_INVALID, DECRYPT_FAILED, AUTH_FAILED),
    RV(CKR_PIN_LEN_RANGE, DECRYPT_FAILED, AUTH_FAILED),
    RV(CKR_PIN_LOCKED, DECRYPT_FAILED, PIN_LOCKED),
    RV(CKR_PIN_EXPIRED, DECRYPT_FAILED, PIN_EXPIRED),
    RV(CKR_USER_PIN_NOT_INITIALIZED, DECRYPT_FAILED, PIN_EXPIRED),
    RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, DECRYPT_FAILED, PIN_FOREIGN_LOGIN),
    RV(CKR_USER_TOO_MANY_TYPES, DECRYPT_FAILED, PIN_FOREIGN_LOGIN),
    RV(CKR_USER_ALREADY_LOGGED_IN, DECRYPT_FAILED, PIN_FOREIGN_LOGIN),
    RV(CKR_SESSION_READ_WRITE_SO_EXISTS, DECRYPT_FAILED, PIN_FOREIGN_LOGIN),
    RV(CKR_USER_TYPE_INVALID, DECRYPT_FAILED, MECHANISM),
    RV(CKR_NEW_PIN_MODE, DECRYPT_FAILED, PIN_EXPIRED),
    RV(CKR_NEXT_OTP, DECRYPT_FAILED, PIN_EXPIRED),
    RV(CKR_PIN_TOO_WEAK, DECRYPT_FAILED, PIN_EXPIRED),
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
    RV(CKR_FUNCTION_NOT_PARALLEL, DECRYPT_FAILED, MECHANISM),
    RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED, DECRYPT_FAILED, MECHANISM),
    RV(CKR_RANDOM_SEED_NOT_SUPPORTED, DECRYPT_FAILED, MECHANISM),
    RV(CKR_RANDOM_NO_RNG, DECRYPT_FAILED, MECHANISM),
    RV(CKR_DOMAIN_PARAMS_INVALID, DECRYPT_FAILED, MECHANISM),
    RV(CKR_CURVE_NOT_SUPPORTED, DECRYPT_FAILED, MECHANISM),
    RV(CKR_SAVED_STATE_INVALID, DECRYPT_FAILED, MECHANISM),
    RV(CKR_STATE_UNSAVEABLE, DECRYPT_FAILED, MECHANISM),
    RV(CKR_EXCEEDED_MAX_ITERATIONS, DECRYPT_FAILED, MECHANISM),
    RV(CKR_PENDING, DECRYPT_FAILED, MECHANISM),
    RV(CKR_SESSION_ASYNC_NOT_SUPPORTED, DECRYPT_FAILED, MECHANISM),
    RV(CKR_ATTRIBUTE_SENSITIVE, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_FUNCTION_NOT_PERMITTED, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_TYPE_INCONSISTENT, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_UNEXTRACTABLE, KEY_USAGE, KEY_USAGE),
    RV(CKR_KEY_NOT_WRAPPABLE, KEY_USAGE, KEY_USAGE),
    RV(CKR_UNWRAPPING_KEY_SIZE_RANGE, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_WRAPPING_KEY_SIZE_RANGE, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_KEY_NOT_NEEDED, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_KEY_CHANGED, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_KEY_NEEDED, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_KEY_INDIGESTIBLE, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_INFORMATION_SENSITIVE, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_PUBLIC_KEY_INVALID, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_FUNCTION_REJECTED, DECRYPT_FAILED, KEY_USAGE),
    RV(CKR_KEY_EXHAUSTED, KEY_USAGE, KEY_USAGE),
    RV(CKR_ACTION_PROHIBITED, KEY_USAGE, KEY_USAGE),
    RV(CKR_TOKEN_WRITE_PROTECTED, POLICY, POLICY),
    RV(CKR_SESSION_READ_ONLY, POLICY, POLICY),
    RV(CKR_SESSION_READ_ONLY_EXISTS, DECRYPT_FAILED, POLICY),
    RV(CKR_SESSION_EXISTS, DECRYPT_FAILED, POLICY),
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
    /* A code that the table does not know: "unknown, so give up until somebody restarts" is the
     * complaint most heard of other clients. */
    const struct rv_row *row = rv_find(rv);
    if (row == NULL)
        return kind == TOK_CALL_DATA ? ST_DECRYPT_FAILED : ST_DEVICE;
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
    const char *text = st == ST_AUTH_FAILED ? "the token refused the PIN" : core_status_text(st);
    return core_fail(err, st, "token \"%s\": %s (%s: %s 0x%lx); %s", token->info.label, text,
                     function, tok_rv_name(rv), (unsigned long)rv, core_status_next(st));
}

/* Asks session and token questions that have nothing to do with the data. ST_OK: they answer. */
static core_status ask_device(const tok_session *session)
{
    CK_TOKEN_INFO token;
    CK_SESSION_INFO info;

    CK_RV rv = session->f->C_GetSessionInfo(session->handle, &info);
    if (rv == CKR_OK)
        rv = tok_token_info_get(session->token->ctx, session->token->slot, &token);
    const core_status st = tok_rv_status(rv, TOK_CALL_OTHER);
    const core_class class = core_status_class(st);
    return class == CORE_CLASS_DEVICE || class == CORE_CLASS_SESSION || class == CORE_CLASS_LOGIN
               ? st
               : ST_OK;
}

core_status tok_rv_data_fail(core_err *err, const tok_session *session, const char *function,
                             CK_RV rv)
{
    const bool in_doubt = tok_rv_status(rv, TOK_CALL_DATA) == ST_DECRYPT_FAILED &&
                          tok_rv_status(rv, TOK_CALL_OTHER) == ST_DEVICE;
    const core_status st = in_doubt ? ask_device(session) : ST_OK;

    if (st == ST_OK)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_DATA);
    return core_fail(err, st, "token \"%s\": %s (%s: %s 0x%lx); %s", session->token->info.label,
                     core_status_text(st), function, tok_rv_name(rv), (unsigned long)rv,
                     core_status_next(st));
}

core_status tok_rv_input_fail(core_err *err, const tok_session *session, const char *function,
                              CK_RV rv)
{
    if (rv_find(rv) != NULL || ask_device(session) != ST_OK)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_OTHER);
    return core_fail(err, ST_FAILURE,
                     "token \"%s\" refused the data (%s: 0x%lx, a code of its vendor); see the "
                     "vendor's manual on that code",
                     session->token->info.label, function, (unsigned long)rv);
}
