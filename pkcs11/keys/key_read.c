/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the attributes of one private or secret key object. Tokens omit attributes or refuse single
 * ones (SoftHSM: the dates of private keys), so each has a default. A use that the token does not
 * tell is allowed, and the token refuses it at the call; a protection that it does not tell counts
 * as missing.
 */
#include <string.h>
#include "pkcs11/keys/keys_private.h"

bool tok_unprotected_refused(const tok_session *session)
{
    return session->token->config->unprotected_keys == CORE_UNPROTECTED_REFUSE;
}

/* Indexes in the attribute list below. MODULUS_OR_LEN is CKA_MODULUS of an RSA key and
 * CKA_VALUE_LEN of a secret key, which has no EXPONENT. The flags follow at FLAGS. */
enum { TYPE, LABEL, ID, PRIVATE, START, END, MODULUS_OR_LEN, EXPONENT, FLAGS };

/* The date as the number yyyymmdd; 0: none. */
static uint32_t date_number(const CK_ATTRIBUTE *attribute)
{
    const CK_DATE *date = attribute->pValue;
    uint32_t number = 0;
    char text[9] = {0};

    if (attribute->ulValueLen != sizeof *date)
        return 0;
    memcpy(text, date->year, 4);
    memcpy(text + 4, date->month, 2);
    memcpy(text + 6, date->day, 2);
    for (const char *c = text; *c >= '0' && *c <= '9'; c++)
        number = number * 10 + (uint32_t)(*c - '0');
    return number;
}

/* Some tools store the terminating NUL of a C string, or pad with NULs. A label with another NUL in
 * it is not a name. */
void tok_label_take(char *name, const CK_ATTRIBUTE *label)
{
    size_t length = tok_attribute_has(label) ? label->ulValueLen : 0;

    while (length > 0 && name[length - 1] == '\0')
        length--;
    if (memchr(name, '\0', length) != NULL)
        length = 0;
    name[length] = '\0';
}

static void take_dates(tok_key_info *info, const CK_ATTRIBUTE *a, const CK_RV *faults)
{
    const CK_ULONG dates[] = {START, END};

    for (size_t i = 0; i < 2; i++) {
        const CK_RV rv = faults[dates[i]];
        if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID)
            info->dates_unreadable = true;
    }
    info->start_date = date_number(&a[START]);
    info->end_date = date_number(&a[END]);
}

/* A flag attribute. */
typedef struct flag_row {
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;   /* the default, if the token does not tell it */
    bool rsa, secret; /* the kinds of keys that have it */
    unsigned can;     /* the use that it permits; 0: none */
} flag_row;

enum { TOKEN, EXTRACTABLE, SENSITIVE, NEVER, ALWAYS, ENCRYPT, DECRYPT, SIGN, WRAP, UNWRAP, COUNT };

static const flag_row flag_rows[COUNT] = {
    [TOKEN] = {CKA_TOKEN, CK_TRUE, true, true, 0}, /* searches match on it */
    [EXTRACTABLE] = {CKA_EXTRACTABLE, CK_FALSE, true, true, 0},
    [SENSITIVE] = {CKA_SENSITIVE, CK_FALSE, true, true, 0},
    [NEVER] = {CKA_NEVER_EXTRACTABLE, CK_FALSE, true, true, 0},
    [ALWAYS] = {CKA_ALWAYS_AUTHENTICATE, CK_FALSE, true, false, 0},
    [ENCRYPT] = {CKA_ENCRYPT, CK_TRUE, false, true, TOK_CAN_ENCRYPT},
    [DECRYPT] = {CKA_DECRYPT, CK_TRUE, true, true, TOK_CAN_DECRYPT},
    [SIGN] = {CKA_SIGN, CK_TRUE, true, false, TOK_CAN_SIGN},
    [WRAP] = {CKA_WRAP, CK_TRUE, false, true, TOK_CAN_WRAP},
    [UNWRAP] = {CKA_UNWRAP, CK_TRUE, true, true, TOK_CAN_UNWRAP},
};

/* Appends the flags that this kind of key has and returns the new count. at[f] is the index of flag
 * f in `a`; 0: not read. */
