#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two SoftHSM tokens, pair-0 and pair-1, each behind a p11-kit server of its own, joined by the pair
# module (pair_module.c, whose path P11PAIR names) to one library, for tests of groups of tokens. Both
# hold the RSA key "shared" (CKA_ID 5a).
#
#   setup-pair.sh start DIR      prints MODULE, TOKEN, TOKEN_1, PIN and what else to export
#   setup-pair.sh stop DIR
#   setup-pair.sh unplug-0 DIR   kills the server of pair-0 and its connections; unplug-1 likewise
#   setup-pair.sh plug-0 DIR     starts it again on the same address; plug-1 likewise
#
# Exit status 77 with "SKIPPED: reason" where a part is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tokens/p11kit-server.sh
. "$here/p11kit-server.sh"

# stop DIR N
stop()
{
    kill_server "$1/server-$2" "$1/socket-$2"
}

# serve DIR N
serve()
{
    SOFTHSM2_CONF=$1/hsm-$2/softhsm2.conf p11-kit server -n "$1/socket-$2" \
        --provider "$(cat "$1/provider")" "pkcs11:token=pair-$2" >"$1/server-$2"
}

# token DIR N: the token with its key, its server and its own copy of the client.
token()
{
    mkdir -p "$1/hsm-$2"
    "$here/../../scripts/make-softhsm-token" "$1/hsm-$2" "pair-$2" 1234 >/dev/null
    SOFTHSM2_CONF=$1/hsm-$2/softhsm2.conf softhsm2-util --import "$1/shared.pem" \
        --token "pair-$2" --label shared --id 5a --pin 1234 >&2
    cp "$client" "$1/client-$2.so"
    serve "$1" "$2"
    address=$(sed -n "s/.*P11_KIT_SERVER_ADDRESS=\([^;]*\).*/\1/p" "$1/server-$2")
    echo "export P11PAIR_MODULE_$2='$1/client-$2.so' P11PAIR_ADDRESS_$2=$address"
}

case $1 in
start)
    client=$(p11kit_client)
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    inner=$("$here/setup-softhsm.sh" start "$dir")
    eval "$inner"
    echo "$MODULE" >"$dir/provider"
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/shared.pem"
    token "$dir" 0
    token "$dir" 1
    rm -f "$dir/shared.pem"
    echo "export MODULE='$P11PAIR' TOKEN=pair-0 TOKEN_1=pair-1 PIN=1234 INIT_ARGS="
    ;;
stop)
    stop "$2" 0
    stop "$2" 1
    ;;
unplug-*) stop "$2" "${1#unplug-}" ;;
plug-*) serve "$2" "${1#plug-}" ;;
esac
