#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A SoftHSM token behind p11-kit's remoting, for tests: a token that can be unplugged by stopping
# its server.
#
#   setup-p11kit.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS and the server's address
#   setup-p11kit.sh stop DIR
#
# Exit status 77 with "SKIPPED: reason" where a part is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

case $1 in
start)
    client=
    for candidate in /usr/lib/*/pkcs11/p11-kit-client.so /usr/lib64/pkcs11/p11-kit-client.so; do
        [ ! -f "$candidate" ] || client=${client:-$candidate}
    done
    if [ -z "$client" ] || ! p11-kit server --help >/dev/null 2>&1; then
        echo "SKIPPED: p11-kit's server or client is not installed (p11-kit, p11-kit-modules)" >&2
        exit 77
    fi
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    inner=$("$here/setup-softhsm.sh" start "$dir")
    eval "$inner"
    p11-kit server -n "$dir/socket" --provider "$MODULE" "pkcs11:token=$TOKEN" >"$dir/server"
    # The server prints what a client needs, address and process id.
    cat "$dir/server"
    echo "export MODULE='$client' TOKEN='$TOKEN' PIN='$PIN' INIT_ARGS="
    ;;
stop)
    if [ -f "$2/server" ]; then
        server=$(sed -n 's/.*P11_KIT_SERVER_PID=\([0-9]*\).*/\1/p' "$2/server")
        [ -z "$server" ] || kill "$server" 2>/dev/null || true
        rm -f "$2/server"
    fi
    ;;
esac
