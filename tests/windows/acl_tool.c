/* SPDX-License-Identifier: Apache-2.0
 *
 * p11ekm's own judgement of security descriptors, for scripts: one request a line on standard
 * input, fields apart by tabs, one answer a line.
 *
 *   new MAKER USER ELEVATED         the descriptor that p11ekm gives a new file; MAKER is
 *                                   administrators or account, USER a SID, ELEVATED 0 or 1
 *   judge KIND USER PATH SDDL       "ok", or the refusal; KIND is config, secret, module or log
 *   grants USER RIGHTS SDDL         "yes" or "no"; RIGHTS is a number
 *   sid NAME                        the SID of an account
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/platform_windows_path.h"

#include <sddl.h>

enum { FIELDS = 5, LINE = 16384 };

static PSECURITY_DESCRIPTOR descriptor_of(const char *sddl)
{
    PSECURITY_DESCRIPTOR out = NULL;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(sddl, SDDL_REVISION_1, &out, NULL)) {
        fprintf(stderr, "bad descriptor: %s\n", sddl);
        exit(1);
    }
    return out;
}

static core_sid sid_of(const char *text)
{
    core_sid out;
    if (core_account_find(text, &out, NULL) != ST_OK) {
        fprintf(stderr, "bad account: %s\n", text);
        exit(1);
    }
    return out;
}

static core_file_kind kind_of(const char *word)
{
    static const char *const words[] = {[CORE_FILE_CONFIG] = "config",
                                        [CORE_FILE_SECRET] = "secret",
                                        [CORE_FILE_MODULE] = "module",
                                        [CORE_FILE_LOG] = "log"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], word) == 0)
            return (core_file_kind)i;
    }
    fprintf(stderr, "bad kind: %s\n", word);
    exit(1);
}

static void print_new(char **field)
{
    const bool account = strcmp(field[1], "account") == 0;
    core_sid user = sid_of(field[2]);
    char *text = NULL;
    PSECURITY_DESCRIPTOR made = core_acl_new_for(
        account ? CORE_ACL_ACCOUNT : CORE_ACL_ADMINISTRATORS, user.bytes, field[3][0] == '1');
    if (made == NULL || !ConvertSecurityDescriptorToStringSecurityDescriptorA(
                            made, SDDL_REVISION_1,
                            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &text, NULL))
        exit(1);
    printf("%s\n", text);
    (void)LocalFree(text);
    (void)LocalFree(made);
}

static void print_judgement(char **field)
{
    core_err err = {.status = ST_OK};
    core_sid user = sid_of(field[2]);
    PSECURITY_DESCRIPTOR descriptor = descriptor_of(field[4]);
    const core_status st = core_acl_check_descriptor(descriptor, user.bytes, field[3],
                                                     core_forbidden(kind_of(field[1])), &err);
    printf("%s\n", st == ST_OK ? "ok" : err.text);
    (void)LocalFree(descriptor);
}

static void print_grants(char **field)
{
    core_sid user = sid_of(field[1]);
    PSECURITY_DESCRIPTOR descriptor = descriptor_of(field[3]);
    const bool yes =
        core_acl_grants(descriptor, user.bytes, (ACCESS_MASK)strtoul(field[2], NULL, 0));
    printf("%s\n", yes ? "yes" : "no");
    (void)LocalFree(descriptor);
}

static void print_sid(char **field)
{
    char text[192];
    core_sid sid = sid_of(field[1]);
    core_account_sid_text(sid.bytes, text);
    printf("%s\n", text);
}

int main(void)
{
    static char line[LINE];
    static const struct {
        const char *word;
        size_t fields;
        void (*run)(char **field);
    } requests[] = {{"new", 4, print_new},
                    {"judge", 5, print_judgement},
                    {"grants", 4, print_grants},
                    {"sid", 2, print_sid}};
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *field[FIELDS] = {NULL};
        size_t count = 0;
        bool known = false;
        line[strcspn(line, "\r\n")] = '\0';
        for (char *at = line; at != NULL && count < FIELDS; count++) {
            field[count] = at;
            at = strchr(at, '\t');
            if (at != NULL)
                *at++ = '\0';
        }
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
            if (strcmp(field[0], requests[i].word) == 0 && count == requests[i].fields) {
                requests[i].run(field);
                known = true;
            }
        }
        if (!known) {
            fprintf(stderr, "bad request: %s\n", line);
            return 1;
        }
        (void)fflush(stdout);
    }
    return 0;
}
