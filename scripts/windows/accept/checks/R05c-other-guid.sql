-- SPDX-License-Identifier: Apache-2.0
-- id: R05c
-- title: ALTER PROVIDER refuses a library with another GUID
-- level: register
-- settles: Q6
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33024
-- plant: guid=version

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB DISABLE;
GO
ALTER CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)guid$(EXT)';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
