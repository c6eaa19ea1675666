#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# p11ekm doctor on a token that reports that one more wrong PIN locks it: nothing logs in until an
# administrator says --last-try.
#
#   with-token memory last-try.sh P11EKM
set -eu
p11ekm=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 700 "$work"
printf '%s' "$PIN" >"$work/pin"
printf 'module = %s\nmodule_loader = direct\nlog = none\n[token main]\ntoken = %s\npin_file = %s/pin\n' \
    "$MODULE" "$TOKEN" "$work" >"$work/conf"
chmod 600 "$work/pin" "$work/conf"
export P11EKM_CONF="$work/conf" P11MEMORY_FLAGS=0x20000 # CKF_USER_PIN_FINAL_TRY

fail() { echo "FAILED: $1"; cat "$work/out"; exit 1; }
"$p11ekm" token list >"$work/out" 2>&1 || fail "token list"
grep -q 'one PIN attempt left' "$work/out" || fail "token list does not tell the last try"
if "$p11ekm" key list >"$work/out" 2>&1; then fail "key list logged in"; fi
grep -q 'PIN_LAST_TRY.*--last-try' "$work/out" || fail "key list does not name the next step"
if "$p11ekm" doctor >"$work/out" 2>&1; then fail "doctor found nothing"; fi
grep -q 'p11ekm doctor --last-try' "$work/out" || fail "doctor does not name the next step"
if grep -q 'ok *login' "$work/out"; then fail "doctor logged in"; fi
"$p11ekm" doctor --last-try >"$work/out" 2>&1 || true
grep -q 'WARN *PIN' "$work/out" || fail "doctor --last-try does not warn"
grep -q 'ok *login' "$work/out" || fail "doctor --last-try did not log in"
echo "passed"
