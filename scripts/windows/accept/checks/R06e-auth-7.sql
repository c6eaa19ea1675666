-- SPDX-License-Identifier: Apache-2.0
-- id: R06e
-- title: An unknown authentication type is refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33025 level 16
-- expect: norow name=P11ACC_STUB
-- plant: auth-7=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)auth-7$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
