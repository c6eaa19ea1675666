#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shell and the language: scripts, variables, batches, tables, and what is refused.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"

sql "refused by name" <<'SQL'
CREATE CERTIFICATE c WITH SUBJECT = 'x';
GO
BULK INSERT t FROM 'x';
GO
ALTER DATABASE SCOPED CONFIGURATION CLEAR PROCEDURE_CACHE;
GO
SELECT * FROM sys.certificates;
GO
SELECT SOUNDEX('x');
GO
CREATE SYMMETRIC KEY s WITH ALGORITHM = AES_256, KEY_SOURCE = 'x' ENCRYPTION BY PASSWORD = 'y';
SQL
sql "syntax errors stop the whole batch" <<'SQL'
PRINT 'not printed';
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM AES_256;
GO
PRINT 'unclosed
GO
PRINT 1 /* open
GO
SELECT 1 FROM;
GO
SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1;
SQL
sql "comments, quotes and GO" <<'SQL'
-- $(NOT_A_VARIABLE) in a comment
/* one /* nested */ still */ PRINT N'it''s' -- end
go
PRINT 'twice'
GO 2
SELECT [database_id] FROM sys.databases WHERE "name" = N'MASTER';
SQL
sql "scripting variables" -v A=one <<'SQL'
:setvar B "two words"
PRINT '$(A) $(b)'
GO
PRINT '$(C)'
GO
PRINT 'not reached'
SQL
# shellcheck disable=SC2016 # it is sqlcmd's variable
printf 'PRINT $(X)\r\nGO\r\n' >"$work/included.sql"
sql "included" -v X=7 <<SQL
:r $work/included.sql
PRINT 'after'
:r $work/none.sql
SQL
sql "variables" <<'SQL'
DECLARE @a INT = 40, @b NVARCHAR(3) = N'abcdef';
SET @a = @a + 2;
SELECT @a AS a, @b AS b, @b + N'-' + 'x' AS c;
SELECT @c;
DECLARE @a INT;
GO
SELECT @a;
SQL
sql "conversions" <<'SQL'
SELECT CAST(N'AB' AS VARBINARY(10)) AS a, CAST('AB' AS VARBINARY(1)) AS b, CAST(0x41004200 AS NVARCHAR(5)) AS c, CONVERT(VARCHAR(5), 0x4142) AS d;
SELECT CONVERT(VARCHAR(20), 0xAB01, 1) AS a, CONVERT(VARCHAR(20), 0xAB01, 2) AS b, CONVERT(VARBINARY(9), '0xAB01', 1) AS c;
SELECT CAST('12' AS INT) + 1 AS n, CAST(258 AS VARBINARY(8)) AS v, 0x1 AS odd, -5 AS minus, NULL AS nothing;
SELECT CAST(0x00112233445566778899AABBCCDDEEFF AS UNIQUEIDENTIFIER) AS g;
SELECT CAST('x1' AS INT);
SELECT CONVERT(VARBINARY(9), 'zz', 2);
SELECT N'Zürich €' AS wide, CAST(N'€' AS VARBINARY(4)) AS bytes;
SQL
sql "tables" <<'SQL'
CREATE TABLE t(id INT);
CREATE DATABASE D;
GO
USE D;
CREATE TABLE dbo.t(id INT NOT NULL, name NVARCHAR(5) NULL, bin VARBINARY(MAX), c VARCHAR(4));
CREATE TABLE t(id INT);
INSERT t VALUES (2, N'two', 0x02, 'b'), (1, N'one', 0x01, 'a');
INSERT INTO dbo.t (name, id) VALUES (N'drei', 3);
INSERT INTO t VALUES (4, N'four');
INSERT INTO t (id, nope) VALUES (4, 4);
INSERT INTO t (id, name) VALUES (4);
INSERT INTO t VALUES (4, N'five', 0x, 'x'), (5, N'too long', NULL, NULL);
INSERT INTO t (name) VALUES (N'x');
INSERT INTO t VALUES (5, N'x', 'text', NULL);
SELECT * FROM t ORDER BY id;
SELECT TOP 1 id FROM t ORDER BY id DESC;
SELECT name FROM t WHERE id <> 1 AND bin IS NULL;
SELECT COUNT(*) FROM t;
SELECT COUNT(*) AS n FROM t WHERE name = 'ONE';
UPDATE t SET name = N'zwei' WHERE id = 2;
UPDATE t SET id = NULL;
UPDATE t SET nope = 1;
SELECT id, name FROM t WHERE id = 2;
SELECT nope FROM t;
SELECT * FROM none;
SELECT * FROM ekmsql_keys;
SET NOCOUNT ON;
UPDATE t SET c = 'z';
SELECT c FROM t;
DROP TABLE t;
DROP TABLE t;
SELECT DB_NAME() AS here, DB_ID('master') AS id, DB_NAME(1) AS one, DB_NAME(99) AS none;
DROP DATABASE D;
USE master;
DROP DATABASE D;
DROP DATABASE D;
USE D;
SQL
check "the files of a dropped database are gone" [ ! -e "$instance/D.header" ]

exit_code()
{
    "$ekmsql" -S "$instance" "$@" >/dev/null 2>&1
    echo $? >"$work/code"
}
exit_code -Q "USE none"
check "an error without -b is exit 0" grep -qx 0 "$work/code"
exit_code -b -Q "USE none"
check "an error with -b is exit 1" grep -qx 1 "$work/code"
exit_code -b -Q "PRINT 1"
check "no error with -b is exit 0" grep -qx 0 "$work/code"
exit_code -Z
check "a wrong option is exit 2" grep -qx 2 "$work/code"
"$ekmsql" -Q "PRINT 1" >/dev/null 2>&1
check "so is no -S" [ $? -eq 2 ]
sql "-b stops" -b <<'SQL'
USE none
GO
PRINT 'not reached'
SQL
sql "a folder that cannot be" -S /dev/null -Q "PRINT 1"
mkfifo "$work/fifo"
"$ekmsql" -S "$instance" <"$work/fifo" >"$work/held" 2>&1 &
holder=$!
exec 9>"$work/fifo"
printf 'PRINT 1\nGO\n' >&9
while [ ! -s "$work/held" ]; do
    kill -0 "$holder" || break
done
sql "a second ekmsql at the same instance" -Q "PRINT 1"
exec 9>&-
wait "$holder"
check "--version" sh -c "'$ekmsql' --version | grep -Eq '^ekmsql [0-9]+\.[0-9]+\.[0-9]+$'"
check "-h" sh -c "'$ekmsql' -h | grep -q 'test double'"
finish
