/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads and sets object attributes (PKCS #11 v3.1, 5.7.5 and 5.7.6). Some tokens stop at the first
 * attribute that they do not know, some return CKR_OK with an unavailable length, some refuse a
 * single attribute. So a read that fails is repeated for each attribute.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

bool tok_attribute_has(const CK_ATTRIBUTE *attribute)
{
    return attribute->ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

/* True for the codes with which C_GetAttributeValue still returns the other attributes. */
static bool is_partial_result(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           rv == CKR_BUFFER_TOO_SMALL;
}

bool tok_rv_ends_reading(CK_RV rv)
{
    static const CK_RV lost[] = {CKR_DEVICE_REMOVED,    CKR_TOKEN_NOT_PRESENT,
                                 CKR_SLOT_ID_INVALID,   CKR_CRYPTOKI_NOT_INITIALIZED,
                                 CKR_FUNCTION_CANCELED, CKR_TOKEN_NOT_RECOGNIZED};
    const core_class class = core_status_class(tok_rv_status(rv, TOK_CALL_OTHER));

    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        if (rv == lost[i])
            return true;
    return class == CORE_CLASS_SESSION || class == CORE_CLASS_LOGIN || class == CORE_CLASS_HANDLE ||
           class == CORE_CLASS_CAPACITY || class == CORE_CLASS_PIN;
}

/* Reads all attributes in one call. */
static CK_RV read_together(tok_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                           CK_ULONG count)
{
    /* SoftHSM returns CKR_ATTRIBUTE_VALUE_INVALID, which 5.7.5 does not define, while another
     * thread reads the file of a changed object again. A repeated call succeeds. */
    enum { TRIES = 5, PAUSE_MS = 2 };
    CK_RV rv = session->f->C_GetAttributeValue(session->handle, object, attributes, count);

    for (unsigned i = 1; i < TRIES && rv == CKR_ATTRIBUTE_VALUE_INVALID; i++) {
        core_sleep_ms(PAUSE_MS * i);
        rv = session->f->C_GetAttributeValue(session->handle, object, attributes, count);
    }
    return rv;
}

/* Reads each attribute in a separate call, so that a refusal affects only that attribute. room[i]
 * is the capacity of attribute i in bytes. *failed: the first code that may be a device failure. */
static CK_RV read_apart(tok_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                        CK_ULONG count, const CK_ULONG *room, CK_RV *faults, CK_RV *failed)
{
    for (CK_ULONG i = 0; i < count; i++) {
        attributes[i].ulValueLen = room[i];
        const CK_RV rv =
            session->f->C_GetAttributeValue(session->handle, object, &attributes[i], 1);
        if (tok_rv_ends_reading(rv))
            return rv;
        if (rv != CKR_OK)
            attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        if (rv != CKR_OK && !is_partial_result(rv) && *failed == CKR_OK)
            *failed = rv;
        if (faults != NULL)
            faults[i] = rv;
    }
    return CKR_OK;
}

core_status tok_attributes_each(tok_session *session, CK_OBJECT_HANDLE object,
                                CK_ATTRIBUTE *attributes, CK_ULONG count, CK_RV *faults,
                                core_err *err)
{
    enum { MOST = 24 };
    CK_ULONG room[MOST];
    CK_RV failed = CKR_OK;

    if (count > MOST)
        return core_fail(err, ST_FAILURE, "too many attributes");
    for (CK_ULONG i = 0; i < count; i++)
        room[i] = attributes[i].ulValueLen;
    if (faults != NULL)
        memset(faults, 0, count * sizeof *faults);
    CK_RV rv = read_together(session, object, attributes, count);
    if (rv != CKR_OK && !tok_rv_ends_reading(rv))
        rv = read_apart(session, object, attributes, count, room, faults, &failed);
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, "C_GetAttributeValue", rv, TOK_CALL_OTHER);
    if (failed != CKR_OK && !tok_device_answers(session))
        return tok_rv_fail(err, session->token, "C_GetAttributeValue", failed, TOK_CALL_OTHER);
    for (CK_ULONG i = 0; i < count; i++)
        if (attributes[i].ulValueLen > room[i])
            attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return ST_OK;
}

core_status tok_attributes(tok_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                           CK_ULONG count, core_err *err)
{
    return tok_attributes_each(session, object, attributes, count, NULL, err);
}

core_status tok_attribute_missing(const char *attribute, CK_RV rv, core_err *err)
{
    /* The device has answered, so the object is at fault. ST_KEY_USAGE starts no recovery. */
    return core_fail(err, ST_KEY_USAGE,
                     "the token does not tell %s (C_GetAttributeValue: %s 0x%lx)", attribute,
                     tok_rv_name(rv), (unsigned long)rv);
}

/* Reads the attribute back and compares it. It allocates nothing, because the token has already
 * changed and a lack of memory must not fail the operation. The buffer is longer than any value
 * set, so that a longer value on the token is noticed. If the module does not return the
 * attribute, the change counts as made. If the session, the login or the device fails, this fails.
 */
static core_status check_value_set(tok_session *session, CK_OBJECT_HANDLE object,
                                   const CK_ATTRIBUTE *wanted, const char *function, core_err *err)
{
    uint8_t value[2 * TOK_LABEL_MAX + 1];
    CK_ATTRIBUTE now = {wanted->type, value, sizeof value};
    core_err why = {0};
    core_status st = tok_attributes(session, object, &now, 1, &why);

    if (tok_access_is_lost(session, st))
        return core_fail(err, st, "%s", core_err_text(&why, st));
    if (st != ST_OK)
        return ST_OK;
    if (!tok_attribute_has(&now) || (now.ulValueLen == wanted->ulValueLen &&
                                     memcmp(value, wanted->pValue, wanted->ulValueLen) == 0))
        return ST_OK;
    return core_fail(err, ST_MECHANISM,
                     "token \"%s\": %s returns CKR_OK and changes nothing: the token does not let "
                     "objects be changed",
                     session->token->info.label, function);
}

core_status tok_attribute_set(tok_session *session, CK_OBJECT_HANDLE object,
                              const CK_ATTRIBUTE *wanted, const char *function, core_err *err)
{
    CK_ATTRIBUTE set = *wanted;
    CK_RV rv = session->f->C_SetAttributeValue(session->handle, object, &set, 1);
    if (rv != CKR_OK)
        return tok_rv_fail(err, session->token, function, rv, TOK_CALL_OTHER);
    return check_value_set(session, object, wanted, function, err);
}
