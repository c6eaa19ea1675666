-- SPDX-License-Identifier: Apache-2.0
-- 02: register the provider library.
--   $(PROVIDER_FILE)  its full path, for example C:\Program Files\p11ekm\p11ekm.dll
-- SQL Server checks the library's signature, loads it, and remembers its GUID and version.
-- In SSMS turn on SQLCMD mode and take the "--" off these lines; in sqlcmd they would override -v.
-- :setvar PROVIDER_FILE "C:\Program Files\p11ekm\1.0.0\p11ekm.dll"
USE master;
GO
CREATE CRYPTOGRAPHIC PROVIDER P11EKM FROM FILE = '$(PROVIDER_FILE)';
GO
SELECT provider_id, name, version, is_enabled FROM sys.cryptographic_providers;
GO
