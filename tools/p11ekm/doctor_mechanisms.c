/* SPDX-License-Identifier: Apache-2.0
 *
 * The mechanism check of p11ekm doctor: which mechanisms the provider uses and the token does not
 * offer.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>

#include "pkcs11/probe.h"

/* The mechanisms that the provider uses, and what does not work without them. */
static const struct {
    const char *name;
    const char *without;
} mechanisms[] = {
    {"CKM_RSA_PKCS_KEY_PAIR_GEN", "RSA keys cannot be made here: use the vendor's tool"},
    {"CKM_RSA_PKCS_OAEP",
     "RSA keys cannot wrap safely but by rsa_raw = yes, where CKM_RSA_X_509 is offered"},
    {"CKM_RSA_PKCS", "no signatures on tokens that lack CKM_SHA256_RSA_PKCS, too"},
    {"CKM_AES_KEY_GEN", "AES keys cannot be made here: use the vendor's tool"},
    {"CKM_AES_CBC_PAD", "AES keys of the token cannot be used by SQL Server"},
};

static const tok_mechanism *listed(const tok_mechanism *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

/* Reports algorithms that the policy allows for new keys and the token does not support, before
 * such a key is needed. A size of a 3DES key may be in bits or in bytes; all 3DES keys have the
 * same size. */
static size_t check_algorithms(doctor *d, const tok_mechanism *list, size_t count)
{
    const core_token_config *config = tok_token_config(d->session.token);
    size_t missing = 0;
    for (core_algorithm a = 0; config->create && a < CORE_ALG_COUNT; a++) {
        char fix[80];
        unsigned bits = core_algorithm_bits(a);
        bool des3 = a == CORE_ALG_3DES;
        const char *name = des3                       ? "CKM_DES3_KEY_GEN"
                           : core_algorithm_is_rsa(a) ? "CKM_RSA_PKCS_KEY_PAIR_GEN"
                                                      : "CKM_AES_KEY_GEN";
        const tok_mechanism *found = listed(list, count, name);
        if ((config->algorithms & (1U << a)) == 0) {
            continue;
        }
        (void)snprintf(fix, sizeof fix, "take %s out of 'algorithms'", core_algorithm_tag(a));
        if (found == NULL && des3) { /* the table above has the others */
            doctor_report(d, DOCTOR_WARN, fix, "%s is not offered", name);
            missing++;
        } else if (found != NULL && !des3 && found->max_bits != 0 &&
                   (bits < found->min_bits || bits > found->max_bits)) {
            doctor_report(d, DOCTOR_WARN, fix, "%s is offered from %u to %u bits, not %u", name,
                          (unsigned)found->min_bits, (unsigned)found->max_bits, bits);
            missing++;
        }
    }
    return missing;
}

bool doctor_check_mechanisms(doctor *d)
{
    core_err err = {0};
    tok_mechanism *list = NULL;
    size_t count = 0, missing = 0;
    if (doctor_is_group(d)) {
        doctor_report(d, DOCTOR_SKIP, "", "a group: check its tokens one by one (--token)");
        return true;
    }
    core_status st = tok_mechanism_list(d->session.token, &list, &count, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return true;
    }
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (listed(list, count, mechanisms[i].name) == NULL) {
            doctor_report(d, DOCTOR_WARN, mechanisms[i].without, "%s is not offered",
                          mechanisms[i].name);
            missing++;
        }
    }
    missing += check_algorithms(d, list, count);
    if (missing == 0) {
        doctor_report(d, DOCTOR_OK, "", "all that the provider uses are offered (%zu in all)",
                      count);
    }
    core_free(list);
    return true;
}
