#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the rules of the project: scripts/lint_sources.py (includes, layers, banned functions and words,
# sizes, license lines, source lists), scripts/cycles (reads the object files of $P11EKM_BUILD or
# build/release, if there are any), scripts/thread-safety (locks, with clang), clang-format, shellcheck, and with --tidy clang-tidy. Needs no build.
# A tool that is not installed is reported as SKIPPED.
#
#   scripts/lint.sh [--tidy [FILE.c ...]]
#   scripts/lint.sh --commits RANGE      the subjects of commits, as main..HEAD
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

listed()
{
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r name; do
        [ ! -f "$name" ] || echo "$name"
    done
}

# check NAME COMMAND...: one line if the command succeeds, else all that it prints.
check()
{
    name=$1
    shift
    if "$@" >"$scratch/output" 2>&1; then
        echo "$name: clean"
    else
        cat "$scratch/output"
        echo "$name: failed"
        failed=1
    fi
}

case ${1:-} in
--commits)
    shift
    exec python3 scripts/lint_commits.py "$@"
    ;;
--tidy)
    shift
    if ! tidy=$(scripts/find-tool clang-tidy); then
        echo "SKIPPED: clang-tidy 14 or later is not installed"
        exit 0
    fi
    if [ $# -eq 0 ]; then
        # The names of the tree contain no blanks.
        # shellcheck disable=SC2046
        set -- $(listed 'core/*.c' 'pkcs11/*.c' 'ekm/*.c' 'cmk/*.c' 'module/*.c' 'tools/*.c' |
            grep -v -e '_windows' -e 'windows_')
    fi
    build=${P11EKM_BUILD:-build/release}
    if [ ! -f "$build/compile_commands.json" ]; then
        build=$scratch/build
        cmake -S . -B "$build" -G Ninja >"$scratch/configure" 2>&1 || {
            cat "$scratch/configure"
            exit 1
        }
    fi
    # The compilation database may be made for gcc, which has warnings that clang does not know.
    check clang-tidy "$tidy" --quiet --extra-arg=-Wno-unknown-warning-option -p "$build" "$@"
    exit $failed
    ;;
'') ;;
*)
    sed -n '8,9s/^# *//p' "$0" >&2
    exit 2
    ;;
esac

python3 scripts/lint_sources.py || failed=1
scripts/cycles --brief || failed=1
scripts/thread-safety || failed=1

if format=$(scripts/find-tool clang-format); then
    listed '*.c' '*.h' >"$scratch/c-files"
    if xargs -r "$format" --dry-run --Werror <"$scratch/c-files" >"$scratch/format" 2>&1; then
        echo "clang-format: clean"
    else
        cat "$scratch/format"
        echo "clang-format: failed; run $format -i on these files:"
        sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: error:.*/\1/p' "$scratch/format" | sort | uniq -c | sort -rn
        case $("$format" --version) in
        *'version 14.'*) ;;
        *) echo "clang-format: the tree is formatted by version 14; this is $("$format" --version)" ;;
        esac
        failed=1
    fi
else
    echo "SKIPPED: clang-format 14 or later is not installed"
fi

if command -v shellcheck >/dev/null; then
    listed 'scripts/*' '.ci/*' 'tests/*' | while read -r name; do
        head -1 "$name" | grep -Eq '^#!.*\b(sh|bash)$' && echo "$name"
    done >"$scratch/shell-scripts"
    check shellcheck xargs -r -a "$scratch/shell-scripts" shellcheck
else
    echo "SKIPPED: shellcheck is not installed"
fi
exit $failed
