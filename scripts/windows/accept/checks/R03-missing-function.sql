-- SPDX-License-Identifier: Apache-2.0
-- id: R03
-- title: A library with a function missing is refused with the number of the function as the state
-- level: register
-- settles: ekmsql(1) assumption 2
-- runs: ekmsql
-- otherwise: finding
-- expect: msg 33085 state 1
-- expect: msg 33085 state 2
-- expect: msg 33085 state 3
-- expect: msg 33085 state 4
-- expect: msg 33085 state 5
-- expect: msg 33085 state 6
-- expect: msg 33085 state 7
-- expect: msg 33085 state 8
-- expect: msg 33085 state 9
-- expect: msg 33085 state 10
-- expect: msg 33085 state 11
-- expect: msg 33085 state 12
-- expect: msg 33085 state 13
-- expect: msg 33085 state 14
-- expect: msg 33085 state 15
-- expect: msg 33085 state 16
-- expect: msg 33085 state 17
-- expect: norow name=P11ACC_STUB
-- plant: no-export-1=ok
-- plant: no-export-5=ok
-- plant: no-export-17=no-export-16

CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-1$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-2$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-3$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-4$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-5$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-6$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-7$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-8$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-9$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-10$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-11$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-12$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-13$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-14$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-15$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-16$(EXT)';
GO
CREATE CRYPTOGRAPHIC PROVIDER P11ACC_STUB FROM FILE = '$(STUBS)no-export-17$(EXT)';
GO
SELECT name FROM sys.cryptographic_providers WHERE name = 'P11ACC_STUB';
GO
-- cleanup
DROP CRYPTOGRAPHIC PROVIDER P11ACC_STUB;
GO
