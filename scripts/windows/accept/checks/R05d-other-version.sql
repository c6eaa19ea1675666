-- SPDX-License-Identifier: Apache-2.0
-- id: R05d
-- title: ALTER PROVIDER takes another version of the same GUID
-- level: register
-- settles: Q6
-- runs: ekmsql
-- otherwise: finding
-- expect: row name=P11ACC_STUB; version=01.01.0000.00; is_enabled=1
-- plant: version=guid
-- plant: version=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB DISABLE;
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)version$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB ENABLE;
GO
SELECT name, version, is_enabled FROM sys.cryptographic_providers;
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
