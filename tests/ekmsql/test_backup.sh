#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Backups, and restoring them in a second instance.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"
prepare_tde

sql "a key for backups" <<'SQL'
CREATE ASYMMETRIC KEY B FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'backup';
CREATE CREDENTIAL c3 WITH IDENTITY = 'token', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE LOGIN LB FROM ASYMMETRIC KEY B;
ALTER LOGIN LB ADD CREDENTIAL c3;
CREATE DATABASE Plain;
GO
USE Plain;
CREATE TABLE t(id INT, word NVARCHAR(40));
INSERT INTO t VALUES (2, N'MARKER-of-plaintext');
SQL
sql "trace of a backup" -t -Q "BACKUP DATABASE Vault TO DISK = '$work/vault.bak' WITH INIT"
sql "encrypted" -t -Q "BACKUP DATABASE Vault TO DISK = '$work/vault2.bak' WITH ENCRYPTION (ALGORITHM = AES_256, SERVER ASYMMETRIC KEY = B), COMPRESSION"
sql "of a database without TDE" -Q "BACKUP DATABASE Plain TO DISK = '$work/plain.bak';
BACKUP DATABASE Plain TO DISK = '$work/plain2.bak' WITH INIT, ENCRYPTION (ALGORITHM = AES_256, SERVER ASYMMETRIC KEY = B)"
check "a plain backup is plain" grep -aq MARKER-of-plaintext "$work/plain.bak"
for file in vault vault2 plain2; do
    check "$file.bak holds no plaintext" sh -c "! grep -aq MARKER-of-plaintext '$work/$file.bak'"
done
TROUBLE=encrypt=2056 sql "the provider does not wrap" -Q "BACKUP DATABASE Plain TO DISK = '$work/no.bak' WITH ENCRYPTION (ALGORITHM = AES_256, SERVER ASYMMETRIC KEY = B)"
check "no file of a failed backup" [ ! -e "$work/no.bak" ]
sql "refused" <<SQL
BACKUP DATABASE Nope TO DISK = '$work/no.bak';
BACKUP DATABASE master TO DISK = '$work/no.bak';
BACKUP DATABASE Plain TO DISK = '$work/none/no.bak';
BACKUP DATABASE Plain TO DISK = '$work/no.bak' WITH ENCRYPTION (ALGORITHM = AES_128, SERVER ASYMMETRIC KEY = B);
BACKUP DATABASE Plain TO DISK = '$work/no.bak' WITH ENCRYPTION (ALGORITHM = AES_256, SERVER ASYMMETRIC KEY = Nope);
BACKUP DATABASE Plain TO DISK = '$work/no.bak' WITH ENCRYPTION (ALGORITHM = AES_256);
RESTORE DATABASE Plain FROM DISK = '$work/plain.bak';
RESTORE DATABASE Plain2 FROM DISK = '$work/none.bak';
RESTORE DATABASE Plain2 FROM DISK = '$FAKE_KEYS';
SQL
sql "replace" -Q "RESTORE DATABASE Plain FROM DISK = '$work/plain2.bak' WITH REPLACE"
sql "it is there" -d Plain -Q "SELECT * FROM t"

instance=$work/second
prepare
sql "elsewhere, without the key" -Q "RESTORE DATABASE Vault FROM DISK = '$work/vault.bak'; SELECT name FROM sys.databases"
open="FROM PROVIDER P WITH CREATION_DISPOSITION = OPEN_EXISTING"
sql "without a login" -Q "CREATE ASYMMETRIC KEY anyname $open, PROVIDER_KEY_NAME = 'tde';
RESTORE DATABASE Vault FROM DISK = '$work/vault.bak'"
sql "with it" -t -Q "CREATE LOGIN L FROM ASYMMETRIC KEY anyname; ALTER LOGIN L ADD CREDENTIAL c2;
RESTORE DATABASE Vault FROM DISK = '$work/vault.bak'"
sql "restart there" -d Vault -Q "SELECT * FROM t"
sql "encrypted, without the backup's key" -Q "RESTORE DATABASE Vault FROM DISK = '$work/vault2.bak' WITH REPLACE"
sql "and with it" <<SQL
CREATE ASYMMETRIC KEY B $open, PROVIDER_KEY_NAME = 'backup';
CREATE CREDENTIAL c3 WITH IDENTITY = 'token', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE LOGIN LB FROM ASYMMETRIC KEY B;
ALTER LOGIN LB ADD CREDENTIAL c3;
RESTORE DATABASE Other FROM DISK = '$work/vault2.bak';
GO
USE Other;
SELECT * FROM t;
SQL
sed 's/^algorithm=AES_256$/algorithm=AES_128/' "$work/vault2.bak" >"$work/bent.bak"
sql "a changed header is noticed" -Q "RESTORE DATABASE Bent FROM DISK = '$work/bent.bak'; SELECT name FROM sys.databases WHERE name = 'Bent'"
head -c 1000 "$work/vault2.bak" >"$work/short.bak"
sql "so is a short file" -Q "RESTORE DATABASE Bent FROM DISK = '$work/short.bak'"
finish
