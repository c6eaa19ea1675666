#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The T-SQL set of scripts/tsql with the module on SoftHSM tokens: all tasks of a DBA, a restart, a
# wrong PIN, a lost token, and a restore in a second instance. Usage: EKMSQL MODULE
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"
module=$fakes
scripts=$here/../../scripts

skip()
{
    echo "SKIPPED: $1"
    exit 77
}
command -v softhsm2-util >/dev/null || skip "softhsm2-util is missing (package softhsm2)"
softhsm=
for candidate in "${SOFTHSM_MODULE:-}" /usr/lib/softhsm/libsofthsm2.so \
    /usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so /usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so \
    /usr/lib64/pkcs11/libsofthsm2.so; do
    [ -n "$softhsm" ] || { [ -f "$candidate" ] && softhsm=$candidate; }
done
[ -n "$softhsm" ] || skip "libsofthsm2.so was not found (SOFTHSM_MODULE names it)"

"$scripts/make-softhsm-token" "$work/hsm" demo 1234 >/dev/null 2>"$work/log" ||
    { cat "$work/log"; exit 1; }
SOFTHSM2_CONF=$work/hsm/softhsm2.conf
P11EKM_CONF=$work/p11ekm.conf
export SOFTHSM2_CONF P11EKM_CONF
cat >"$P11EKM_CONF" <<END
module = $softhsm
log = $work/module.log
# A lost token does not return here: do not wait for it.
startup_tries = 1

[token demo]
token = demo
END
chmod 600 "$P11EKM_CONF"
mkdir "$work/backups"

# The module's version changes with releases; sizes of ciphertexts do not.
tsql()
{
    title=$1
    shift
    files=
    for n in "$@"; do
        files="$files -i $(echo "$scripts"/tsql/"$n"-*.sql)"
    done
    # shellcheck disable=SC2086
    sql "$title" -b -v PROVIDER_FILE="$module" -v TOKEN=demo -v PIN=1234 -v DBA_LOGIN=sa \
        -v BACKUP_DIR="$work/backups" $files
}

tsql "from nothing to backups" 01 02 03 04 05 06
check "no plaintext on disk" sh -c "! grep -aq 'encryption' '$instance'/P11EKM_Demo.*.mdf"
sql "restart" -d P11EKM_Demo -Q "SELECT Id, Body FROM Notes ORDER BY Id"
sql "a wrong PIN while another session works" <<'SQL'
CREATE LOGIN mallory WITH PASSWORD = 'x';
CREATE CREDENTIAL wrong WITH IDENTITY = 'demo', SECRET = '9999' FOR CRYPTOGRAPHIC PROVIDER P11EKM;
ALTER LOGIN mallory ADD CREDENTIAL wrong;
GO
USE P11EKM_Demo;
SELECT CAST(DecryptByKey(CardByAes) AS NVARCHAR(20)) AS ByAes FROM Customers;
EXECUTE AS LOGIN = 'mallory';
SELECT CAST(DecryptByKey(CardByAes) AS NVARCHAR(20)) AS ByAes FROM Customers;
REVERT;
SELECT CAST(DecryptByKey(CardByAes) AS NVARCHAR(20)) AS ByAes FROM Customers;
ALTER LOGIN mallory DROP CREDENTIAL wrong;
DROP LOGIN mallory;
DROP CREDENTIAL wrong;
SQL
mv "$work/hsm/tokens" "$work/hsm/away"
mkdir "$work/hsm/tokens"
"$ekmsql" -S "$instance" -Q "SELECT name, state_desc FROM sys.databases" >"$work/gone" 2>&1
check "without its token the database is RECOVERY_PENDING" \
    grep -Eq '^P11EKM_Demo +RECOVERY_PENDING' "$work/gone"
check "with the reason" grep -q '^Cannot open session for cryptographic provider' "$work/gone"
rmdir "$work/hsm/tokens"
mv "$work/hsm/away" "$work/hsm/tokens"
sql "the token is back" -d P11EKM_Demo -Q "SELECT Id, Body FROM Notes ORDER BY Id"

cp "$instance"/P11EKM_Demo.*.mdf "$work/before"
sql "a protector is changed" <<'SQL'
CREATE ASYMMETRIC KEY Extra FROM PROVIDER P11EKM WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'Extra';
CREATE CREDENTIAL extra_cred WITH IDENTITY = 'demo', SECRET = '1234' FOR CRYPTOGRAPHIC PROVIDER P11EKM;
CREATE LOGIN extra_login FROM ASYMMETRIC KEY Extra;
ALTER LOGIN extra_login ADD CREDENTIAL extra_cred;
GO
USE P11EKM_Demo;
ALTER DATABASE ENCRYPTION KEY ENCRYPTION BY SERVER ASYMMETRIC KEY Extra;
SQL
check "and not one byte of the data" cmp -s "$work/before" "$instance"/P11EKM_Demo.*.mdf
tsql "rotation and views" 07 09

# The other server's token is a replica: the same keys in another token store.
first=$instance
first_hsm=$SOFTHSM2_CONF
instance=$work/second
cp -R "$work/hsm" "$work/replica"
sed "s|$work/hsm|$work/replica|" "$first_hsm" >"$work/replica/softhsm2.conf"
SOFTHSM2_CONF=$work/replica/softhsm2.conf
tsql "on another server" 01 02 03 08
sql "restart there" -d P11EKM_Demo -Q "SELECT Id, Body FROM Notes ORDER BY Id"
instance=$first
SOFTHSM2_CONF=$first_hsm
sql "an extra login in the way" -b <<'SQL'
ALTER LOGIN extra_login DROP CREDENTIAL extra_cred;
DROP LOGIN extra_login;
DROP CREDENTIAL extra_cred;
DROP ASYMMETRIC KEY Extra REMOVE PROVIDER KEY;
SQL
tsql "removal" 99
sed -i -E 's/[0-9]{2}\.[0-9]{2}\.[0-9]{4}\.[0-9]{2}/VERSION/g; s/^-{13}( |$)/-------\1/' "$output"
finish
