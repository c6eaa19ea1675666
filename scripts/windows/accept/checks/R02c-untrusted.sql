-- SPDX-License-Identifier: Apache-2.0
-- id: R02c
-- title: A signature whose root is not trusted is refused
-- level: register
-- settles: Q8
-- runs: server: Wine checks the digest, not the chain
-- otherwise: finding
-- expect: msg 33027
-- expect: norow name=P11ACC_STUB

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)untrusted$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
