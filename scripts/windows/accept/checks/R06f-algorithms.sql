-- SPDX-License-Identifier: Apache-2.0
-- id: R06f
-- title: A tag that the engine does not know is passed over; RSA_3072 and RSA_4096 are accepted
-- level: register
-- settles: ekmsql(1) assumption 1; Q3
-- runs: ekmsql
-- otherwise: finding
-- expect: row algorithm_tag=RSA_3072; key_length=3072
-- expect: row algorithm_tag=RSA_4096; key_length=4096
-- expect: row algorithm_tag=AES_256; key_type=SYMMETRIC KEY
-- expect: norow algorithm_tag=P11ACC_CIPHER
-- plant: unknown-tag=rsa-2047
-- plant: unknown-tag=algorithm-fails

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)unknown-tag$(EXT)';
GO
DECLARE @id INT;
SELECT @id = provider_id FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
SELECT algorithm_tag, key_type, key_length FROM sys.dm_cryptographic_provider_algorithms(@id);
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
