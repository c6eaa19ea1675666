/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of p11accept. See accept.h.
 */
#include <stdio.h>
#include <string.h>
#include "tools/accept/accept.h"

static const char usage[] =
    "usage: p11accept drive LIBRARY [OPTION]...   call a provider library directly\n"
    "           --identity NAME     IDENTITY of the session (default P11ACC)\n"
    "           --secret-file FILE  SECRET of the session, the first line of FILE\n"
    "           --limit-ms N        longest time that a call may take (default 10000)\n"
    "           --stub              the library is a stub: give it a wrong PIN, too\n"
    "       p11accept judge CHECKS SEEN OUT       compare and write OUT/report.md, "
    "OUT/report.json\n"
    "       p11accept guard SEEN                  whether SEEN lists objects of the kit only\n"
    "Exit status: 0 as expected, 1 a check failed, 2 findings only, 3 a file is missing.\n";

static int guard(const char *path)
{
    accept_lines seen;
    char why[ACCEPT_REASON] = "";
    if (!accept_lines_read(path, &seen)) {
        fprintf(stderr, "p11accept: %s cannot be read\n", path);
        return 3;
    }
    bool clean = accept_guard(&seen, why);
    accept_lines_free(&seen);
    puts(clean ? "only objects of the kit" : why);
    return clean ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "drive") == 0)
        return accept_drive(argc - 2, argv + 2);
    if (argc == 5 && strcmp(argv[1], "judge") == 0)
        return accept_report(argv[2], argv[3], argv[4]);
    if (argc == 3 && strcmp(argv[1], "guard") == 0)
        return guard(argv[2]);
    fputs(usage, stderr);
    return 3;
}
