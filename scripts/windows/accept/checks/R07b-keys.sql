-- SPDX-License-Identifier: Apache-2.0
-- id: R07b
-- title: The keys and the session of the caller are shown
-- level: register
-- settles: Q10
-- runs: ekmsql
-- otherwise: finding
-- expect: row key_name=P11ACC_RSA; key_length=2048
-- expect: row key_name=P11ACC_AES; key_type=SYMMETRIC KEY; key_length=256
-- expect: row identity=P11ACC
-- plant: ok=wrong-pin
-- plant: ok=other-algorithm

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
CREATE CREDENTIAL P11ACC_CRED WITH IDENTITY = 'P11ACC', SECRET = '$(SECRET)'
    FOR CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
ALTER LOGIN [$(LOGIN)] ADD CREDENTIAL P11ACC_CRED;
GO
DECLARE @id INT;
SELECT @id = provider_id FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
SELECT key_name, key_type, key_length FROM sys.dm_cryptographic_provider_keys(@id);
GO
SELECT provider_id, [identity] FROM sys.dm_cryptographic_provider_sessions(1);
GO
-- cleanup
ALTER LOGIN [$(LOGIN)] DROP CREDENTIAL P11ACC_CRED;
GO
DROP CREDENTIAL P11ACC_CRED;
GO
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
