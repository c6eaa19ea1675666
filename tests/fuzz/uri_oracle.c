/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares tok_uri_parse with p11_kit_uri_parse attribute by attribute (see uri_oracle.h).
 */
#include "uri_oracle.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdlib.h>
#include <string.h>
#include "core/memory.h"
#include "pkcs11/uri.h"

/* True if a blank-padded Cryptoki field contains `value`; an absent attribute leaves it zero. */
static bool field_is(const unsigned char *field, size_t size, const char *value)
{
    unsigned char expected[64] = {0};

    if (value) {
        memset(expected, ' ', size);
        memcpy(expected, value, strlen(value) < size ? strlen(value) : size);
    }
    return memcmp(field, expected, size) == 0;
}
#define FIELD_IS(field, value) field_is(field, sizeof(field), value)

static bool text_is(const char *theirs, const char *ours)
{
    return theirs && ours ? strcmp(theirs, ours) == 0 : theirs == ours;
}

/* The RFC allows a version without a minor number and does not limit either; p11-kit 0.24 requires
 * both and uses 255 for "not given". */
static bool known_difference(const tok_uri *ours)
{
    char *minor;

    if (!ours->library_version)
        return false;
    return strtoul(ours->library_version, &minor, 10) == 255 || !*minor ||
           strtoul(minor + 1, NULL, 10) == 255;
}

static bool version_is(CK_VERSION theirs, const char *ours)
{
    char *minor = NULL;

    if (!ours)
        return theirs.major == 255 && theirs.minor == 255;
    return theirs.major == strtoul(ours, &minor, 10) &&
           theirs.minor == strtoul(minor + 1, NULL, 10);
}

static const char *compare_infos(P11KitUri *theirs, const tok_uri *ours)
{
    const CK_TOKEN_INFO *token = p11_kit_uri_get_token_info(theirs);
    const CK_SLOT_INFO *slot = p11_kit_uri_get_slot_info(theirs);
    const CK_INFO *module = p11_kit_uri_get_module_info(theirs);

    if (!FIELD_IS(token->label, ours->token))
        return "token";
    if (!FIELD_IS(token->manufacturerID, ours->manufacturer))
        return "manufacturer";
    if (!FIELD_IS(token->model, ours->model))
        return "model";
    if (!FIELD_IS(token->serialNumber, ours->serial))
        return "serial";
    if (!FIELD_IS(slot->slotDescription, ours->slot_description))
        return "slot-description";
    if (!FIELD_IS(slot->manufacturerID, ours->slot_manufacturer))
        return "slot-manufacturer";
    if (!FIELD_IS(module->libraryDescription, ours->library_description))
        return "library-description";
    if (!FIELD_IS(module->manufacturerID, ours->library_manufacturer))
        return "library-manufacturer";
    if (!version_is(module->libraryVersion, ours->library_version))
        return "library-version";
    return NULL;
}

static bool bytes_are(const CK_ATTRIBUTE *theirs, const void *ours, size_t length, bool present)
{
    if (!theirs || !present)
        return !theirs && !present;
    return theirs->ulValueLen == length && (!length || memcmp(theirs->pValue, ours, length) == 0);
}

static bool class_is(const CK_ATTRIBUTE *theirs, const char *type)
{
    static const struct {
        const char *type;
        CK_OBJECT_CLASS class;
    } classes[] = {{"public", CKO_PUBLIC_KEY},
                   {"private", CKO_PRIVATE_KEY},
                   {"cert", CKO_CERTIFICATE},
                   {"secret-key", CKO_SECRET_KEY},
                   {"data", CKO_DATA}};

    if (!theirs || !type)
        return !theirs && !type;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(type, classes[i].type) == 0)
            return memcmp(theirs->pValue, &classes[i].class, sizeof(CK_OBJECT_CLASS)) == 0;
    return false;
}

static const char *compare_rest(P11KitUri *theirs, const tok_uri *ours)
{
    const char *label = ours->object;
    CK_SLOT_ID slot = ours->slot_id ? strtoul(ours->slot_id, NULL, 10) : (CK_SLOT_ID)-1;

    if (!bytes_are(p11_kit_uri_get_attribute(theirs, CKA_LABEL), label, label ? strlen(label) : 0,
                   label != NULL))
        return "object";
    if (!bytes_are(p11_kit_uri_get_attribute(theirs, CKA_ID), ours->id, ours->id_len, ours->has_id))
        return "id";
    if (!class_is(p11_kit_uri_get_attribute(theirs, CKA_CLASS), ours->type))
        return "type";
    if (p11_kit_uri_get_slot_id(theirs) != slot)
        return "slot-id";
    if (!text_is(p11_kit_uri_get_pin_source(theirs), ours->pin_source))
        return "pin-source";
    if (!text_is(p11_kit_uri_get_module_name(theirs), ours->module_name))
        return "module-name";
    if (!text_is(p11_kit_uri_get_module_path(theirs), ours->module_path))
        return "module-path";
    if (p11_kit_uri_get_pin_value(theirs))
        return "pin-value";
    return NULL;
}

static const char *compare_all(P11KitUri *theirs, const tok_uri *ours)
{
    const char *complaint = compare_infos(theirs, ours);
    return complaint ? complaint : compare_rest(theirs, ours);
}

/* Checks that the canonical text, parsed and formatted again, does not change. */
static const char *compare_format(const tok_uri *ours)
{
    const char *complaint = "the canonical text is not stable";
    core_str first = {0}, second = {0};
    tok_uri again;

    tok_uri_format(ours, &first);
    if (tok_uri_parse(core_str_get(&first), &again, NULL) == ST_OK) {
        tok_uri_format(&again, &second);
        if (!first.failed && !second.failed &&
            strcmp(core_str_get(&first), core_str_get(&second)) == 0)
            complaint = NULL;
    }
    tok_uri_free(&again);
    core_str_free(&first);
    core_str_free(&second);
    return complaint;
}

const char *uri_oracle(const char *text)
{
    const char *complaint;
    tok_uri ours;
    P11KitUri *theirs;

    if (tok_uri_parse(text, &ours, NULL) != ST_OK) {
        static const tok_uri nothing;
        return memcmp(&ours, &nothing, sizeof ours) == 0 ? NULL : "a failure left something behind";
    }
    theirs = p11_kit_uri_new();
    if (p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, theirs) != P11_KIT_URI_OK)
        complaint = known_difference(&ours) ? NULL : "p11-kit does not take it";
    else if (p11_kit_uri_any_unrecognized(theirs))
        complaint = "p11-kit does not know all of it";
    else
        complaint = compare_all(theirs, &ours);
    if (!complaint)
        complaint = compare_format(&ours);
    p11_kit_uri_free(theirs);
    tok_uri_free(&ours);
    return complaint;
}
