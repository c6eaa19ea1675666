-- SPDX-License-Identifier: Apache-2.0
-- id: T02b
-- title: What the provider encrypts comes back through DecryptByAsymKey
-- level: register
-- settles: ekmsql(1) assumption 9; Q4
-- runs: ekmsql
-- otherwise: finding
-- expect: row opened=P11ACC text
-- expect: calls SqlCryptEncrypt>=1
-- expect: calls SqlCryptDecrypt>=1
-- plant: ok=garbles
-- plant: ok=data-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
CREATE CREDENTIAL P11ACC_CRED WITH IDENTITY = 'P11ACC', SECRET = '$(SECRET)'
    FOR CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
ALTER LOGIN [$(LOGIN)] ADD CREDENTIAL P11ACC_CRED;
GO
CREATE ASYMMETRIC KEY P11ACC_KEY FROM PROVIDER P11ACC_STUB
    WITH PROVIDER_KEY_NAME = 'P11ACC_RSA', CREATION_DISPOSITION = OPEN_EXISTING;
GO
SELECT CAST(DecryptByAsymKey(ASYMKEY_ID('P11ACC_KEY'), EncryptByAsymKey(ASYMKEY_ID('P11ACC_KEY'), N'P11ACC text')) AS NVARCHAR(40)) AS opened;
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
