-- SPDX-License-Identifier: Apache-2.0
-- id: R06c
-- title: Thumbprints of 0 bytes are refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33025 level 16
-- expect: norow name=P11ACC_STUB
-- plant: thumb-0=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)thumb-0$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
