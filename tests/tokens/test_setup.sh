#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# with-token leaves no processes or files: when its command succeeds or fails, and when it is
# interrupted, terminated or killed during the command or during the set-up.
#
#   test_setup.sh KIND ...
#
# Exit status 77 with "SKIPPED: reason" if the machine can run none of these tokens.
set -u
here=$(cd "$(dirname "$0")" && pwd)
failures=0
runs=0
TMPDIR=$(mktemp -d)
P11EKM_SETUP_MARK=$TMPDIR
export TMPDIR P11EKM_SETUP_MARK

# shellcheck disable=SC2317 # the trap calls it
clear_up()
{
    for pid in $(marked); do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$TMPDIR"
}
trap clear_up EXIT

# The processes whose environment has the mark, except this shell's own.
marked()
{
    grep -lz "^P11EKM_SETUP_MARK=$TMPDIR\$" /proc/[0-9]*/environ 2>/dev/null |
        sed 's|/proc/\([0-9]*\)/.*|\1|' | while read -r pid; do
        [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ] || ps -o pid= -p "$pid"
    done
}

# gone KIND CASE: checks that within ten seconds nothing is left.
gone()
{
    runs=$((runs + 1))
    for _ in $(seq 50); do
        left=$(marked)
        # shellcheck disable=SC2086 # numbers
        [ -n "$left" ] || [ -n "$(ls "$TMPDIR")" ] || return 0
        sleep 0.2
    done
    echo "FAILED: $1, $2: left behind:"
    # shellcheck disable=SC2086 # numbers
    [ -z "$left" ] || ps -o pid,args -p "$(echo $left | tr ' ' ,)"
    ls -A "$TMPDIR"
    failures=$((failures + 1))
    rm -rf "${TMPDIR:?}"/*
}

# signalled KIND SIGNAL WHO WHEN: signals with-token alone, or all of its process group.
signalled()
{
    rm -f "$TMPDIR/at-work"
    # A shell's background command ignores INT.
    # shellcheck disable=SC2016 # the inner shell's
    setsid env --default-signal=INT,QUIT "$here/with-token" "$1" sh -c ': >"$0"; exec sleep 60' "$TMPDIR/at-work" >"$TMPDIR/log" 2>&1 &
    pid=$!
    if [ "$4" = at-work ]; then
        for _ in $(seq 150); do
            [ ! -e "$TMPDIR/at-work" ] || break
            sleep 0.1
        done
        [ -e "$TMPDIR/at-work" ] || echo "FAILED: $1 is not there: $(cat "$TMPDIR/log")"
    else
        sleep "$4"
    fi
    case $3 in
    all) env kill "-$2" -- "-$pid" ;; # the shell's own takes no group
    *) kill "-$2" "$pid" ;;
    esac
    wait "$pid"
    # If the shell is killed, the caller has to end a command that is still running.
    [ "$2" != KILL ] || [ "$3" = all ] || pkill -9 -s "$pid" -x sleep
    rm -f "$TMPDIR/at-work" "$TMPDIR/log"
    gone "$1" "$2 to $3, $4"
}

for kind in "$@"; do
    "$here/with-token" "$kind" true >"$TMPDIR/log" 2>&1
    if [ $? -eq 77 ]; then
        grep -h SKIPPED "$TMPDIR/log" | sed "s/^/$kind: /"
        rm -f "$TMPDIR/log"
        continue
    fi
    rm -f "$TMPDIR/log"
    gone "$kind" success
    "$here/with-token" "$kind" false >/dev/null 2>&1 && echo "FAILED: false succeeded"
    gone "$kind" failure
    signalled "$kind" INT all at-work
    signalled "$kind" TERM one at-work
    signalled "$kind" HUP one at-work
    signalled "$kind" KILL one at-work
    signalled "$kind" KILL all at-work
    for moment in 0.05 0.2 0.7; do
        signalled "$kind" TERM all $moment
    done
done
[ $runs -gt 0 ] || exit 77
echo "$runs ways to end, $failures with something left behind"
[ $failures -eq 0 ]
