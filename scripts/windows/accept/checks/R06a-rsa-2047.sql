-- SPDX-License-Identifier: Apache-2.0
-- id: R06a
-- title: RSA_2048 with 2047 bits is refused
-- level: register
-- settles: ekmsql(1) assumption 1
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33025 level 16
-- expect: norow name=P11ACC_STUB
-- plant: rsa-2047=ok

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)rsa-2047$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
