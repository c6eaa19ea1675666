-- SPDX-License-Identifier: Apache-2.0
-- id: R04e
-- title: A code of the provider's own at initialization is refused, too
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33029 level 16
-- expect: norow name=P11ACC_STUB
-- plant: init-own-code=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)init-own-code$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
