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
# shellcheck source=tests/tokens/p11kit-server.sh
. "$here/p11kit-server.sh"

# serve DIR URI...: serves on the address of DIR; prints address and process id for the client.
serve()
{
    dir=$1
    shift
    p11-kit server -n "$dir/socket" --provider "$(cat "$dir/provider")" "$@" >"$dir/server"
}

case $1 in
start)
    client=$(p11kit_client)
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    inner=$("$here/setup-softhsm.sh" start "$dir")
    eval "$inner"
    echo "$MODULE" >"$dir/provider"
    serve "$dir" "pkcs11:token=$TOKEN"
    echo "export SOFTHSM2_CONF='$SOFTHSM2_CONF'"
    cat "$dir/server"
    # When its connection breaks, p11-kit 0.24 wakes only one of the threads that wait for an
    # answer; the others would hang for ever. One call at a time avoids that.
    echo "export MODULE='$client' TOKEN='$TOKEN' PIN='$PIN' INIT_ARGS= CONF_EXTRA="
    ;;
stop | unplug) kill_server "$2/server" "$2/socket" ;;
plug) serve "$2" "pkcs11:token=soft" ;;
esac
