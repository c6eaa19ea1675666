#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The objects of another token lie among those of this one (a folder restored from the wrong
# backup): SoftHSM cannot decrypt them and returns CKR_GENERAL_ERROR for them, also from searches.
#
#   foreign_object.sh P11EKM DATE_KEY     under with-token softhsm
set -u
p11ekm=$1
date_key=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

"$here/../../scripts/make-softhsm-token" "$TOKEN_DIR" other "$PIN" >/dev/null 2>&1 || exit 77
printf %s "$PIN" >"$work/pin"
chmod 600 "$work/pin"
P11EKM_CONF=$work/p11ekm.conf
export P11EKM_CONF
cat >"$P11EKM_CONF" <<END
module = $MODULE
log = none
pin_file = $work/pin
[token this]
token = $TOKEN
[token other]
token = other
END
chmod 600 "$P11EKM_CONF"

# check TITLE PATTERN COMMAND...: the command succeeds, and a line of its output matches.
check()
{
    title=$1
    pattern=$2
    shift 2
    if "$@" >"$work/out" 2>&1 && grep -Eq "$pattern" "$work/out"; then
        echo "ok: $title"
    else
        echo "FAILED: $title: no line fits \"$pattern\" in:"
        cat "$work/out"
        failures=$((failures + 1))
    fi
}

check "a key is made here" created "$p11ekm" key create --token this --algorithm RSA_2048 good
# SoftHSM stores the dates of a private key but does not return them.
check "and one that gets an end date" created "$p11ekm" key create --token this --algorithm RSA_2048 dated
"$date_key" dated 20200101 || failures=1
# The folder of this token: the only one that has objects besides the token object.
for object in "$TOKEN_DIR"/tokens/*/*.object; do
    case $object in
    */token.object) ;;
    *) this=$(dirname "$object") ;;
    esac
done
check "and keys on the other token" created "$p11ekm" key create --token other --algorithm RSA_2048 foreign
check "of both kinds" created "$p11ekm" key create --token other --algorithm AES_256 foreign2
for object in "$TOKEN_DIR"/tokens/*/*.object; do
    case $object in
    "$this"/* | */token.object) ;;
    *) cp "$object" "$this/" ;;
    esac
done

check "the key is listed" '^[0-9a-f]{32} +RSA_2048 +good$' "$p11ekm" key list --token this
check "the strange one is named as unreadable" 'ignored, unreadable: .*CKR_GENERAL_ERROR' "$p11ekm" key list --token this
check "the key is found by its name" '^name +good$' "$p11ekm" key show --token this good
check "another key is made" created "$p11ekm" key create --token this --algorithm RSA_2048 second
# shellcheck disable=SC2016 # the inner shell's variable
check "a name stays taken" KEY_EXISTS sh -c '! "$0" key create --token this --algorithm RSA_2048 second' "$p11ekm"
check "keys encrypt and decrypt" 'ok +round trip' "$p11ekm" doctor --token this
check "doctor warns of it" 'WARN.*is ignored, it cannot be read' "$p11ekm" doctor --token this
check "a dated key is listed" '^[0-9a-f]{32} +RSA_2048 +dated$' "$p11ekm" key list --token this
check "and shown without dates" '^valid +unknown' "$p11ekm" key show --token this dated
check "doctor says that they are not known" 'WARN.*key "dated": the token refuses to tell its dates' "$p11ekm" doctor --token this
check "a key is retired by its name" retired "$p11ekm" key retire --token this --yes second second
[ $failures -eq 0 ]
