#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Transparent data encryption: what is on disk, restarts, failures of the provider, rotation.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"
prepare

sql "before there is a key" <<'SQL'
CREATE DATABASE Vault;
ALTER DATABASE Vault SET ENCRYPTION ON;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
ALTER DATABASE master SET ENCRYPTION ON;
CREATE DATABASE Vault;
CREATE DATABASE [no/slashes];
GO
USE Vault;
CREATE TABLE t(id INT, word NVARCHAR(40));
INSERT INTO t VALUES (1, N'MARKER-of-plaintext');
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
DROP DATABASE ENCRYPTION KEY;
ALTER DATABASE ENCRYPTION KEY REGENERATE WITH ALGORITHM = AES_256;
ALTER DATABASE ENCRYPTION KEY ENCRYPTION BY SERVER ASYMMETRIC KEY K;
SQL
check "an unencrypted file holds the marker" grep -aq MARKER-of-plaintext "$instance"/Vault.1.mdf

sql "a key without a login, then without a credential" <<'SQL'
CREATE ASYMMETRIC KEY K FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'tde';
GO
USE Vault;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
CREATE LOGIN L FROM ASYMMETRIC KEY K;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
ALTER LOGIN L ADD CREDENTIAL c2;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_512 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
SQL
TROUBLE=encrypt=2062 sql "the provider does not wrap" -d Vault \
    -Q "CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K"
sql "encrypt" -d Vault <<'SQL'
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
ALTER DATABASE Vault SET ENCRYPTION OFF;
ALTER DATABASE Vault SET ENCRYPTION ON;
ALTER DATABASE Vault SET ENCRYPTION ON;
DROP DATABASE ENCRYPTION KEY;
SELECT * FROM sys.dm_database_encryption_keys;
SELECT * FROM t;
SQL
check "no plaintext on disk" sh -c "! grep -aq MARKER-of-plaintext '$instance'/Vault.*.mdf"
check "nor SQLite's own header" sh -c "! grep -aq 'SQLite format' '$instance'/Vault.*.mdf"
check "the old file is gone" [ ! -e "$instance/Vault.1.mdf" ]

sql "trace of a restart" -t -d Vault -Q "SELECT * FROM t"

# Files that a crash between the new data file and the header leaves are ignored.
echo garbage >"$instance/Vault.3.mdf"
echo garbage >"$instance/Vault.header.new"
sql "after a crash" -d Vault -Q "SELECT * FROM t"
check "the stray file was removed" [ ! -e "$instance/Vault.3.mdf" ]

# If it is killed at any moment of rewriting the data, the instance opens with the old file or the
# new one.
survived=0
for moment in 02 03 04 05 06 07 08 09 10 11 12 13 14 15; do
    timeout --foreground -s KILL "0.$moment" "$ekmsql" -S "$instance" -d Vault \
        -Q "ALTER DATABASE ENCRYPTION KEY REGENERATE; ALTER DATABASE Vault SET ENCRYPTION OFF;
            ALTER DATABASE Vault SET ENCRYPTION ON" >/dev/null 2>&1
    if "$ekmsql" -S "$instance" -d Vault -Q "SELECT word FROM t" >"$work/after" 2>&1 &&
        grep -q MARKER-of-plaintext "$work/after"; then
        survived=$((survived + 1))
    else
        cat "$work/after"
    fi
done
check "14 kills, 14 recoveries" [ "$survived" -eq 14 ]
"$ekmsql" -S "$instance" -Q "ALTER DATABASE Vault SET ENCRYPTION ON" >/dev/null 2>&1
check "two files are left: header and data" [ "$(find "$instance" -name 'Vault.*' | grep -cv 'new$')" -eq 2 ]

for trouble in decrypt=2056 open=5 init=2063 guid key-pointer; do
    TROUBLE=$trouble sql "start-up, trouble: $trouble" -d Vault -Q "SELECT * FROM t"
