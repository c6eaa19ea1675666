#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A TPM 2.0 token for tests: tpm2-pkcs11 on the software TPM swtpm, through the resource manager
# tpm2-abrmd on a private bus, because a bare TPM runs out of object contexts. The AES key is made
# here: the module makes none.
#
#   setup-tpm2.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS and the way to the TPM
#   setup-tpm2.sh stop DIR
#
# Exit status 77 with "SKIPPED: reason" where a part is missing.
set -eu

kill_from()
{
    if [ -s "$1" ]; then
        kill "$(cat "$1")" 2>/dev/null || true
        rm -f "$1"
    fi
}

stop()
{
    # The bus prints its process id in the second line, before it is stored elsewhere.
    [ -s "$dir/tpm/dbus.pid" ] || sed -n 2p "$dir/tpm/dbus.info" 2>/dev/null >"$dir/tpm/dbus.pid" || true
    for name in abrmd dbus swtpm; do
        kill_from "$dir/tpm/$name.pid"
    done
}

# Finds two free ports; the TCTI expects the control port right above the server port.
ports()
{
    python3 - <<'END'
import socket
for port in range(23210, 23400, 2):
    try:
        pair = [socket.create_server(("127.0.0.1", port + i)) for i in (0, 1)]
    except OSError:
        continue
    for one in pair:
        one.close()
    print(port)
    break
END
}

start()
{
    module=
    for candidate in /usr/lib/*/pkcs11/libtpm2_pkcs11.so /usr/lib/*/libtpm2_pkcs11.so; do
        [ ! -f "$candidate" ] || module=${module:-$candidate}
    done
    for need in swtpm tpm2_ptool tpm2-abrmd dbus-daemon; do
        command -v "$need" >/dev/null || module=
    done
    if [ -z "$module" ]; then
        echo "SKIPPED: a part of libtpm2-pkcs11-1, libtpm2-pkcs11-tools, swtpm, tpm2-abrmd," \
            "tpm2-tools, dbus is not installed" >&2
        exit 77
    fi
    mkdir -p "$dir/tpm/state" "$dir/tpm/store"
    port=$(ports)
    swtpm socket --tpm2 --tpmstate dir="$dir/tpm/state" \
        --server type=tcp,port="$port",bindaddr=127.0.0.1 \
        --ctrl type=tcp,port=$((port + 1)),bindaddr=127.0.0.1 \
        --flags not-need-init,startup-clear --daemon --pid file="$dir/tpm/swtpm.pid"
    dbus-daemon --session --fork --print-address=1 --print-pid=1 >"$dir/tpm/dbus.info"
    DBUS_SESSION_BUS_ADDRESS=$(sed -n 1p "$dir/tpm/dbus.info")
    sed -n 2p "$dir/tpm/dbus.info" >"$dir/tpm/dbus.pid"
    export DBUS_SESSION_BUS_ADDRESS
    tpm2-abrmd --allow-root --session --tcti=swtpm:host=127.0.0.1,port="$port" \
        >"$dir/tpm/abrmd.log" 2>&1 &
    echo $! >"$dir/tpm/abrmd.pid"
    sleep 1
    provision >"$dir/tpm/log" 2>&1 || {
        cat "$dir/tpm/log" >&2
        stop
        exit 1
    }
    echo "export DBUS_SESSION_BUS_ADDRESS='$DBUS_SESSION_BUS_ADDRESS'"
    echo "export TPM2_PKCS11_TCTI=tabrmd:bus_type=session TPM2_PKCS11_STORE='$dir/tpm/store'"
    echo "export TPM2_PKCS11_BACKEND=esysdb TSS2_LOG=all+NONE"
    # Two threads that open and close sessions at once make this module free memory twice.
    echo "export MODULE='$module' TOKEN=tpm PIN=1234 INIT_ARGS= CONF_EXTRA="
    # Its RSA keys have at most 3072 bits, and all can sign and decrypt: a template that forbids
    # either is refused. A forked child would use its parent's connection to the TPM.
    echo "export TOKEN_LIMITS='dual-use no-fork rsa-3072'"
}

provision()
{
    TPM2TOOLS_TCTI=tabrmd:bus_type=session
    TPM2_PKCS11_TCTI=$TPM2TOOLS_TCTI TPM2_PKCS11_STORE=$dir/tpm/store
    TPM2_PKCS11_BACKEND=esysdb TSS2_LOG=all+NONE
    export TPM2TOOLS_TCTI TPM2_PKCS11_TCTI TPM2_PKCS11_STORE TPM2_PKCS11_BACKEND TSS2_LOG
    tpm2_ptool init &&
        tpm2_ptool addtoken --pid=1 --label=tpm --sopin=12345678 --userpin=1234 &&
        tpm2_ptool addkey --algorithm=rsa2048 --label=tpm --key-label=rsa --id=1 --userpin=1234 &&
        tpm2_ptool addkey --algorithm=aes256 --label=tpm --key-label=aes --id=a --userpin=1234
}

mkdir -p "$2"
dir=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) stop ;;
esac
