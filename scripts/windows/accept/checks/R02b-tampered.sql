-- SPDX-License-Identifier: Apache-2.0
-- id: R02b
-- title: A library that was changed after it was signed is refused
-- level: register
-- settles: ekmsql(1) assumption 1; Q8
-- runs: windows: the signature is checked on Windows only
-- otherwise: fail
-- expect: msg 33027
-- expect: norow name=P11ACC_STUB
-- plant: tampered=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)tampered$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
