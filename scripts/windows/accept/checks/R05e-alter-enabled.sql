-- SPDX-License-Identifier: Apache-2.0
-- id: R05e
-- title: FROM FILE without DISABLE is refused
-- level: register
-- settles: Q6
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33071
-- plant: ok=init-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)version$(EXT)';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
