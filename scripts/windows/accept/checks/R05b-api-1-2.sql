-- SPDX-License-Identifier: Apache-2.0
-- id: R05b
-- title: API version 1.2 is refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33032 level 16
-- expect: norow name=P11ACC_STUB
-- plant: api-1-2=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)api-1-2$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
