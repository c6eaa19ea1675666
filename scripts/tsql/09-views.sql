-- SPDX-License-Identifier: Apache-2.0
-- 09: show the provider, its keys and the databases that they protect, in SQL Server's views.
USE master;
GO
SELECT provider_id, name, version, is_enabled FROM sys.cryptographic_providers;
SELECT friendly_name, sqlcrypt_version, authentication_type,
       symmetric_key_support, asymmetric_key_support
FROM sys.dm_cryptographic_provider_properties;
GO
DECLARE @provider INT;
SELECT @provider = provider_id FROM sys.cryptographic_providers WHERE name = 'P11EKM';
SELECT algorithm_tag, key_type, key_length
FROM sys.dm_cryptographic_provider_algorithms(@provider);
SELECT key_name, algorithm_tag, key_type, key_length
FROM sys.dm_cryptographic_provider_keys(@provider) ORDER BY key_name;
SELECT provider_id, [identity] FROM sys.dm_cryptographic_provider_sessions(1);
GO
SELECT name, credential_identity, target_type FROM sys.credentials ORDER BY name;
SELECT name, algorithm_desc, key_length, provider_type FROM sys.asymmetric_keys ORDER BY name;
SELECT DB_NAME(database_id) AS [database], encryption_state, key_algorithm, key_length,
       encryptor_type
FROM sys.dm_database_encryption_keys;
SELECT name, state_desc, is_encrypted FROM sys.databases WHERE name = 'P11EKM_Demo';
GO
USE P11EKM_Demo;
GO
SELECT name, algorithm_desc, key_length, provider_type FROM sys.symmetric_keys ORDER BY name;
GO
USE master;
GO
