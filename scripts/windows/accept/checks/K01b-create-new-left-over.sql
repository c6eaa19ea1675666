-- SPDX-License-Identifier: Apache-2.0
-- id: K01b
-- title: A key stays in the provider when a later step of CREATE_NEW fails
-- level: register
-- settles: ekmsql(1) assumption 4; Q1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33037
-- expect: row key_name=P11ACC_NEW
-- plant: export-fails=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)export-fails$(EXT)';
GO
CREATE CREDENTIAL P11ACC_CRED WITH IDENTITY = 'P11ACC', SECRET = '$(SECRET)'
    FOR CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
ALTER LOGIN [$(LOGIN)] ADD CREDENTIAL P11ACC_CRED;
GO
CREATE ASYMMETRIC KEY P11ACC_KEY FROM PROVIDER P11ACC_STUB
    WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'P11ACC_NEW', CREATION_DISPOSITION = CREATE_NEW;
GO
DECLARE @id INT;
SELECT @id = provider_id FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
SELECT key_name, key_type, key_length FROM sys.dm_cryptographic_provider_keys(@id);
GO
-- cleanup
DROP ASYMMETRIC KEY P11ACC_KEY;
GO
ALTER LOGIN [$(LOGIN)] DROP CREDENTIAL P11ACC_CRED;
GO
DROP CREDENTIAL P11ACC_CRED;
GO
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
