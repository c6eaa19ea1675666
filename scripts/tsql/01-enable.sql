-- SPDX-License-Identifier: Apache-2.0
-- 01: allow EKM providers on this server. Needs no restart.
-- 'EKM provider enabled' is an advanced option, so those are shown first.
USE master;
GO
EXEC sp_configure 'show advanced options', 1;
RECONFIGURE;
GO
EXEC sp_configure 'EKM provider enabled', 1;
RECONFIGURE;
GO
