#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A module that writes to standard output: the output of p11ekm stays intact.
#
#   test_stdout.sh P11EKM PYTHON
set -eu
p11ekm=$1
python=$2
work=$TOKEN_DIR/stdout
mkdir -m 700 "$work"
umask 077
printf '%s\n' "$PIN" >"$work/pin"
printf 'module = %s\nlog = none\n[token t]\ntoken = %s\npin_file = %s\n' "$MODULE" "$TOKEN" "$work/pin" >"$work/p11ekm.conf"
P11EKM_CONF=$work/p11ekm.conf
P11GATE_PRINTS=1
export P11EKM_CONF P11GATE_PRINTS

fail()
{
    echo "FAILED: $1"
    exit 1
}

# Only the module's text goes to standard error.
"$p11ekm" --json token list >"$work/out" 2>"$work/err" || fail "token list: $(cat "$work/err")"
grep -q 'HSM client' "$work/err" || fail "the module has not written anything"
"$python" -m json.tool "$work/out" >"$work/tidy" || fail "not JSON: $(cat "$work/out")"
grep -q "\"$TOKEN\"" "$work/tidy" || fail "the token is not in the list"

"$p11ekm" key create --algorithm RSA_2048 piped >"$work/out" 2>"$work/err" || fail "key create"
"$p11ekm" key list >"$work/out" 2>"$work/err" || fail "key list"
grep -q piped "$work/out" || fail "the key is not listed"
if grep -q 'HSM client' "$work/out"; then fail "the module's text is in the output"; fi
if grep -q piped "$work/err"; then fail "the output is in the errors"; fi

# A full disk is still reported.
if [ -c /dev/full ]; then
    status=0
    "$p11ekm" key list >/dev/full 2>"$work/err" || status=$?
    [ $status -eq 1 ] || fail "key list on a full disk ended with $status"
    grep -q 'standard output' "$work/err" || fail "the full disk is not reported"
fi
# It works without standard error or standard output, too.
"$p11ekm" key list >"$work/out" 2>&- || fail "without standard error"
grep -q piped "$work/out" || fail "no list without standard error"
echo passed
