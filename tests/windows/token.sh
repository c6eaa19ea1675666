# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# Sourced by the test scripts here with $dll set to softhsm2.dll: makes a token in a folder of
# Wine's drive C: (all folders above a module must be safe, and /tmp is not), with configurations
# of SoftHSM and p11ekm for both systems over the same token. Sets dir (this system's path), win
# (the Windows path), and for Wine SOFTHSM2_CONF and P11EKM_CONF. The folder is removed at exit.
for tool in wine softhsm2-util; do
    command -v "$tool" >/dev/null || {
        echo "SKIPPED: no $tool"
        exit 77
    }
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
umask 022
set -E
trap 'echo "FAIL  line $LINENO: $BASH_COMMAND"' ERR
failed=0

windows() { "$here/run-wine" "$@" | tr -d '\r'; }

# expect NAME PATTERN TEXT: the text has a line that matches.
expect() {
    if grep -Eq -- "$2" <<<"$3"; then
        echo "ok    $1"
    else
        printf 'FAIL  %s: no "%s" in\n%s\n' "$1" "$2" "$3"
        failed=1
    fi
}

export P11EKM_WINEPREFIX=${P11EKM_WINEPREFIX:-${TMPDIR:-/tmp}/p11ekm-wine-$(id -u)}
"$here/run-wine" cmd /c exit # makes the prefix
dir=$(mktemp -d "$P11EKM_WINEPREFIX/drive_c/p11ekm-XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
win="C:\\$(basename "$dir")"
mkdir "$dir/tokens"
cp "$dll" "$dir/softhsm2.dll"
chmod 644 "$dir/softhsm2.dll"
softhsm_conf='objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n'
printf "directories.tokendir = %s\\n$softhsm_conf" "$win\\tokens" >"$dir/windows-softhsm.conf"
printf "directories.tokendir = %s\\n$softhsm_conf" "$dir/tokens" >"$dir/native-softhsm.conf"
SOFTHSM2_CONF=$dir/native-softhsm.conf softhsm2-util --init-token --free --label soft \
    --so-pin 12345678 --pin 1234 >/dev/null
printf 1234 >"$dir/pin"
chmod 600 "$dir/pin"
native_softhsm=/usr/lib/softhsm/libsofthsm2.so
printf 'module = %s\naudit = none\n[token soft]\ntoken = soft\npin_file = %s\n' \
    "$native_softhsm" "$dir/pin" >"$dir/native.conf"
printf 'module = %s\naudit = none\n[token soft]\ntoken = soft\n' \
    "${win/\\//}/softhsm2.dll" >"$dir/windows.conf"
export SOFTHSM2_CONF="$win\\windows-softhsm.conf" P11EKM_CONF="$win\\windows.conf"

# native COMMAND...: on this system, over the same token.
native() {
    SOFTHSM2_CONF=$dir/native-softhsm.conf P11EKM_CONF=$dir/native.conf "$@"
}