done
FAKE_PIN=4321
export FAKE_PIN
sql "start-up: the PIN was changed" -Q "SELECT name, state_desc FROM sys.databases"
sql "still so" <<'SQL'
USE Vault;
ALTER DATABASE Vault SET ENCRYPTION OFF;
ALTER DATABASE Vault SET ONLINE;
SELECT name, state, state_desc, is_encrypted FROM sys.databases;
ALTER CREDENTIAL c2 WITH IDENTITY = 'token', SECRET = '4321';
ALTER DATABASE Vault SET ONLINE;
SELECT name, state, state_desc FROM sys.databases;
USE Vault;
SELECT * FROM t;
SQL
unset FAKE_PIN
sql "start-up, and the PIN back, too" -Q "ALTER CREDENTIAL c2 WITH IDENTITY = 'token', SECRET = '1234'; ALTER DATABASE Vault SET ONLINE"
mv "$FAKE_KEYS" "$FAKE_KEYS.away"
sql "start-up: the key is gone" -Q "PRINT 'started'"
mv "$FAKE_KEYS.away" "$FAKE_KEYS"
sql "the key is back" -d Vault -Q "SELECT * FROM t"
sql "the login lost its credential" -Q "ALTER LOGIN L DROP CREDENTIAL c2; DROP ASYMMETRIC KEY K"
sql "start-up: no credential" -Q "ALTER LOGIN L ADD CREDENTIAL c2; ALTER DATABASE Vault SET ONLINE"
sql "offline and online" <<'SQL'
ALTER DATABASE Vault SET OFFLINE WITH ROLLBACK IMMEDIATE;
USE Vault;
SELECT name, state_desc FROM sys.databases;
SQL
sql "offline lasts" <<'SQL'
USE Vault;
ALTER DATABASE Vault SET ONLINE;
USE Vault;
ALTER DATABASE Vault SET OFFLINE;
DROP DATABASE Vault;
SQL

data=$(echo "$instance"/Vault.*.mdf)
cp "$data" "$work/before"
sql "a new protector" -t -d Vault <<'SQL'
CREATE CREDENTIAL c3 WITH IDENTITY = 'token', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P;
USE master;
CREATE ASYMMETRIC KEY K2 FROM PROVIDER P WITH ALGORITHM = RSA_3072, PROVIDER_KEY_NAME = 'tde2';
CREATE LOGIN L2 FROM ASYMMETRIC KEY K2;
ALTER LOGIN L2 ADD CREDENTIAL c3;
USE Vault;
ALTER DATABASE ENCRYPTION KEY ENCRYPTION BY SERVER ASYMMETRIC KEY K2;
SQL
check "rotation leaves the data file alone" cmp -s "$work/before" "$data"
sql "the old key is not needed any more" <<'SQL'
DROP LOGIN L;
DROP ASYMMETRIC KEY K2;
DROP ASYMMETRIC KEY K REMOVE PROVIDER KEY;
SQL
sql "restart with the new one" -d Vault -Q "SELECT * FROM t"
cp "$instance/Vault.header" "$work/header"
TROUBLE=encrypt=2062 sql "REGENERATE fails" -d Vault -Q "ALTER DATABASE ENCRYPTION KEY REGENERATE"
check "and changes nothing" sh -c "cmp -s '$work/before' '$data' && cmp -s '$work/header' '$instance/Vault.header'"
for algorithm in AES_128 AES_192 TRIPLE_DES_3KEY AES_256; do
    sql "REGENERATE $algorithm" -d Vault \
        -Q "ALTER DATABASE ENCRYPTION KEY REGENERATE WITH ALGORITHM = $algorithm"
    sql "restart" -d Vault -Q "SELECT * FROM t; SELECT key_algorithm, key_length FROM sys.dm_database_encryption_keys"
    check "still no plaintext" sh -c "! grep -aq MARKER-of-plaintext '$instance'/Vault.*.mdf"
done
check "REGENERATE rewrote the pages" sh -c "! cmp -s '$work/before' '$instance'/Vault.*.mdf"
sql "decrypt" -d Vault -Q "ALTER DATABASE Vault SET ENCRYPTION OFF; DROP DATABASE ENCRYPTION KEY; SELECT * FROM t"
check "plaintext again" grep -aq MARKER-of-plaintext "$instance"/Vault.*.mdf
sql "no provider is needed now" -t -d Vault -Q "SELECT * FROM t"
finish
