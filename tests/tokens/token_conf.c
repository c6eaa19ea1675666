/* SPDX-License-Identifier: Apache-2.0
 *
 * See token_conf.h.
 */
#include "token_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char template[] = "/tmp/p11ekm-conf-XXXXXX";
static char directory[sizeof template];
static char path[sizeof directory + 16];

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

/* NCONF removes quotes unless they are escaped. */
static void write_value(FILE *file, const char *key, const char *value)
{
    fprintf(file, "%s = ", key);
    for (; *value; value++) {
        if (strchr("\\'\"`$#", *value))
            (void)fputc('\\', file);
        (void)fputc(*value, file);
    }
    (void)fputc('\n', file);
}

bool token_conf_make(const char *globals)
{
    FILE *file;

    memcpy(directory, template, sizeof directory);
    if (!mkdtemp(directory))
        return false;
    (void)snprintf(path, sizeof path, "%s/p11ekm.conf", directory);
    (void)umask(077);
    file = fopen(path, "w");
    if (!file)
        return false;
    write_value(file, "module", setting("MODULE"));
    if (*setting("INIT_ARGS"))
        write_value(file, "init_args", setting("INIT_ARGS"));
    if (!strstr(globals, "log = "))
        fprintf(file, "log = stderr\nlog_level = warning\n");
    fprintf(file, "startup_tries = 1\n%s\n%s\n[token test]\n", globals, setting("CONF_EXTRA"));
    write_value(file, "token", setting("TOKEN"));
    return fclose(file) == 0 && setenv("P11EKM_CONF", path, 1) == 0;
}

const char *token_conf_path(void)
{
    return path;
}

void token_conf_remove(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}
