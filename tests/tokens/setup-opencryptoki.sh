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

    # Under its name only when it is complete: stop puts back what it finds there.
    mkdir -p "$dir/ock.part"
    cp -a /etc/opencryptoki "$dir/ock.part/etc"
    cp -a /var/lib/opencryptoki "$dir/ock.part/var"
    mv "$dir/ock.part" "$dir/ock"
    # The token's folder is emptied but not removed.
    find /var/lib/opencryptoki/swtok -mindepth 1 -type f -delete
    printf 'version opencryptoki-3.8\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n' \
        >/etc/opencryptoki/opencryptoki.conf
    start_daemon
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

# Its process id is kept, because the daemon's own file names the last daemon only. Until it is
# known a marker file exists, for a stop that comes in between.
start_daemon()
{
    rm -f /run/pkcsslotd.pid
    : >"$dir/ock/starting"
    pkcsslotd >&2
    note_daemon
}

note_daemon()
{
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -s /run/pkcsslotd.pid ] && break
        sleep 0.2
    done
    if [ -s /run/pkcsslotd.pid ]; then
        printf '%s\n' "$(cat /run/pkcsslotd.pid)" >>"$dir/ock/daemons"
    fi
    rm -f "$dir/ock/starting"
}

# Only SIGKILL ends it at once: after SIGTERM it waits a second or two, and while a client is
# connected it stays.
stop_daemon()
{
    [ ! -f "$dir/ock/starting" ] || note_daemon
    [ -f "$dir/ock/daemons" ] || return 0
    while read -r daemon; do
        kill -9 "$daemon" 2>/dev/null || true
    done <"$dir/ock/daemons"
    rm -f "$dir/ock/daemons" /run/pkcsslotd.pid
}

mkdir -p "$2"
dir=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) stop ;;
unplug) stop_daemon ;;
plug) start_daemon ;;
esac
