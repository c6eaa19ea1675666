-- SPDX-License-Identifier: Apache-2.0
-- id: S01a
-- title: Versions and edition of the server are recorded
-- level: static
-- settles: Q14
-- runs: server: ekmsql has no such view or function
-- otherwise: finding

SELECT @@VERSION AS version, CAST(SERVERPROPERTY('Edition') AS NVARCHAR(100)) AS edition,
       CAST(SERVERPROPERTY('ProductLevel') AS NVARCHAR(100)) AS level,
       CAST(SERVERPROPERTY('EngineEdition') AS INT) AS engine_edition,
       CAST(SERVERPROPERTY('IsClustered') AS INT) AS clustered,
       CAST(SERVERPROPERTY('IsHadrEnabled') AS INT) AS hadr;
GO
