/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls a provider library as SQL Server does, step by step, and reports for each step whether
 * the provider followed the rules of the interface. If a step fails, the other steps of the
 * session are skipped, because they rely on it. See drive.h.
 */
#include "tools/accept/drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/accept/accept.h"

static bool load(drive *d, const char *path)
{
    char why[512] = "";
    d->library = host_lib_open(path, why, sizeof why);
    if (!d->library)
        return drive_fail(d, "not loaded: %s", why);
#define RESOLVE(state, name, parameters)                                     \
    do {                                                                     \
        const host_function found = host_lib_symbol(d->library, #name);      \
        if (!found)                                                          \
            return drive_fail(d, "export %d, " #name ", is missing", state); \
        memcpy(&d->call.name, &found, sizeof found);                         \
    } while (0);
    SQLCP_EXPORTS(RESOLVE)
#undef RESOLVE
    return true;
}

/* Reads the first line of a file as a SECRET. */
static bool read_secret(const char *path, char *out, size_t capacity)
{
    uint8_t *data = NULL;
    size_t length = 0;
    if (!host_file_read(path, &data, &length))
        return false;
    length = strcspn((const char *)data, "\r\n");
    bool fits = length < capacity;
    if (fits)
        (void)snprintf(out, capacity, "%.*s", (int)length, (const char *)data);
    free(data);
    return fits;
}

static bool read_options(drive *d, int argc, char **argv)
{
    d->identity = "P11ACC";
    (void)snprintf(d->secret, sizeof d->secret, "P11ACC-PIN");
    d->limit_us = 10000000;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--stub") == 0) {
            d->is_stub = true;
        } else if (value && strcmp(argv[i], "--identity") == 0) {
            d->identity = argv[++i];
        } else if (value && strcmp(argv[i], "--limit-ms") == 0) {
            d->limit_us = strtoull(argv[++i], NULL, 10) * 1000;
        } else if (value && strcmp(argv[i], "--secret-file") == 0) {
            if (!read_secret(argv[++i], d->secret, sizeof d->secret))
                return drive_fail(d, "%s cannot be read as a SECRET", value);
        } else {
            return drive_fail(d, "option %s is not known, or its value is missing", argv[i]);
        }
    }
    return true;
}

static const struct {
    const char *id, *title;
    bool (*run)(drive *d);
} steps[] = {
    {"I2", "Initialize succeeds", drive_initialize},
    {"I3", "The size query of GetProviderInfo states a size and sets no pointer", drive_info_size},
    {"I4", "GetProviderInfo fills the caller's buffer with valid properties", drive_info_fill},
    {"I5", "GetProviderInfo answers the same twice", drive_info_same},
    {"I6", "The list of algorithms ends and each tag is what it says", drive_algorithms},
    {"I7", "A wrong SECRET is refused with AuthFailure", drive_wrong_pin},
    {"I8", "A session opens within the limit", drive_open},
    {"I9", "RSA and AES keys can be created", drive_create},
    {"I10", "A key is found by name and by thumbprint, with its name and length", drive_find},
    {"I11", "The public key is exported as an RSA1 blob", drive_export},
    {"I12", "What is encrypted decrypts to the same, within the stated sizes", drive_round_trip},
    {"I13", "Created keys can be dropped", drive_drop},
    {"I14", "A closed session is refused", drive_close},
};

int accept_drive(int argc, char **argv)
{
    static drive d; /* static, because it is too large for a small stack; initially zero */
    bool good = read_options(&d, argc, argv);
    if (!good) {
        fprintf(stderr, "p11accept: %s\n", d.why);
        return 3;
    }
    good = load(&d, argv[0]);
    printf("%s I1 The 17 exports are there%s%s\n", good ? "ok  " : "FAIL", good ? "" : ": ", d.why);
    for (size_t i = 0; good && i < sizeof steps / sizeof steps[0]; i++) {
        printf("run  %s\n", steps[i].id); /* so that the line is not lost if the provider crashes */
        (void)fflush(stdout);
        good = steps[i].run(&d);
        printf("%s %s %s%s%s\n", good ? "ok  " : "FAIL", steps[i].id, steps[i].title,
               good ? "" : ": ", good ? "" : d.why);
    }
    if (d.session)
        (void)d.call.SqlCryptCloseSession(&d.session, 0);
    if (d.initialized)
        (void)d.call.SqlCryptFreeProvider();
    if (d.library)
        host_lib_close(d.library);
    return good ? 0 : 1;
}
