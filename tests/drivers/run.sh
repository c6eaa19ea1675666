#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs Microsoft's ODBC driver with a key store provider against the simulated server.
#
#   run.sh KEYS MODULE CLIENT TEST [TOOL]
#     KEYS    files: the harness's provider; token: the product with SoftHSM
#     MODULE  the provider's library
#     CLIENT  the program of odbc_client.c
#     TEST    the module of tests: test_odbc, test_concurrency, test_product
#     TOOL    the program p11ekm, for test_product
#
# The driver and the tests' other packages come from PyPI into a cache outside the tree, for
# development and test only: the driver is Microsoft's, under its own license, and is never
# redistributed. Exit status 77 with SKIPPED if something is missing.
set -eu

[ $# -ge 4 ] || { echo "usage: $0 KEYS MODULE CLIENT TEST [TOOL]" >&2; exit 2; }
export P11EKM_TEST_KEYS="$1" P11EKM_TEST_MODULE="$2" P11EKM_TEST_CLIENT="$3"
export P11EKM_TEST_TOOL="${5-}"
test=$4
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/p11ekm
venv=$cache/drivers

skip() {
    echo "SKIPPED: $1"
    exit 77
}

install_packages() {
    [ ! -e "$venv/complete" ] || return 0
    rm -rf "$venv"
    python3 -m venv "$venv" || return 1
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 \
        -r "$here/requirements.txt" || return 1
    touch "$venv/complete"
}

if grep -q -e __asan_init -e __tsan_init "$2"; then
    skip "$2 is built with a sanitizer, whose runtime Python and the driver do not have"
fi
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
install_packages >"$cache/install.log" 2>&1 ||
    skip "the ODBC driver and pyodbc could not be installed from PyPI ($cache/install.log)"
exec 9>&-
if [ "$1" = token ]; then
    for program in softhsm2-util pkcs11-tool; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
fi
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
python=$venv/bin/python
reason=$("$python" -c 'import ctypes, environment; ctypes.CDLL(str(environment.driver()))' 2>&1) ||
    skip "the ODBC driver cannot be loaded: $(echo "$reason" | tail -n 1)"
exec "$python" "$test.py"
