-- SPDX-License-Identifier: Apache-2.0
-- id: S01b
-- title: Lightweight pooling is off: fibers share the state that libcrypto keeps for a thread
-- level: static
-- settles: Q14
-- runs: server: ekmsql has no such view or function
-- otherwise: fail
-- expect: row name=lightweight pooling; value_in_use=0

SELECT name, CAST(value_in_use AS INT) AS value_in_use FROM sys.configurations
WHERE name = 'lightweight pooling';
GO
