#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the subjects of the commits of a range: at most 72 characters, no period at the end, and a
component prefix ("core: move the journal") or a capital letter at the start. That the first word is an
imperative verb is for review. One finding a line. Exit status 1: findings; 2: wrong usage.

  scripts/lint.sh --commits RANGE"""

import re
import subprocess
import sys

MAX_SUBJECT = 72
PREFIX = re.compile(r"[a-z0-9][a-z0-9_./, -]*: \S")


def faults(subject):
    if len(subject) > MAX_SUBJECT:
        yield f"{len(subject)} characters, more than {MAX_SUBJECT}"
    if subject.endswith("."):
        yield "ends with a period"
    if not PREFIX.match(subject) and not subject[:1].isupper():
        yield 'begins neither with a component ("core: ") nor with a capital letter'


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    listing = subprocess.run(
        ["git", "log", "--no-merges", "--format=%h %s", sys.argv[1]], capture_output=True, text=True
    )
    if listing.returncode != 0:
        print(listing.stderr, end="", file=sys.stderr)
        return 2
    commits = [line.partition(" ") for line in listing.stdout.splitlines()]
    found = [f"{commit}: {fault}: {subject}" for commit, _, subject in commits for fault in faults(subject)]
    print("\n".join(found) if found else f"commits: clean ({len(commits)} subjects)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
