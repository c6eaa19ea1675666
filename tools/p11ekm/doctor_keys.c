/* SPDX-License-Identifier: Apache-2.0
 *
 * The key check of p11ekm doctor: what an auditor would check of each key in use. To add a check,
 * add a function and a row in key_checks.
 */
#include "tools/p11ekm/doctor_private.h"

#include <stdio.h>
#include <string.h>

#include "core/platform.h"
#include "pkcs11/key_state.h"

/* Days since 1970-01-01 of a date yyyymmdd (Gregorian, as PKCS #11 has it). */
static int64_t day_number(uint32_t date)
{
    const int64_t day = date % 100, month = date / 100 % 100;
    const int64_t year = (int64_t)(date / 10000) - (month <= 2 ? 1 : 0);
    const int64_t era = year / 400, in_era = year % 400;
    const int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

enum { DAYS_OF_NOTICE = 30 };

static void check_dates(doctor *d, const tok_key *key)
{
    const tok_key_info *info = tok_key_info_of(key);
    if (info->dates_unreadable) {
        doctor_report(d, DOCTOR_WARN, "keep its dates elsewhere: no expiry is applied to it",
                      "key \"%s\": the token refuses to tell its dates", info->name);
        return;
    }
    if (!tok_key_valid_today(key)) {
        doctor_report(d, DOCTOR_WARN, "rotate to a valid key", "key \"%s\" is outside its dates",
                      info->name);
        return;
    }
    if (info->end_date == 0) {
        return;
    }
    const int64_t left = day_number(info->end_date) - day_number(core_utc_date());
    if (left >= 0 && left <= DAYS_OF_NOTICE) {
        doctor_report(d, DOCTOR_WARN, "make its successor and rotate to it before that day",
                      "key \"%s\" is valid until %04u-%02u-%02u, %d day%s from now", info->name,
                      info->end_date / 10000, info->end_date / 100 % 100, info->end_date % 100,
                      (int)left, left == 1 ? "" : "s");
    }
}

static void check_protection(doctor *d, const tok_key *key)
{
    const tok_key_info *info = tok_key_info_of(key);
    if (info->unprotected) {
        doctor_report(d, DOCTOR_WARN, "rotate to a key made with CKA_PRIVATE = TRUE",
                      "key \"%s\": anybody can have put it on the token without the PIN "
                      "(unprotected_keys = allow)",
                      info->name);
    }
    if (!info->sensitive) {
        doctor_report(d, DOCTOR_WARN, "rotate to a key made on the token",
                      "key \"%s\": its value can be read with the PIN", info->name);
    } else if (info->extractable) {
        doctor_report(d, DOCTOR_WARN, "rotate to a key that is not, unless copies are wanted",
                      "key \"%s\" is extractable: it can leave the token, wrapped", info->name);
    }
}

/* True if the log of today (UTC) has a line that says that a running provider decrypts with the
 * retired key; use.c writes one a minute. */
static bool used_today(const doctor *d, const char *plain_name)
{
    enum { TAIL = 1 << 20, DAY = 10 };
    char now[28], wanted[TOK_LABEL_MAX + 64];
    bool found = false;
    FILE *file = core_path_absolute(d->config->log) ? fopen(d->config->log, "rb") : NULL;
    char *text = file != NULL ? core_calloc(1, TAIL + 1) : NULL;

    core_utc_text(now);
    (void)snprintf(wanted, sizeof wanted, "key \"%s\" on token", plain_name);
    if (text != NULL) {
        if (fseek(file, -TAIL, SEEK_END) != 0) {
            rewind(file);
        }
        text[fread(text, 1, TAIL, file)] = '\0';
        for (char *line = text; line != NULL && !found; line = strchr(line, '\n')) {
            line += *line == '\n';
            const size_t length = strcspn(line, "\n");
            const char end = line[length];
            line[length] = '\0';
            found = strncmp(line, now, DAY) == 0 && strstr(line, wanted) != NULL &&
                    strstr(line, " is retired and still decrypts") != NULL;
            line[length] = end;
        }
    }
    core_free(text);
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void check_retired(doctor *d, const tok_key *key)
{
    const char *name = cli_key_plain_name(tok_key_info_of(key));
    if (used_today(d, name)) {
        doctor_report(d, DOCTOR_FAIL, "p11ekm key restore, then rotate what it protects",
                      "key \"%s\" is retired, and a running server decrypted with it today: its "
                      "databases do not open at the next start",
                      cli_show(name).text);
    }
}

/* The checks of each key in use. */
static void (*const key_checks[])(doctor *d, const tok_key *key) = {check_dates, check_protection};

void doctor_report_ignored(doctor *d, const tok_ignored_key *ignored, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *class = ignored[i].secret ? "secret" : "private";
        if (ignored[i].why == TOK_IGNORED_UNPROTECTED) {
            doctor_report(d, DOCTOR_FAIL,
                          "find out who put it there, and destroy it with the vendor's tool or "
                          "pkcs11-tool; unprotected_keys = allow is for a token that has no other "
                          "keys",
                          "%s key \"%s\" is ignored: its CKA_PRIVATE is not TRUE, so anybody can "
                          "have put it on the token without the PIN",
                          class, ignored[i].name);
        } else {
            doctor_report(d, DOCTOR_WARN,
                          "look at it with the vendor's tool: the other keys work without it",
                          "%s key \"%s\" is ignored, it cannot be read: %s", class, ignored[i].name,
                          ignored[i].text);
        }
    }
}

bool doctor_check_keys(doctor *d)
{
    core_err err = {0};
    cli_keys keys = {0};
    size_t retired = 0;
    const unsigned warned = d->count[DOCTOR_WARN] + d->count[DOCTOR_FAIL];
    core_status st = cli_keys_list(&d->session, &keys, &err);
    if (st != ST_OK) {
        doctor_failed(d, st, &err);
        return true;
    }
    for (size_t i = 0; i < keys.count; i++) {
        if (tok_key_info_of(keys.keys[i])->retired) {
            retired++;
            check_retired(d, keys.keys[i]);
            continue;
        }
        for (size_t c = 0; c < sizeof key_checks / sizeof key_checks[0]; c++) {
            key_checks[c](d, keys.keys[i]);
        }
    }
    doctor_report_ignored(d, keys.ignored, keys.ignored_count);
    if (warned == d->count[DOCTOR_WARN] + d->count[DOCTOR_FAIL]) {
        doctor_report(d, DOCTOR_OK, "", "%zu in use, %zu retired", keys.count - retired, retired);
    }
    cli_keys_free(&keys);
    return true;
}
