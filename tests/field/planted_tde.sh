#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A database encrypted under a key of the token while keys are planted there without the PIN:
# copies of the protector, and keys under a name that will be used later.
#
#   planted_tde.sh EKMSQL PROVIDER P11EKM PLANT_KEYS     under with-token
set -u
ekmsql=$1
provider=$2
p11ekm=$3
plant=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

printf %s "$PIN" >"$work/pin"
chmod 600 "$work/pin"
P11EKM_CONF=$work/p11ekm.conf
export P11EKM_CONF
cat >"$P11EKM_CONF" <<END
module = $MODULE
log = none
startup_tries = 1
[token t]
token = $TOKEN
pin_file = $work/pin
END
chmod 600 "$P11EKM_CONF"

# Each call is a new process, so the instance restarts each time.
sql()
{
    "$ekmsql" -S "$work/instance" "$@" 2>&1
}

# expect TITLE PATTERN: a line of standard input matches.
expect()
{
    if grep -Eq "$2" "$work/out"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: no line fits \"$2\" in:"
        cat "$work/out"
        failures=$((failures + 1))
    fi
}

refuse()
{
    if grep -Eq "$2" "$work/out"; then
        echo "FAILED: $1: a line fits \"$2\" in:"
        cat "$work/out"
        failures=$((failures + 1))
    else
        echo "ok: $1"
    fi
}

cat >"$work/first.sql" <<SQL
EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
GO
CREATE CRYPTOGRAPHIC PROVIDER p11ekm FROM FILE = '$provider';
GO
CREATE CREDENTIAL c WITH IDENTITY = 't', SECRET = '$PIN' FOR CRYPTOGRAPHIC PROVIDER p11ekm;
ALTER LOGIN [sa] ADD CREDENTIAL c;
GO
CREATE ASYMMETRIC KEY k FROM PROVIDER p11ekm WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'TDE_A', CREATION_DISPOSITION = CREATE_NEW;
GO
CREATE CREDENTIAL c2 WITH IDENTITY = 't', SECRET = '$PIN' FOR CRYPTOGRAPHIC PROVIDER p11ekm;
CREATE LOGIN l FROM ASYMMETRIC KEY k; ALTER LOGIN l ADD CREDENTIAL c2;
GO
CREATE DATABASE d;
GO
USE d;
GO
CREATE TABLE words(id INT, word NVARCHAR(40));
INSERT INTO words VALUES (1, N'kept');
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY k;
ALTER DATABASE d SET ENCRYPTION ON;
GO
SQL
sql -i "$work/first.sql" >"$work/out"
refuse "the database is encrypted" '^Msg'

"$plant" TDE_A PLANNED public >"$work/out"
expect "objects are planted without the PIN" '^40 objects planted'

sql -Q "SELECT name, state_desc FROM sys.databases WHERE name = 'd'" >"$work/out"
expect "the database opens after a restart" '^d +ONLINE'
sql -d d -Q "SELECT word FROM words" >"$work/out"
expect "its data can be read" '^kept'

sql -d d -Q "ALTER DATABASE ENCRYPTION KEY REGENERATE WITH ALGORITHM = AES_256" >"$work/out"
refuse "its key is replaced and wrapped" '^Msg'
sql -d d -Q "SELECT word FROM words" >"$work/out"
expect "and opens after a restart" '^kept'

cat >"$work/planned.sql" <<SQL
CREATE ASYMMETRIC KEY p FROM PROVIDER p11ekm WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'PLANNED', CREATION_DISPOSITION = CREATE_NEW;
GO
SELECT CONVERT(varchar(20), DecryptByAsymKey(ASYMKEY_ID('p'), EncryptByAsymKey(ASYMKEY_ID('p'), 'round trip'))) AS trip;
GO
SQL
sql -d d -i "$work/planned.sql" >"$work/out"
refuse "a key is made under the planted name" '^Msg'
expect "and encrypts and decrypts" '^round trip'
sql -d d -Q "CREATE ASYMMETRIC KEY p2 FROM PROVIDER p11ekm WITH PROVIDER_KEY_NAME = 'PLANNED', CREATION_DISPOSITION = OPEN_EXISTING;
SELECT CONVERT(varchar(20), DecryptByAsymKey(ASYMKEY_ID('p2'), EncryptByAsymKey(ASYMKEY_ID('p'), 'same key'))) AS trip" >"$work/out"
expect "and is what the name opens" '^same key'

sql -Q "SELECT key_name FROM sys.dm_cryptographic_provider_keys(65536)" >"$work/out"
if [ "$(grep -Ec '^(TDE_A|PLANNED) *$' "$work/out")" -eq 2 ]; then
    echo "ok: SQL Server is shown our two keys only"
else
    echo "FAILED: SQL Server is shown:"
    cat "$work/out"
    failures=$((failures + 1))
fi

"$p11ekm" doctor >"$work/out" 2>&1
for kind in private secret; do
    expect "doctor fails on the planted $kind keys" "FAIL.*$kind key \"PLANNED\" is ignored"
done
"$p11ekm" key show PLANNED >"$work/out" 2>&1
expect "the key made under the planted name is shown" '^name +PLANNED'
"$plant" TDE_A ALONE public >"$work/out"
"$p11ekm" key show ALONE >"$work/out" 2>&1
expect "of a planted key alone it is said why it is ignored" 'key "ALONE" is ignored: CKA_PRIVATE is not TRUE'
"$p11ekm" doctor >"$work/out" 2>&1
expect "doctor fails on the planted copies" 'FAIL.*private key "TDE_A" is ignored'
"$p11ekm" key list >"$work/out" 2>&1
expect "the list marks them" 'private key +TDE_A +ignored, unprotected'
expect "and shows the protector" '^[0-9a-f]{32} +RSA_2048 +TDE_A$'
[ $failures -eq 0 ]
