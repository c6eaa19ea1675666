-- SPDX-License-Identifier: Apache-2.0
-- id: R02
-- title: The error log tells of the load (33090, 33080)
-- level: register
-- settles: Q1
-- runs: server: ekmsql has no xp_readerrorlog
-- otherwise: finding

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)ok$(EXT)';
GO
EXEC xp_readerrorlog 0, 1, N'P11ACC';
EXEC xp_readerrorlog 0, 1, N'ok$(EXT)';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
