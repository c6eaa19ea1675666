-- SPDX-License-Identifier: Apache-2.0
-- Lists the databases, credentials and providers of the instance. `p11accept guard` refuses whatever
-- is not named P11ACC_*: what changes or crashes an instance runs on one that holds nothing else.
-- The last row proves that the list is complete.
SELECT 'database' AS kind, name FROM sys.databases
WHERE name <> 'master' AND name <> 'tempdb' AND name <> 'model' AND name <> 'msdb';
SELECT 'credential' AS kind, name FROM sys.credentials;
SELECT 'provider' AS kind, name FROM sys.cryptographic_providers;
SELECT 'end' AS kind;
GO
