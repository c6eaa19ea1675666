-- SPDX-License-Identifier: Apache-2.0
-- 02: register the provider library.
--   $(PROVIDER_FILE)  full path of the library, for example C:\Program Files\p11ekm\p11ekm.dll
-- SQL Server checks the library's signature, loads it, and stores its GUID and version.
-- In SSMS turn on SQLCMD mode and remove the "--" from these lines; in sqlcmd they override -v.
-- :setvar PROVIDER_FILE "C:\Program Files\p11ekm\1.0.0\p11ekm.dll"
USE master;
GO
CREATE CRYPTOGRAPHIC PROVIDER P11EKM FROM FILE = '$(PROVIDER_FILE)';
GO
SELECT provider_id, name, version, is_enabled FROM sys.cryptographic_providers;
GO
