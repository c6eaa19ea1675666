# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by setup-p11kit.sh and setup-pair.sh: p11-kit's client module, and stopping a server.

# p11kit_client: prints its path; exits with 77 if a part is missing.
p11kit_client()
{
    client=
    for candidate in /usr/lib/*/pkcs11/p11-kit-client.so /usr/lib64/pkcs11/p11-kit-client.so; do
        [ ! -f "$candidate" ] || client=${client:-$candidate}
    done
    if [ -z "$client" ] || ! p11-kit server --help >/dev/null 2>&1; then
        echo "SKIPPED: p11-kit's server or client is not installed (p11-kit, p11-kit-modules)" >&2
        exit 77
    fi
    echo "$client"
}

# The descendants of a process.
below()
{
    for child in $(ps -o pid= --ppid "$1"); do
        echo "$child"
        below "$child"
    done
}

# kill_server SERVER SOCKET: kills the server described in the file SERVER and the processes it has
# started for each connection.
kill_server()
{
    if [ -f "$1" ]; then
        server=$(sed -n 's/.*P11_KIT_SERVER_PID=\([0-9]*\).*/\1/p' "$1")
        # shellcheck disable=SC2046 # lists of numbers
        [ -z "$server" ] || kill -9 "$server" $(below "$server") 2>/dev/null || true
        rm -f "$1" "$2"
    fi
}
