/* SPDX-License-Identifier: Apache-2.0
 *
 * Replaces libFuzzer in builds without it: runs a fuzz target on the given files and folders, so
 * that every build replays the committed corpus. Fails if it finds no file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = file ? malloc(FILE_MAX) : NULL;
    size_t length = data ? fread(data, 1, FILE_MAX, file) : 0;
    unsigned char *exact = data ? malloc(length ? length : 1) : NULL;

    /* A block of the exact size, so that the address sanitizer detects a read beyond the end. */
    if (exact) {
        memcpy(exact, data, length);
        (void)LLVMFuzzerTestOneInput(exact, length);
    }
    free(exact);
    free(data);
    if (file)
        (void)fclose(file);
    return exact ? 1 : 0;
}

static unsigned run_path(const char *path)
{
    DIR *folder = opendir(path);
    unsigned count = 0;

    if (!folder)
        return run_file(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name)
            count += run_path(name);
    }
    (void)closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%u inputs replayed\n", count);
    return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
