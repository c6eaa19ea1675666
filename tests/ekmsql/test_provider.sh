#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Loading, checking and registering a provider, and credentials: every refusal.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"

create="CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so'"
sql "EKM is off" -Q "$create"
sql "advanced options are hidden" -Q "EXEC sp_configure 'EKM provider enabled', 1"
sql "a wrong value" -Q "sp_configure 'show advanced options', 2"
sql "enable" -Q "EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
EXECUTE sp_configure 'EKM provider enabled', 1;"
sql "not before RECONFIGURE" -Q "$create"
sql "reconfigure" -Q "RECONFIGURE WITH OVERRIDE"
sql "no such file" -Q "CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '$work/none.so'" 2>/dev/null
for state in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
    sql "without export $state" \
        -Q "CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake_without_$state.so'"
done
for trouble in api auth-type thumb-length bits endless pointer no-size init=7 init=2056 info=5 \
    algorithm=2056; do
    TROUBLE=$trouble sql "trouble: $trouble" -Q "$create"
done
sql "nothing was registered" -Q "SELECT name FROM sys.cryptographic_providers"
TROUBLE="" sql "trace of a registration" -t -Q "$create"
sql "the same name" -Q "$create"
sql "the same GUID" -Q "CREATE CRYPTOGRAPHIC PROVIDER Q FROM FILE = '$fakes/fake.so'"
sql "row" -Q "SELECT * FROM sys.cryptographic_providers"

sql "credentials" <<'SQL'
CREATE CREDENTIAL bad WITH IDENTITY = 'token', SECRET = '9999' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE CREDENTIAL good WITH IDENTITY = 'token', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE CREDENTIAL good WITH IDENTITY = 'token', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE CREDENTIAL nowhere WITH IDENTITY = 'x' FOR CRYPTOGRAPHIC PROVIDER Nope;
CREATE LOGIN alice WITH PASSWORD = 'irrelevant', CHECK_POLICY = OFF;
CREATE LOGIN bob WITH PASSWORD = 'irrelevant';
CREATE LOGIN bob WITH PASSWORD = 'irrelevant';
ALTER LOGIN alice WITH PASSWORD = 'another';
ALTER LOGIN nobody WITH PASSWORD = 'another';
ALTER LOGIN alice ADD CREDENTIAL good;
ALTER LOGIN bob ADD CREDENTIAL good;
ALTER LOGIN alice ADD CREDENTIAL bad;
ALTER LOGIN bob ADD CREDENTIAL bad;
ALTER LOGIN alice DROP CREDENTIAL bad;
ALTER LOGIN nobody ADD CREDENTIAL bad;
ALTER LOGIN alice ADD CREDENTIAL none;
DROP CREDENTIAL good;
DROP CRYPTOGRAPHIC PROVIDER P;
SQL
sql "sa has no credential" -Q "SELECT * FROM sys.dm_cryptographic_provider_keys(65536)"
sql "a wrong PIN, while another session works" <<'SQL'
EXECUTE AS LOGIN = 'alice';
SELECT COUNT(*) AS keys FROM sys.dm_cryptographic_provider_keys(65536);
EXECUTE AS LOGIN = 'bob';
SELECT COUNT(*) AS keys FROM sys.dm_cryptographic_provider_keys(65536);
REVERT;
SELECT SUSER_NAME() AS login, COUNT_STAR FROM sys.databases;
SELECT SUSER_NAME() AS login;
SELECT provider_id, [identity], spid FROM sys.dm_cryptographic_provider_sessions(1);
REVERT;
EXECUTE AS LOGIN = 'nobody';
SQL
TROUBLE=open=2056 sql "a provider's own code" -U alice \
    -Q "SELECT COUNT(*) FROM sys.dm_cryptographic_provider_keys(65536)"
sql "the credential is repaired" <<'SQL'
ALTER CREDENTIAL bad WITH IDENTITY = 'token', SECRET = '1234';
EXECUTE AS LOGIN = 'bob';
SELECT COUNT(*) AS keys FROM sys.dm_cryptographic_provider_keys(65536);
SQL
sql "an unknown login" -U nobody -Q "PRINT 'not reached'"
check "the PIN is not in the catalog" sh -c "! grep -aq 9999 '$instance/master.mdf'"
mode=$(stat -c %a "$instance/master.key" 2>/dev/null || stat -f %Lp "$instance/master.key")
check "master.key is the owner's only ($mode)" [ "$mode" = 600 ]

TROUBLE=guid sql "another GUID" -U alice -Q "SELECT * FROM sys.dm_cryptographic_provider_properties"
TROUBLE=version sql "another version" -U alice \
    -Q "SELECT * FROM sys.dm_cryptographic_provider_properties"
sql "altered while enabled" \
    -Q "ALTER CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so'"
sql "disable" -Q "ALTER CRYPTOGRAPHIC PROVIDER P DISABLE"
sql "disabled" -U alice -Q "SELECT * FROM sys.dm_cryptographic_provider_keys(65536)"
TROUBLE=guid sql "altered to another GUID" \
    -Q "ALTER CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so'"
TROUBLE=version sql "altered to another version" \
    -Q "ALTER CRYPTOGRAPHIC PROVIDER P FROM FILE = '$fakes/fake.so'; ALTER CRYPTOGRAPHIC PROVIDER P ENABLE;
SELECT provider_version FROM sys.dm_cryptographic_provider_properties"
sql "and back without ALTER" -Q "SELECT * FROM sys.dm_cryptographic_provider_properties"
sql "sessions end with DISABLE, and trace shows it" -t -U bob <<'SQL'
ALTER CRYPTOGRAPHIC PROVIDER P DISABLE;
SQL
head -c 32 /dev/zero >"$instance/master.key"
TROUBLE=version sql "the master key is lost" -U alice \
    -Q "ALTER CRYPTOGRAPHIC PROVIDER P ENABLE; SELECT COUNT(*) FROM sys.dm_cryptographic_provider_keys(65536)"
sql "removal" <<'SQL'
ALTER LOGIN alice DROP CREDENTIAL good;
DROP LOGIN bob;
DROP LOGIN sa;
DROP CREDENTIAL good;
DROP CREDENTIAL bad;
DROP CRYPTOGRAPHIC PROVIDER P;
DROP CRYPTOGRAPHIC PROVIDER P;
SQL
finish
