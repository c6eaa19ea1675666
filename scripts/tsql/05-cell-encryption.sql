-- SPDX-License-Identifier: Apache-2.0
-- 05: cell encryption with three kinds of keys, in P11EKM_Demo:
--   an AES key in the token    each value costs one token call; SQL Server opens the key by itself
--   an RSA key in the token    for values of up to about 190 bytes
--   a native AES key, wrapped  one token call, at OPEN SYMMETRIC KEY; SQL Server encrypts values:
--   by the RSA key             the fastest for many of them
USE P11EKM_Demo;
GO
CREATE SYMMETRIC KEY P11EKM_CELL_AES
    FROM PROVIDER P11EKM
    WITH ALGORITHM = AES_256,
         PROVIDER_KEY_NAME = 'P11EKM_CELL_AES',
         CREATION_DISPOSITION = CREATE_NEW;
CREATE ASYMMETRIC KEY P11EKM_CELL_RSA
    FROM PROVIDER P11EKM
    WITH ALGORITHM = RSA_2048,
         PROVIDER_KEY_NAME = 'P11EKM_CELL_RSA',
         CREATION_DISPOSITION = CREATE_NEW;
CREATE SYMMETRIC KEY P11EKM_CELL_NATIVE
    WITH ALGORITHM = AES_256
    ENCRYPTION BY ASYMMETRIC KEY P11EKM_CELL_RSA;
GO
CREATE TABLE Customers (
    Id INT NOT NULL,
    Name NVARCHAR(50),
    CardByAes VARBINARY(200),
    CardByRsa VARBINARY(600),
    CardByNative VARBINARY(200)
);
GO
OPEN SYMMETRIC KEY P11EKM_CELL_NATIVE DECRYPTION BY ASYMMETRIC KEY P11EKM_CELL_RSA;
INSERT INTO Customers (Id, Name, CardByAes, CardByRsa, CardByNative)
VALUES (1, N'Ada',
        EncryptByKey(KEY_GUID('P11EKM_CELL_AES'), N'4000-0000-0000-0002'),
        EncryptByAsymKey(ASYMKEY_ID('P11EKM_CELL_RSA'), N'4000-0000-0000-0002'),
        EncryptByKey(KEY_GUID('P11EKM_CELL_NATIVE'), N'4000-0000-0000-0002'));
GO
SELECT Name,
       CAST(DecryptByKey(CardByAes) AS NVARCHAR(20)) AS ByAes,
       CAST(DecryptByAsymKey(ASYMKEY_ID('P11EKM_CELL_RSA'), CardByRsa) AS NVARCHAR(20)) AS ByRsa,
       CAST(DecryptByKey(CardByNative) AS NVARCHAR(20)) AS ByNative
FROM Customers;
GO
-- After CLOSE the native key returns NULL; keys in the token need no OPEN.
CLOSE SYMMETRIC KEY P11EKM_CELL_NATIVE;
SELECT Name,
       CAST(DecryptByKey(CardByAes) AS NVARCHAR(20)) AS ByAes,
       CAST(DecryptByKey(CardByNative) AS NVARCHAR(20)) AS ByNative
FROM Customers;
GO
USE master;
GO
