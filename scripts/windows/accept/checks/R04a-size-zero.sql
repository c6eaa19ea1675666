-- SPDX-License-Identifier: Apache-2.0
-- id: R04a
-- title: A size of 0 in answer to the size query breaks the interface
-- level: register
-- settles: ekmsql(1) assumption 3
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33029 level 16
-- expect: norow name=P11ACC_STUB
-- plant: size-zero=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)size-zero$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
