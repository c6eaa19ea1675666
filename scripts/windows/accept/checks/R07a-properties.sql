-- SPDX-License-Identifier: Apache-2.0
-- id: R07a
-- title: The properties are shown as the provider states them
-- level: register
-- settles: Q10
-- runs: ekmsql
-- otherwise: finding
-- expect: row provider_version=01.00.0000.00; sqlcrypt_version=01.01.0000.00; friendly_name=P11ACC stub provider; authentication_type=BASIC
-- plant: ok=version

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
SELECT provider_version, sqlcrypt_version, friendly_name, authentication_type FROM sys.dm_cryptographic_provider_properties;
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
