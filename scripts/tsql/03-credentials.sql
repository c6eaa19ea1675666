-- SPDX-License-Identifier: Apache-2.0
-- 03: create credentials for the token.
--   $(TOKEN)      IDENTITY: the token's alias, label or PKCS#11 URI. Views show it: do not
--                 put a secret into it
--   $(PIN)        SECRET: the token's PIN
--   $(DBA_LOGIN)  the login that administers keys: your own, as SELECT ORIGINAL_LOGIN() prints it;
--                 with another login, 04 ends with error 33046
-- One credential belongs to one login, so each login that uses the provider has its own credential:
-- the administrator here, the logins of the TDE key (04) and of the backup key (06) later.
-- SQL Server does not check the PIN here: a wrong PIN fails at the first use (error 33028).
-- In SSMS turn on SQLCMD mode and remove the "--" from these lines; in sqlcmd they override -v.
-- :setvar TOKEN "hsm"
-- :setvar PIN "..."
-- :setvar DBA_LOGIN "DOMAIN\you"
USE master;
GO
CREATE CREDENTIAL P11EKM_DBA_CRED
    WITH IDENTITY = '$(TOKEN)', SECRET = '$(PIN)'
    FOR CRYPTOGRAPHIC PROVIDER P11EKM;
CREATE CREDENTIAL P11EKM_TDE_CRED
    WITH IDENTITY = '$(TOKEN)', SECRET = '$(PIN)'
    FOR CRYPTOGRAPHIC PROVIDER P11EKM;
CREATE CREDENTIAL P11EKM_BACKUP_CRED
    WITH IDENTITY = '$(TOKEN)', SECRET = '$(PIN)'
    FOR CRYPTOGRAPHIC PROVIDER P11EKM;
GO
ALTER LOGIN [$(DBA_LOGIN)] ADD CREDENTIAL P11EKM_DBA_CRED;
GO
