# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Shared by the scripts here: a new instance in a temporary folder, ekmsql run on statements from
# standard input, and its output compared with expected/NAME.out. UPDATE=1 overwrites that file
# (read the difference then).
set -u
ekmsql=$1
fakes=$2
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0" .sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
output=$work/output
: >"$output"
failures=0
instance=$work/instance
FAKE_KEYS=$work/token
export FAKE_KEYS
unset FAKE_TROUBLE FAKE_PIN

normalise()
{
    sed -E -e "s|$work|WORK|g; s|$fakes|FAKES|g" \
        -e 's/0x[0-9A-F]{24,}/0xHEX/g; s/ +$//' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{12}/TIME/g; s/-{20,}/-----/g; s/ {20,}/     /g' \
        -e 's/ [0-9]+ us$//'
}

# sql TITLE [option]... <<SQL: runs ekmsql; $TROUBLE, if set, is the provider's fault.
sql()
{
    title=$1
    shift
    {
        echo "== $title"
        FAKE_TROUBLE=${TROUBLE:-} "$ekmsql" -S "$instance" "$@" 2>&1 | normalise
    } >>"$output"
}

# check TITLE command...: fails the test unless the command succeeds.
check()
{
    title=$1
    shift
    if "$@"; then
        echo "ok: $title" >>"$output"
    else
        echo "FAILED: $title"
        failures=$((failures + 1))
    fi
}

# A provider P, credentials for sa and for the TDE login, EKM enabled.
prepare()
{
    "$ekmsql" -S "$instance" -b -Q "EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
        EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
        CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so';
        CREATE CREDENTIAL c FROM_NOTHING" >/dev/null && echo "a syntax error did not stop a batch"
    "$ekmsql" -S "$instance" -b -Q "EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
        EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
        CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so';
        CREATE CREDENTIAL c WITH IDENTITY='token', SECRET='1234' FOR CRYPTOGRAPHIC PROVIDER P;
        CREATE CREDENTIAL c2 WITH IDENTITY='token', SECRET='1234' FOR CRYPTOGRAPHIC PROVIDER P;
        ALTER LOGIN sa ADD CREDENTIAL c" >/dev/null || failures=$((failures + 1))
}

# A TDE database "Vault" with the word MARKER in a table.
prepare_tde()
{
    prepare
    "$ekmsql" -S "$instance" -b >/dev/null <<'SQL' || failures=$((failures + 1))
CREATE ASYMMETRIC KEY K FROM PROVIDER P WITH ALGORITHM=RSA_2048, PROVIDER_KEY_NAME='tde';
CREATE LOGIN L FROM ASYMMETRIC KEY K;
ALTER LOGIN L ADD CREDENTIAL c2;
CREATE DATABASE Vault;
GO
USE Vault;
CREATE TABLE t(id INT, word NVARCHAR(40));
INSERT INTO t VALUES (1, N'MARKER-of-plaintext');
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM=AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
ALTER DATABASE Vault SET ENCRYPTION ON;
SQL
}

finish()
{
    if [ "${UPDATE:-}" = 1 ]; then
        cp "$output" "$here/expected/$name.out"
    elif ! diff -u "$here/expected/$name.out" "$output"; then
        failures=$((failures + 1))
    fi
    [ "$failures" -eq 0 ] || exit 1
}
