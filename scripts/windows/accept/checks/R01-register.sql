-- SPDX-License-Identifier: Apache-2.0
-- id: R01
-- title: A provider is loaded, initialized, asked for properties and algorithms, and freed
-- level: register
-- settles: ekmsql(1) assumption 1, 3
-- runs: ekmsql
-- otherwise: finding
-- expect: row name=P11ACC_STUB; is_enabled=1
-- expect: order SqlCryptInitializeProvider SqlCryptGetProviderInfo SqlCryptGetProviderInfo SqlCryptGetNextAlgorithmId SqlCryptGetAlgorithmInfo SqlCryptGetAlgorithmInfo
-- expect: calls SqlCryptFreeProvider=1
-- plant: ok=success-first
-- plant: ok=init-fails

USE master;
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
SELECT name, is_enabled FROM sys.cryptographic_providers;
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
