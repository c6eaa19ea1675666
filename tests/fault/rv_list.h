/* SPDX-License-Identifier: Apache-2.0
 *
 * The return values that the torture tests inject: all values of the standard in p11-kit's header
 * and two vendor-defined ones. A `telling` value represents all values that the library handles in
 * the same way; the short forms of the tests use only these.
 */
#ifndef FAULT_RV_LIST_H
#define FAULT_RV_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rv_entry {
    unsigned long value;
    const char *name;
    bool telling;
} rv_entry;

static const rv_entry rv_list[] = {
    {0x1UL, "CKR_CANCEL", false},
    {0x2UL, "CKR_HOST_MEMORY", true},
    {0x3UL, "CKR_SLOT_ID_INVALID", false},
    {0x5UL, "CKR_GENERAL_ERROR", true},
    {0x6UL, "CKR_FUNCTION_FAILED", false},
    {0x7UL, "CKR_ARGUMENTS_BAD", false},
    {0x8UL, "CKR_NO_EVENT", false},
    {0x9UL, "CKR_NEED_TO_CREATE_THREADS", false},
    {0xaUL, "CKR_CANT_LOCK", false},
    {0x10UL, "CKR_ATTRIBUTE_READ_ONLY", false},
    {0x11UL, "CKR_ATTRIBUTE_SENSITIVE", false},
    {0x12UL, "CKR_ATTRIBUTE_TYPE_INVALID", false},
    {0x13UL, "CKR_ATTRIBUTE_VALUE_INVALID", false},
    {0x1bUL, "CKR_ACTION_PROHIBITED", false},
    {0x20UL, "CKR_DATA_INVALID", false},
    {0x21UL, "CKR_DATA_LEN_RANGE", false},
    {0x30UL, "CKR_DEVICE_ERROR", true},
    {0x31UL, "CKR_DEVICE_MEMORY", false},
    {0x32UL, "CKR_DEVICE_REMOVED", false},
    {0x40UL, "CKR_ENCRYPTED_DATA_INVALID", false},
    {0x41UL, "CKR_ENCRYPTED_DATA_LEN_RANGE", false},
    {0x50UL, "CKR_FUNCTION_CANCELED", false},
    {0x51UL, "CKR_FUNCTION_NOT_PARALLEL", false},
    {0x54UL, "CKR_FUNCTION_NOT_SUPPORTED", false},
    {0x60UL, "CKR_KEY_HANDLE_INVALID", false},
    {0x62UL, "CKR_KEY_SIZE_RANGE", false},
    {0x63UL, "CKR_KEY_TYPE_INCONSISTENT", false},
    {0x64UL, "CKR_KEY_NOT_NEEDED", false},
    {0x65UL, "CKR_KEY_CHANGED", false},
    {0x66UL, "CKR_KEY_NEEDED", false},
    {0x67UL, "CKR_KEY_INDIGESTIBLE", false},
    {0x68UL, "CKR_KEY_FUNCTION_NOT_PERMITTED", false},
    {0x69UL, "CKR_KEY_NOT_WRAPPABLE", false},
    {0x6aUL, "CKR_KEY_UNEXTRACTABLE", false},
    {0x70UL, "CKR_MECHANISM_INVALID", false},
    {0x71UL, "CKR_MECHANISM_PARAM_INVALID", false},
    {0x82UL, "CKR_OBJECT_HANDLE_INVALID", true},
    {0x90UL, "CKR_OPERATION_ACTIVE", true},
    {0x91UL, "CKR_OPERATION_NOT_INITIALIZED", false},
    {0xa0UL, "CKR_PIN_INCORRECT", false},
    {0xa1UL, "CKR_PIN_INVALID", false},
    {0xa2UL, "CKR_PIN_LEN_RANGE", false},
    {0xa3UL, "CKR_PIN_EXPIRED", false},
    {0xa4UL, "CKR_PIN_LOCKED", false},
    {0xb0UL, "CKR_SESSION_CLOSED", false},
    {0xb1UL, "CKR_SESSION_COUNT", true},
    {0xb3UL, "CKR_SESSION_HANDLE_INVALID", true},
    {0xb4UL, "CKR_SESSION_PARALLEL_NOT_SUPPORTED", false},
    {0xb5UL, "CKR_SESSION_READ_ONLY", false},
    {0xb6UL, "CKR_SESSION_EXISTS", false},
    {0xb7UL, "CKR_SESSION_READ_ONLY_EXISTS", false},
    {0xb8UL, "CKR_SESSION_READ_WRITE_SO_EXISTS", false},
    {0xc0UL, "CKR_SIGNATURE_INVALID", false},
    {0xc1UL, "CKR_SIGNATURE_LEN_RANGE", false},
    {0xd0UL, "CKR_TEMPLATE_INCOMPLETE", false},
    {0xd1UL, "CKR_TEMPLATE_INCONSISTENT", false},
    {0xe0UL, "CKR_TOKEN_NOT_PRESENT", true},
    {0xe1UL, "CKR_TOKEN_NOT_RECOGNIZED", false},
    {0xe2UL, "CKR_TOKEN_WRITE_PROTECTED", false},
    {0xf0UL, "CKR_UNWRAPPING_KEY_HANDLE_INVALID", false},
    {0xf1UL, "CKR_UNWRAPPING_KEY_SIZE_RANGE", false},
    {0xf2UL, "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT", false},
    {0x100UL, "CKR_USER_ALREADY_LOGGED_IN", false},
    {0x101UL, "CKR_USER_NOT_LOGGED_IN", true},
    {0x102UL, "CKR_USER_PIN_NOT_INITIALIZED", false},
    {0x103UL, "CKR_USER_TYPE_INVALID", false},
    {0x104UL, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", false},
    {0x105UL, "CKR_USER_TOO_MANY_TYPES", false},
    {0x110UL, "CKR_WRAPPED_KEY_INVALID", false},
    {0x112UL, "CKR_WRAPPED_KEY_LEN_RANGE", false},
    {0x113UL, "CKR_WRAPPING_KEY_HANDLE_INVALID", false},
    {0x114UL, "CKR_WRAPPING_KEY_SIZE_RANGE", false},
    {0x115UL, "CKR_WRAPPING_KEY_TYPE_INCONSISTENT", false},
    {0x120UL, "CKR_RANDOM_SEED_NOT_SUPPORTED", false},
    {0x121UL, "CKR_RANDOM_NO_RNG", false},
    {0x130UL, "CKR_DOMAIN_PARAMS_INVALID", false},
    {0x140UL, "CKR_CURVE_NOT_SUPPORTED", false},
    {0x150UL, "CKR_BUFFER_TOO_SMALL", true},
    {0x160UL, "CKR_SAVED_STATE_INVALID", false},
    {0x170UL, "CKR_INFORMATION_SENSITIVE", false},
    {0x180UL, "CKR_STATE_UNSAVEABLE", false},
    {0x190UL, "CKR_CRYPTOKI_NOT_INITIALIZED", true},
    {0x191UL, "CKR_CRYPTOKI_ALREADY_INITIALIZED", false},
    {0x1a0UL, "CKR_MUTEX_BAD", false},
    {0x1a1UL, "CKR_MUTEX_NOT_LOCKED", false},
    {0x1b0UL, "CKR_NEW_PIN_MODE", false},
    {0x1b1UL, "CKR_NEXT_OTP", false},
    {0x1c0UL, "CKR_EXCEEDED_MAX_ITERATIONS", false},
    {0x1c1UL, "CKR_FIPS_SELF_TEST_FAILED", false},
    {0x1c2UL, "CKR_LIBRARY_LOAD_FAILED", false},
    {0x1c3UL, "CKR_PIN_TOO_WEAK", false},
    {0x1c4UL, "CKR_PUBLIC_KEY_INVALID", false},
    {0x200UL, "CKR_FUNCTION_REJECTED", false},
    {0x80000001UL, "a vendor's own", false},
    {0x8000001aUL, "a vendor's own", true},
};
static const size_t rv_count = sizeof rv_list / sizeof rv_list[0];

#endif
