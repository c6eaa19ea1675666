-- SPDX-License-Identifier: Apache-2.0
-- 06: back up the encrypted database.
--   $(BACKUP_DIR)  a folder that SQL Server can write to
-- A plain backup of a TDE database is also encrypted, under the database encryption key.
-- WITH ENCRYPTION adds a separate key for the backup, under an asymmetric key. That key should not
-- be the TDE key. Keep both keys in the token as long as you keep the backups.
-- In SSMS turn on SQLCMD mode and remove the "--" from these lines; in sqlcmd they override -v.
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
