#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The rules of the project: scripts/lint_sources.py (includes, layers, banned functions, sizes, licence
# lines), scripts/cycles (reads the object files of $P11EKM_BUILD or build/release, if they are there),
# clang-format, shellcheck, and with --tidy clang-tidy (a configured build/release is needed).
#
#   scripts/lint.sh [--tidy [FILE.c ...]]
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

listed()
{
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r name; do
        [ ! -f "$name" ] || echo "$name"
    done
}

if [ "${1:-}" = --tidy ]; then
    shift
    if [ $# -eq 0 ]; then
        # The names have no blanks: they are ours.
        # shellcheck disable=SC2046
        set -- $(listed 'core/*.c' 'pkcs11/*.c' 'ekm/*.c' 'cmk/*.c' 'module/*.c' 'tools/*.c' |
            grep -v -e '_windows' -e 'windows_')
    fi
    # The compilation database may be gcc's, with warnings that clang has not.
    clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option \
        -p "${P11EKM_BUILD:-build/release}" "$@" 2>/dev/null || exit 1
    echo "clang-tidy: clean"
    exit 0
fi

python3 scripts/lint_sources.py || failed=1
scripts/cycles --brief || failed=1

if command -v clang-format-14 >/dev/null; then
    if listed '*.c' '*.h' | xargs -r clang-format-14 --dry-run --Werror 2>build/format.log; then
        echo "clang-format: clean"
    else
        grep -E '^[^ ].*error:' build/format.log | cut -d: -f1 | sort | uniq -c | sort -rn
        echo "clang-format: run clang-format-14 -i on these"
        failed=1
    fi
else
    echo "SKIPPED: clang-format-14 is not installed"
fi

if command -v shellcheck >/dev/null; then
    listed 'scripts/*' '.ci/*' 'tests/*' | while read -r name; do
        head -1 "$name" | grep -Eq '^#!.*\b(sh|bash)$' && echo "$name"
    done >build/shell-scripts.txt
    if xargs -r shellcheck <build/shell-scripts.txt; then
        echo "shellcheck: clean"
    else
        failed=1
    fi
else
    echo "SKIPPED: shellcheck is not installed"
fi
exit $failed
