-- SPDX-License-Identifier: Apache-2.0
-- 07: rotation.
--   $(TOKEN), $(PIN)  as in 03
-- A new protector: the token unwraps the database encryption key with the old key and wraps it with
-- the new one. No data is re-encrypted, it takes seconds, and both keys must be available.
-- In SSMS turn on SQLCMD mode and remove the "--" from these lines; in sqlcmd they override -v.
-- :setvar TOKEN "hsm"
-- :setvar PIN "..."
USE master;
GO
CREATE ASYMMETRIC KEY P11EKM_TDE_2
    FROM PROVIDER P11EKM
    WITH ALGORITHM = RSA_2048,
         PROVIDER_KEY_NAME = 'P11EKM_TDE_2',
         CREATION_DISPOSITION = CREATE_NEW;
CREATE CREDENTIAL P11EKM_TDE_2_CRED
    WITH IDENTITY = '$(TOKEN)', SECRET = '$(PIN)'
    FOR CRYPTOGRAPHIC PROVIDER P11EKM;
CREATE LOGIN P11EKM_TDE_2_LOGIN FROM ASYMMETRIC KEY P11EKM_TDE_2;
ALTER LOGIN P11EKM_TDE_2_LOGIN ADD CREDENTIAL P11EKM_TDE_2_CRED;
GO
USE P11EKM_Demo;
GO
ALTER DATABASE ENCRYPTION KEY ENCRYPTION BY SERVER ASYMMETRIC KEY P11EKM_TDE_2;
GO
-- Do not remove the old key from the token: backups and, on SQL Server, the active part of the log
-- (sys.dm_db_log_info.vlf_encryptor_thumbprint) may still need it.

-- A new database encryption key: every page is encrypted again.
ALTER DATABASE ENCRYPTION KEY REGENERATE WITH ALGORITHM = AES_256;
GO
SELECT DB_NAME(database_id) AS [database], encryption_state, key_algorithm, key_length
FROM sys.dm_database_encryption_keys;
SELECT Id, Body FROM Notes ORDER BY Id;
GO
USE master;
GO
