-- SPDX-License-Identifier: Apache-2.0
-- id: R01b
-- title: A second provider with the same name, or the same GUID, is refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 15530
-- expect: msg 33026
-- plant: version=guid

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)guid$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_SECOND FROM FILE = '$(STUBS)version$(EXT)';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_SECOND;
GO
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
