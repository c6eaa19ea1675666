#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# openCryptoki's software token, for tests. It knows only one place for its state: /etc/opencryptoki
# and /var/lib/opencryptoki are moved to DIR and put back by stop, so this needs root, and one run at
# a time.
#
#   setup-opencryptoki.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS
#   setup-opencryptoki.sh stop DIR
#   setup-opencryptoki.sh unplug DIR, plug DIR    stops and starts its daemon
#
# Exit status 77 with "SKIPPED: reason" where that is not possible.
set -eu

skip()
{
    echo "SKIPPED: $1" >&2
    exit 77
}

start()
{
    module=
    for candidate in /usr/lib/*/libopencryptoki.so.0 /usr/lib/*/opencryptoki/libopencryptoki.so.0; do
        [ ! -f "$candidate" ] || module=${module:-$candidate}
    done
    [ -n "$module" ] || skip "openCryptoki is not installed (opencryptoki, libopencryptoki0)"
    command -v pkcsslotd >/dev/null || skip "pkcsslotd is not installed (opencryptoki)"
    [ "$(id -u)" = 0 ] || skip "openCryptoki's software token needs root to be set up"
    if [ -f /run/pkcsslotd.pid ] && kill -0 "$(cat /run/pkcsslotd.pid)" 2>/dev/null; then
        skip "pkcsslotd is running: its tokens are left alone"
    fi

    mkdir -p "$dir/ock"
    cp -a /etc/opencryptoki "$dir/ock/etc"
    cp -a /var/lib/opencryptoki "$dir/ock/var"
    # The token's folder is emptied, but for the place itself.
    find /var/lib/opencryptoki/swtok -mindepth 1 -type f -delete
    printf 'version opencryptoki-3.8\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n' \
        >/etc/opencryptoki/opencryptoki.conf
    pkcsslotd >&2
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -s /run/pkcsslotd.pid ] && break
        sleep 0.2
    done
    {
        echo ock | pkcsconf -I -c 3 -S 87654321
        pkcsconf -P -c 3 -S 87654321 -n 76543210
        pkcsconf -u -c 3 -S 76543210 -n 12345678
        pkcsconf -p -c 3 -U 12345678 -n 1234567
    } >"$dir/ock/log" 2>&1 || {
        cat "$dir/ock/log" >&2
        stop
        exit 1
    }
    echo "export MODULE='$module' TOKEN=ock PIN=1234567 INIT_ARGS="
}

stop()
{
    [ -d "$dir/ock/etc" ] || return 0
    stop_daemon
    rm -rf /etc/opencryptoki /var/lib/opencryptoki
    cp -a "$dir/ock/etc" /etc/opencryptoki
    cp -a "$dir/ock/var" /var/lib/opencryptoki
    rm -rf "$dir/ock"
}

stop_daemon()
{
    if [ -s /run/pkcsslotd.pid ]; then
        daemon=$(cat /run/pkcsslotd.pid)
        kill "$daemon" 2>/dev/null || true
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$daemon" 2>/dev/null || break
            sleep 0.2
        done
    fi
}

mkdir -p "$2"
dir=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) stop ;;
unplug) stop_daemon ;;
plug) pkcsslotd >&2 ;;
esac