static CK_ULONG add_flags(CK_ATTRIBUTE *a, CK_ULONG count, bool rsa, CK_BBOOL values[COUNT],
                          CK_ULONG at[COUNT])
{
    for (size_t f = 0; f < COUNT; f++) {
        values[f] = flag_rows[f].value;
        at[f] = 0;
        if (rsa ? !flag_rows[f].rsa : !flag_rows[f].secret)
            continue;
        at[f] = count;
        a[count++] = (CK_ATTRIBUTE){flag_rows[f].type, &values[f], sizeof values[f]};
    }
    return count;
}

static void take_flags(tok_key_info *info, tok_raw_key *raw, const CK_ATTRIBUTE *a,
                       CK_BBOOL values[COUNT], const CK_ULONG at[COUNT])
{
    for (size_t f = 0; f < COUNT; f++) {
        const bool told = at[f] != 0 && a[at[f]].ulValueLen == sizeof(CK_BBOOL);
        if (!told)
            values[f] = flag_rows[f].value;
        else
            info->told |= flag_rows[f].can;
    }
    raw->token = values[TOKEN];
    raw->always_authenticate = values[ALWAYS];
    raw->encrypt = values[ENCRYPT];
    raw->decrypt = values[DECRYPT];
    raw->sign = values[SIGN];
    raw->wrap = values[WRAP];
    raw->unwrap = values[UNWRAP];
    info->persistent = values[TOKEN] == CK_TRUE;
    info->extractable = values[EXTRACTABLE] == CK_TRUE;
    info->sensitive = values[SENSITIVE] == CK_TRUE;
    info->never_extractable = values[NEVER] == CK_TRUE;
}

core_status tok_key_read(tok_session *session, CK_OBJECT_HANDLE object, bool rsa,
                         tok_key_info *info, tok_raw_key *raw, core_err *err)
{
    CK_BBOOL private = CK_FALSE;
    CK_DATE start, end;
    CK_BBOOL values[COUNT];
    CK_ULONG at[COUNT];
    CK_RV faults[FLAGS + COUNT];
    CK_ATTRIBUTE a[FLAGS + COUNT] = {
        [TYPE] = {CKA_KEY_TYPE, &raw->type, sizeof raw->type},
        [LABEL] = {CKA_LABEL, info->name, TOK_LABEL_MAX},
        [ID] = {CKA_ID, info->id, sizeof info->id},
        [PRIVATE] = {CKA_PRIVATE, &private, sizeof private},
        [START] = {CKA_START_DATE, &start, sizeof start},
        [END] = {CKA_END_DATE, &end, sizeof end},
        [MODULUS_OR_LEN] = {CKA_VALUE_LEN, &raw->value_len, sizeof raw->value_len},
        [EXPONENT] = {CKA_PUBLIC_EXPONENT, info->exponent, sizeof info->exponent},
    };

    if (rsa)
        a[MODULUS_OR_LEN] = (CK_ATTRIBUTE){CKA_MODULUS, info->modulus, sizeof info->modulus};
    const CK_ULONG count = add_flags(a, rsa ? FLAGS : EXPONENT, rsa, values, at);
    core_status st = tok_attributes_each(session, object, a, count, faults, err);
    if (st != ST_OK)
        return st;
    tok_label_take(info->name, &a[LABEL]);
    take_dates(info, a, faults);
    take_flags(info, raw, a, values, at);
    info->id_len = tok_attribute_has(&a[ID]) ? a[ID].ulValueLen : 0;
    info->unprotected = a[PRIVATE].ulValueLen != sizeof private || private != CK_TRUE;
    if (!tok_attribute_has(&a[MODULUS_OR_LEN]))
        a[MODULUS_OR_LEN].ulValueLen = 0;
    if (rsa) {
        info->modulus_len = a[MODULUS_OR_LEN].ulValueLen;
        info->exponent_len = tok_attribute_has(&a[EXPONENT]) ? a[EXPONENT].ulValueLen : 0;
        raw->modulus_rv =
            faults[MODULUS_OR_LEN] != CKR_OK ? faults[MODULUS_OR_LEN] : CKR_ATTRIBUTE_TYPE_INVALID;
    } else if (a[MODULUS_OR_LEN].ulValueLen != sizeof raw->value_len) {
        raw->value_len = 0;
    }
    if (a[TYPE].ulValueLen == sizeof raw->type)
        return ST_OK;
    return tok_attribute_missing(
        "CKA_KEY_TYPE", faults[TYPE] != CKR_OK ? faults[TYPE] : CKR_ATTRIBUTE_TYPE_INVALID, err);
}
