-- SPDX-License-Identifier: Apache-2.0
-- id: R05f
-- title: After a refused FROM FILE the old file can be put back, as deploy.ps1 does
-- level: register
-- settles: Q6
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33024
-- expect: row name=P11ACC_STUB; version=01.00.0000.00; is_enabled=1
-- plant: guid=version
-- plant: ok=init-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB DISABLE;
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)guid$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB ENABLE;
GO
SELECT name, version, is_enabled FROM sys.cryptographic_providers;
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
