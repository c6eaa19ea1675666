#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A SoftHSM token in DIR, for tests.
#
#   setup-softhsm.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS and what else to export
#   setup-softhsm.sh stop DIR
#   setup-softhsm.sh unplug DIR, plug DIR    takes its directory away and brings it back
#
# Exit status 77 with "SKIPPED: reason" where the machine has no SoftHSM.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

case $1 in
start)
    module=
    for candidate in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
        /usr/local/lib/softhsm/libsofthsm2.so; do
        [ ! -f "$candidate" ] || module=${module:-$candidate}
    done
    if [ -z "$module" ] || ! command -v softhsm2-util >/dev/null; then
        echo "SKIPPED: softhsm2 is not installed" >&2
        exit 77
    fi
    "$here/../../scripts/make-softhsm-token" "$2" soft 1234
    echo "export MODULE='$module' TOKEN=soft PIN=1234 INIT_ARGS="
    echo "export TOKEN_LIMITS=store-races" # stress_ekm.c
    ;;
stop) ;;
unplug) mv "$2/tokens" "$2/tokens.away" ;;
plug) mv "$2/tokens.away" "$2/tokens" ;;
esac
