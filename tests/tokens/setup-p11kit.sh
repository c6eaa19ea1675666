#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A SoftHSM token behind p11-kit's remoting, for tests: a token that can be unplugged by stopping
# its server.
#
#   setup-p11kit.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS and the server's address
#   setup-p11kit.sh stop DIR
#   setup-p11kit.sh unplug DIR    kills the server and its connections
#   setup-p11kit.sh plug DIR      starts it again on the same address
#
# Exit status 77 with "SKIPPED: reason" where a part is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# serve DIR URI...: on the address of DIR; prints what a client needs, address and process id.
serve()
{
    dir=$1
    shift
    p11-kit server -n "$dir/socket" --provider "$(cat "$dir/provider")" "$@" >"$dir/server"
}

# The processes below one.
below()
{
    for child in $(ps -o pid= --ppid "$1"); do
        echo "$child"
        below "$child"
    done
}

# The server, and the processes it has made for each connection.
kill_server()
{
    # shellcheck disable=SC2046 # lists of numbers
    if [ -f "$1/server" ]; then
        server=$(sed -n 's/.*P11_KIT_SERVER_PID=\([0-9]*\).*/\1/p' "$1/server")
        [ -z "$server" ] || kill -9 "$server" $(below "$server") 2>/dev/null || true
        rm -f "$1/server" "$1/socket"
    fi
}

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
    echo "$MODULE" >"$dir/provider"
    serve "$dir" "pkcs11:token=$TOKEN"
    echo "export SOFTHSM2_CONF='$SOFTHSM2_CONF'"
    cat "$dir/server"
    # When its connection breaks, p11-kit 0.24 wakes one of the threads that wait for an answer; the
    # others would hang for ever. One call at a time avoids that.
    echo "export MODULE='$client' TOKEN='$TOKEN' PIN='$PIN' INIT_ARGS= CONF_EXTRA="
    ;;
stop | unplug) kill_server "$2" ;;
plug) serve "$2" "pkcs11:token=soft" ;;
esac
