-- SPDX-License-Identifier: Apache-2.0
-- id: K01
-- title: CREATE_NEW asks for the name first, then creates, looks and exports
-- level: register
-- settles: ekmsql(1) assumption 4; Q1
-- runs: ekmsql
-- otherwise: finding
-- expect: order SqlCryptInitializeProvider SqlCryptGetProviderInfo SqlCryptGetProviderInfo
-- expect: calls SqlCryptCreateKey>=1
-- expect: calls SqlCryptGetKeyInfoByName>=1
-- expect: calls SqlCryptExportKey>=1
-- plant: ok=create-fails
-- plant: ok=export-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
CREATE CREDENTIAL P11ACC_CRED WITH IDENTITY = 'P11ACC', SECRET = '$(SECRET)'
    FOR CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
ALTER LOGIN [$(LOGIN)] ADD CREDENTIAL P11ACC_CRED;
GO
CREATE ASYMMETRIC KEY P11ACC_KEY FROM PROVIDER P11ACC_STUB
    WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'P11ACC_NEW', CREATION_DISPOSITION = CREATE_NEW;
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
