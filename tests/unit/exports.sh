#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library exports exactly the functions of the list, each of the stated kind, and stays mapped.
#   exports.sh LIBRARY LIST SOURCE_LIST HEADER
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sort "$2" >"$work/want"
nm -D --defined-only "$1" | awk '
    $2 == "T" { print $3, "function" }
    $2 == "D" || $2 == "B" || $2 == "R" { print $3, "data" }
    $2 !~ /^[TDBR]$/ { print $3, "kind " $2 }' | sort >"$work/have"
diff -u "$work/want" "$work/have"

# All entry points exist, and the EKM provider's names are those of the interface.
sed -n 's/^ *X([0-9]*, \(SqlCrypt[A-Za-z]*\),.*/\1/p' "$4" | sort >"$work/interface"
awk '$3 == "ekm" { print $1 }' "$3" | sort >"$work/ekm"
[ "$(wc -l <"$work/interface")" -eq 17 ]
diff -u "$work/interface" "$work/ekm"

readelf -dW "$1" >"$work/dynamic"
grep -q NODELETE "$work/dynamic"
grep -Eq 'BIND_NOW|FLAGS.*NOW' "$work/dynamic"
grep -q 'SONAME.*\[libp11ekm.so\]' "$work/dynamic"
echo "exports: $(wc -l <"$work/have") names, as listed"
