-- SPDX-License-Identifier: Apache-2.0
-- 01: allow EKM providers on this server. No restart is needed.
-- 'EKM provider enabled' is an advanced option, so the script first shows advanced options.
USE master;
GO
EXEC sp_configure 'show advanced options', 1;
RECONFIGURE;
GO
EXEC sp_configure 'EKM provider enabled', 1;
RECONFIGURE;
GO
