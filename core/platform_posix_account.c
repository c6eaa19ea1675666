/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that belong to one account each on POSIX systems. An account is a user. A file path
 * contains its name, or its number if it has no usable name.
 */
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/memory.h"
#include "core/platform_account.h"
#include "core/platform_posix.h"

enum { PATH_LIMIT = 65536 };

/* A name that cannot be part of a file name is replaced by the number. */
void core_user_name(uid_t uid, char out[CORE_USER_NAME_SIZE])
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    (void)snprintf(out, CORE_USER_NAME_SIZE, "%lu", (unsigned long)uid);
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL &&
        found->pw_name[0] != '\0' && strlen(found->pw_name) < CORE_USER_NAME_SIZE &&
        strchr(found->pw_name, '/') == NULL)
        (void)snprintf(out, CORE_USER_NAME_SIZE, "%s", found->pw_name);
}

core_status core_account_path(const char *path, const char *account, char **out, core_err *err)
{
    char name[CORE_USER_NAME_SIZE] = "";
    core_str text = {.limit = PATH_LIMIT};
    struct passwd entry, *found = NULL;
    char buffer[4096];
    uid_t uid = geteuid();
    *out = NULL;
    if (account != NULL) {
        if (getpwnam_r(account, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
            return core_fail(err, ST_NOT_FOUND, "%s: no such user", account);
        uid = found->pw_uid;
    }
    if (strstr(path, "%u") != NULL)
        core_user_name(uid, name); /* may query a directory service */
    for (const char *at = strstr(path, "%u"); at != NULL; at = strstr(path, "%u")) {
        core_str_addn(&text, path, (size_t)(at - path));
        core_str_add(&text, name);
        path = at + 2;
    }
    core_str_add(&text, path);
    if (!text.failed)
        *out = core_strdup(core_str_get(&text));
    core_str_free(&text);
    return *out != NULL ? ST_OK : core_fail(err, ST_NO_MEMORY, "out of memory for a path");
}

core_status core_file_check_as(const char *account, const char *path, core_file_kind kind,
                               core_err *err)
{
    (void)path;
    (void)kind;
    return core_fail(err, ST_NOT_SUPPORTED,
                     "only Windows computes the rights of %s; here run p11ekm as that user: "
                     "sudo -u '%s' p11ekm doctor",
                     account, account);
}

static void visit_file(const char *path, core_account_visit visit, void *context)
{
    struct stat s;
    core_err err = {.status = ST_OK};
    char account[CORE_USER_NAME_SIZE] = "?";
    core_status st = ST_OK;
    if (lstat(path, &s) != 0)
        return; /* removed since the directory was read */
    core_user_name(s.st_uid, account);
    if (!S_ISREG(s.st_mode))
        st = core_fail(&err, ST_UNSAFE_FILE, "%s: not a regular file; remove it", path);
    else if ((s.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        st = core_fail(&err, ST_UNSAFE_FILE, "%s: writable by others; chmod go-w '%s'", path, path);
    visit(context, path, account, st, &err);
}

void core_account_files(const char *pattern, core_account_visit visit, void *context)
{
    core_str text = {.limit = PATH_LIMIT};
    glob_t found = {0};
    const char *slash = strrchr(pattern, '/');
    const char *at = strstr(slash == NULL ? pattern : slash, "%u");
    if (at == NULL)
        return;
    for (const char *p = pattern; p < at; p++) {
        if (strchr("*?[\\", *p) != NULL)
            core_str_add(&text, "\\");
        core_str_addn(&text, p, 1);
    }
    core_str_addf(&text, "*%s", at + 2);
    if (!text.failed && glob(core_str_get(&text), 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            visit_file(found.gl_pathv[i], visit, context);
    }
    globfree(&found);
    core_str_free(&text);
}
