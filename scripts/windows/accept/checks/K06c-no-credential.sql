-- SPDX-License-Identifier: Apache-2.0
-- id: K06c
-- title: A login without a credential is refused
-- level: register
-- settles: ekmsql(1) assumption 5; Q7
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33046
-- expect: calls SqlCryptOpenSession=0
-- plant: ok=init-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
CREATE ASYMMETRIC KEY P11ACC_KEY FROM PROVIDER P11ACC_STUB
    WITH PROVIDER_KEY_NAME = 'P11ACC_RSA', CREATION_DISPOSITION = OPEN_EXISTING;
GO
-- cleanup
DROP ASYMMETRIC KEY P11ACC_KEY;
GO
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
