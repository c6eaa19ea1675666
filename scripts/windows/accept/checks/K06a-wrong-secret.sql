-- SPDX-License-Identifier: Apache-2.0
-- id: K06a
-- title: A wrong SECRET is refused at the first use, after one OpenSession a statement
-- level: register
-- settles: ekmsql(1) assumption 5; Q5
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33028
-- expect: calls SqlCryptOpenSession=1
-- plant: wrong-pin=ok
-- plant: wrong-pin=init-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)wrong-pin$(EXT)';
GO
CREATE CREDENTIAL P11ACC_CRED WITH IDENTITY = 'P11ACC', SECRET = '$(SECRET)'
    FOR CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
ALTER LOGIN [$(LOGIN)] ADD CREDENTIAL P11ACC_CRED;
GO
CREATE ASYMMETRIC KEY P11ACC_KEY FROM PROVIDER P11ACC_STUB
    WITH PROVIDER_KEY_NAME = 'P11ACC_RSA', CREATION_DISPOSITION = OPEN_EXISTING;
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
