-- SPDX-License-Identifier: Apache-2.0
-- 04: transparent data encryption of a new database, P11EKM_Demo.
-- The token generates the asymmetric key, and the key never leaves it. It wraps the database
-- encryption key, which SQL Server stores in the database in wrapped form only.
USE master;
GO
CREATE ASYMMETRIC KEY P11EKM_TDE_1
    FROM PROVIDER P11EKM
    WITH ALGORITHM = RSA_2048,
         PROVIDER_KEY_NAME = 'P11EKM_TDE_1',
         CREATION_DISPOSITION = CREATE_NEW;
GO
-- When SQL Server starts, nobody is logged in: it then opens the token with the credential of this
-- login.
CREATE LOGIN P11EKM_TDE_1_LOGIN FROM ASYMMETRIC KEY P11EKM_TDE_1;
ALTER LOGIN P11EKM_TDE_1_LOGIN ADD CREDENTIAL P11EKM_TDE_CRED;
GO
CREATE DATABASE P11EKM_Demo;
GO
USE P11EKM_Demo;
GO
CREATE TABLE Notes (Id INT NOT NULL, Body NVARCHAR(200));
INSERT INTO Notes (Id, Body) VALUES (1, N'written before encryption');
GO
CREATE DATABASE ENCRYPTION KEY
    WITH ALGORITHM = AES_256
    ENCRYPTION BY SERVER ASYMMETRIC KEY P11EKM_TDE_1;
GO
ALTER DATABASE P11EKM_Demo SET ENCRYPTION ON;
GO
-- encryption_state 2 means that the scan is still running, 3 that the database is encrypted.
SELECT DB_NAME(database_id) AS [database], encryption_state, key_algorithm, key_length, encryptor_type
FROM sys.dm_database_encryption_keys;
GO
INSERT INTO Notes (Id, Body) VALUES (2, N'written after encryption');
SELECT Id, Body FROM Notes ORDER BY Id;
GO
USE master;
GO
