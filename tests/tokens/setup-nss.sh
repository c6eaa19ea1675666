#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# NSS's software token in DIR, for tests. One PBE iteration, because NSS derives the database's key
# again for every private-key operation: with the default count, benchmarks would measure only that.
#
#   setup-nss.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS
#   setup-nss.sh stop DIR
#
# Exit status 77 with "SKIPPED: reason" where NSS or its certutil is missing.
set -eu

case $1 in
start)
    module=
    for candidate in /usr/lib/*/libsoftokn3.so /usr/lib/*/nss/libsoftokn3.so \
        /usr/lib64/libsoftokn3.so; do
        [ ! -f "$candidate" ] || module=${module:-$candidate}
    done
    if [ -z "$module" ] || ! command -v certutil >/dev/null; then
        echo "SKIPPED: NSS is not installed (libnss3, libnss3-tools)" >&2
        exit 77
    fi
    mkdir -p "$2/nss"
    dir=$(cd "$2/nss" && pwd)
    echo 1234 >"$dir/pw"
    NSS_MAX_MP_PBE_ITERATION_COUNT=1 certutil -N -d "sql:$dir" -f "$dir/pw" >&2
    echo "export MODULE='$module' TOKEN='NSS Certificate DB' PIN=1234"
    echo "export INIT_ARGS=\"configdir='sql:$dir' certPrefix='' keyPrefix='' secmod='secmod.db' flags= \""
    echo "export NSS_MAX_MP_PBE_ITERATION_COUNT=1"
    ;;
stop) ;;
esac
