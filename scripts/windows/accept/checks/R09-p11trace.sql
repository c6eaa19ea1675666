-- SPDX-License-Identifier: Apache-2.0
-- id: R09
-- title: p11trace can be registered together with p11ekm, and records the calls
-- level: register
-- settles: ekmsql(1) assumption 1; Q1
-- runs: server: p11trace needs the configuration and the token of the server
-- otherwise: finding
-- expect: row name=P11ACC_TRACE; is_enabled=1
-- expect: order SqlCryptInitializeProvider SqlCryptGetProviderInfo SqlCryptGetProviderInfo

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_TRACE FROM FILE = '$(TRACE)';
GO
SELECT name, is_enabled FROM sys.cryptographic_providers;
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_TRACE;
GO
