-- SPDX-License-Identifier: Apache-2.0
-- id: R04f
-- title: A provider that states no properties is refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33022 level 16
-- expect: norow name=P11ACC_STUB
-- plant: info-fails=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)info-fails$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
