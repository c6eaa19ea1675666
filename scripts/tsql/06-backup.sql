-- SPDX-License-Identifier: Apache-2.0
-- 06: backups of the encrypted database.
--   $(BACKUP_DIR)  a folder that SQL Server can write to
-- A plain backup of a TDE database is encrypted all the same, under its database encryption key.
-- WITH ENCRYPTION adds a key of the backup's own, under an asymmetric key that should not be the one
-- of TDE. Keep the keys of both in the token for as long as the backups are kept.
-- In SSMS turn on SQLCMD mode and take the "--" off these lines; in sqlcmd they would override -v.
-- :setvar BACKUP_DIR "C:\Backup"
USE master;
GO
CREATE ASYMMETRIC KEY P11EKM_BACKUP
    FROM PROVIDER P11EKM
    WITH ALGORITHM = RSA_2048,
         PROVIDER_KEY_NAME = 'P11EKM_BACKUP',
         CREATION_DISPOSITION = CREATE_NEW;
CREATE LOGIN P11EKM_BACKUP_LOGIN FROM ASYMMETRIC KEY P11EKM_BACKUP;
ALTER LOGIN P11EKM_BACKUP_LOGIN ADD CREDENTIAL P11EKM_BACKUP_CRED;
GO
BACKUP DATABASE P11EKM_Demo TO DISK = '$(BACKUP_DIR)/P11EKM_Demo.bak' WITH INIT;
GO
BACKUP DATABASE P11EKM_Demo TO DISK = '$(BACKUP_DIR)/P11EKM_Demo_encrypted.bak'
    WITH INIT, ENCRYPTION (ALGORITHM = AES_256, SERVER ASYMMETRIC KEY = P11EKM_BACKUP);
GO
