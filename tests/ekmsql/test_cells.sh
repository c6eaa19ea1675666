#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cell encryption by keys of the provider and by native keys that it protects.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"
prepare
sql "keys" <<'SQL'
CREATE DATABASE Cells;
GO
USE Cells;
CREATE SYMMETRIC KEY S FROM PROVIDER P WITH ALGORITHM = AES_256, PROVIDER_KEY_NAME = 'aes';
CREATE ASYMMETRIC KEY A FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'rsa';
CREATE SYMMETRIC KEY N WITH ALGORITHM = AES_128 ENCRYPTION BY ASYMMETRIC KEY A;
CREATE SYMMETRIC KEY N2 WITH ALGORITHM = AES_192 ENCRYPTION BY ASYMMETRIC KEY A;
CREATE SYMMETRIC KEY N WITH ALGORITHM = AES_256 ENCRYPTION BY ASYMMETRIC KEY A;
CREATE SYMMETRIC KEY N3 WITH ALGORITHM = RC4 ENCRYPTION BY ASYMMETRIC KEY A;
CREATE SYMMETRIC KEY N3 WITH ALGORITHM = AES_256 ENCRYPTION BY ASYMMETRIC KEY Nope;
CREATE TABLE t(id INT NOT NULL, s VARBINARY(200), a VARBINARY(300), n VARBINARY(200));
OPEN SYMMETRIC KEY S DECRYPTION BY ASYMMETRIC KEY A;
OPEN SYMMETRIC KEY N DECRYPTION BY ASYMMETRIC KEY Nope;
CLOSE SYMMETRIC KEY N;
SELECT EncryptByKey(KEY_GUID('N'), 'x') AS not_open, EncryptByKey(KEY_GUID('none'), 'x') AS no_key;
SQL
sql "encrypt: a call of the provider a value, none for the native key" -t -d Cells <<'SQL'
OPEN SYMMETRIC KEY N DECRYPTION BY ASYMMETRIC KEY A;
INSERT INTO t VALUES (1, EncryptByKey(KEY_GUID('S'), N'cell one'), EncryptByAsymKey(ASYMKEY_ID('A'), N'cell one'), EncryptByKey(KEY_GUID('N'), N'cell one'));
SQL
sql "in the clear, for comparison" -d Cells <<'SQL'
CREATE TABLE clear(s VARBINARY(200));
INSERT INTO clear VALUES (CAST('ascii control' AS VARBINARY(20)));
CREATE TABLE dark(s VARBINARY(200), n VARBINARY(200));
OPEN SYMMETRIC KEY N DECRYPTION BY ASYMMETRIC KEY A;
INSERT INTO dark VALUES (EncryptByKey(KEY_GUID('S'), 'ascii cell'), EncryptByKey(KEY_GUID('N'), 'ascii cell'));
SQL
check "what is not encrypted is seen" grep -aq 'ascii control' "$instance/Cells.1.mdf"
sql "decrypt" -d Cells <<'SQL'
SELECT CAST(DecryptByKey(s) AS NVARCHAR(20)) AS s, CAST(DecryptByAsymKey(ASYMKEY_ID('A'), a) AS NVARCHAR(20)) AS a, CAST(DecryptByKey(n) AS NVARCHAR(20)) AS n FROM t;
OPEN SYMMETRIC KEY N DECRYPTION BY ASYMMETRIC KEY A;
SELECT CONVERT(NVARCHAR(20), DecryptByKey(n)) AS n, DATALENGTH(s) AS s, DATALENGTH(a) AS a, DATALENGTH(n) AS n FROM t;
SELECT DecryptByKey(0x00) AS short, DecryptByKey(NULL) AS nothing, EncryptByKey(KEY_GUID('S'), NULL) AS nothing;
DECLARE @c VARBINARY(300) = EncryptByKey(KEY_GUID('N'), 'abc');
SELECT CAST(DecryptByKey(@c) AS VARCHAR(10)) AS back, DecryptByKey(@c + 0x00) AS longer;
UPDATE t SET n = EncryptByKey(KEY_GUID('N'), CAST(DecryptByKey(s) AS NVARCHAR(20)) + N', again') WHERE id = 1;
SELECT CAST(DecryptByKey(n) AS NVARCHAR(40)) AS n FROM t WHERE id = 1 AND n IS NOT NULL;
CLOSE ALL SYMMETRIC KEYS;
SELECT DecryptByKey(n) AS closed FROM t;
SQL
sql "each ciphertext is new" -d Cells <<'SQL'
DECLARE @a VARBINARY(300) = EncryptByKey(KEY_GUID('S'), 'abc'), @b VARBINARY(300);
SET @b = EncryptByKey(KEY_GUID('S'), 'abc');
SELECT COUNT(*) AS same FROM t WHERE @a = @b;
SQL
sql "errors" -d Cells <<'SQL'
INSERT INTO t VALUES (2, N'plain text', NULL, NULL);
SELECT EncryptByKey(KEY_GUID('S')) AS x;
SELECT EncryptByPassPhrase('a', 'b') AS x;
SELECT DecryptByAsymKey(ASYMKEY_ID('none'), 0x00) AS no_key;
SELECT DecryptByAsymKey(ASYMKEY_ID('A'), 0x00) AS bad_data;
SELECT EncryptByAsymKey(ASYMKEY_ID('A'), CAST('x' AS VARBINARY(10))) AS fine FROM t WHERE id = 77;
SQL
TROUBLE=encrypt=2056 sql "the provider fails to encrypt" -d Cells -Q "INSERT INTO t VALUES (3, EncryptByKey(KEY_GUID('S'), 'x'), NULL, NULL); SELECT COUNT(*) FROM t"
TROUBLE=decrypt=2056 sql "the provider fails to decrypt" -d Cells -Q "SELECT DecryptByKey(s) FROM t; OPEN SYMMETRIC KEY N DECRYPTION BY ASYMMETRIC KEY A"
check "no cell in the clear" sh -c "! grep -aq 'cell one' '$instance'/Cells.1.mdf"
finish
