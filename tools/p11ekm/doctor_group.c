/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of p11ekm doctor for a group of tokens: its members are available, and they hold the
 * same keys.
 */
#include "tools/p11ekm/doctor_private.h"

#include <string.h>

bool doctor_is_group(const doctor *d)
{
    return tok_token_config(d->session.token)->members != NULL;
}

/* The keys of one member, identified by their thumbprints. */
typedef struct member_keys {
    const char *alias;
    tok_key **keys;
    size_t count;
} member_keys;

static bool holds(const member_keys *member, const tok_key_info *key)
{
    for (size_t i = 0; i < member->count; i++) {
        const tok_key_info *info = tok_key_info_of(member->keys[i]);
        if (memcmp(info->thumb, key->thumb, sizeof key->thumb) == 0) {
            return info->retired == key->retired;
        }
    }
    return false;
}

static unsigned report_missing(doctor *d, const member_keys *has, const member_keys *lacks)
{
    unsigned missing = 0;
    for (size_t i = 0; i < has->count; i++) {
        const tok_key_info *key = tok_key_info_of(has->keys[i]);
        if (!key->retired && !holds(lacks, key)) {
            doctor_report(
                d, DOCTOR_WARN, "copy it there by the means of the HSM, or retire it everywhere",
                "key \"%s\" is on \"%s\" and not on \"%s\": operations with it fail there",
                key->name, has->alias, lacks->alias);
            missing++;
        }
    }
    return missing;
}

static core_status report_ignored(doctor *d, tok_token *token, core_err *err)
{
    tok_key **keys = NULL;
    tok_ignored_key *ignored = NULL;
    size_t count = 0, ignored_count = 0;
    core_status st = tok_key_survey(token, &keys, &count, &ignored, &ignored_count, err);
    doctor_report_ignored(d, ignored, ignored_count);
    tok_key_list_free(keys, count);
    core_free(ignored);
    return st;
}

/* The group has logged in to its members, so that their keys can be read. */
static bool read_keys(doctor *d, member_keys *member)
{
    core_err err = {0};
    tok_token *token = NULL;
    core_status st = tok_token_find(d->session.context, member->alias, &token, &err);
    if (st == ST_OK) {
        st = tok_key_list(token, &member->keys, &member->count, &err);
    }
    if (st == ST_OK) {
        st = report_ignored(d, token, &err);
    }
    if (token != NULL) {
        tok_token_release(token);
    }
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
    }
    return st == ST_OK;
}

static bool report_member(doctor *d, const tok_member_info *member)
{
    if (member->serves) {
        doctor_report(d, DOCTOR_OK, "", "\"%s\" serves", member->alias);
    } else if (member->refused) {
        doctor_report(d, DOCTOR_FAIL, "give all members the same PIN, or each its pin_file",
                      "\"%s\" does not take the PIN of the group", member->alias);
    } else {
        doctor_report(d, DOCTOR_WARN,
                      "make it available again: until then the other members are used",
                      "\"%s\" is not available", member->alias);
    }
    return member->serves;
}

void doctor_report_group(doctor *d)
{
    const char *check = d->check;
    tok_member_info members[CORE_GROUP_MOST];
    member_keys there[CORE_GROUP_MOST] = {{0}};
    d->check = "group";
    size_t count = tok_token_members(d->session.token, members);
    size_t readable = 0;
    unsigned missing = 0;

    for (size_t i = 0; i < count; i++) {
        if (!report_member(d, &members[i])) {
            continue;
        }
        there[readable].alias = members[i].alias;
        readable += read_keys(d, &there[readable]);
    }
    for (size_t i = 0; i < readable; i++) {
        for (size_t k = 0; k < readable; k++) {
            missing += i == k ? 0 : report_missing(d, &there[i], &there[k]);
        }
    }
    if (readable > 1 && missing == 0) {
        doctor_report(d, DOCTOR_OK, "", "%zu tokens hold the same keys", readable);
    }
    for (size_t i = 0; i < readable; i++) {
        tok_key_list_free(there[i].keys, there[i].count);
    }
    d->check = check;
}
