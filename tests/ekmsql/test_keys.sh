#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys in the provider: creating, opening, renaming, dropping, and every refusal.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh sets and uses these
. "$(dirname "$0")/lib.sh"
prepare

new="CREATE ASYMMETRIC KEY k FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'one', CREATION_DISPOSITION = CREATE_NEW"
open="CREATE ASYMMETRIC KEY k2 FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'one', CREATION_DISPOSITION = OPEN_EXISTING"
sql "no algorithm" -Q "CREATE ASYMMETRIC KEY k FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'one'"
sql "unknown algorithm" -Q "CREATE ASYMMETRIC KEY k FROM PROVIDER P WITH ALGORITHM = RSA_4096"
sql "a symmetric algorithm" -Q "CREATE ASYMMETRIC KEY k FROM PROVIDER P WITH ALGORITHM = AES_256"
sql "no provider" -Q "CREATE ASYMMETRIC KEY k FROM PROVIDER Q WITH ALGORITHM = RSA_2048"
sql "an unknown disposition" -Q "CREATE ASYMMETRIC KEY k FROM PROVIDER P WITH ALGORITHM = RSA_2048, CREATION_DISPOSITION = SOMETIMES"
sql "refused by name" -Q "CREATE SYMMETRIC KEY s FROM PROVIDER P WITH ALGORITHM = AES_256, IDENTITY_VALUE = 'x'"
TROUBLE=no-symmetric sql "no symmetric keys" -Q "CREATE SYMMETRIC KEY s FROM PROVIDER P WITH ALGORITHM = AES_256"
TROUBLE=no-names sql "no names" -Q "$new"
for trouble in create=7 create=2060; do
    TROUBLE=$trouble sql "trouble: $trouble" -Q "$new"
done
check "a failed CREATE leaves the token empty" [ ! -s "$FAKE_KEYS" ]
sql "trace of CREATE_NEW" -t -Q "$new"
check "one key on the token" [ "$(wc -l <"$FAKE_KEYS")" -eq 1 ]
sql "the same name in the database" -Q "$new"
sql "the same name in the provider" -Q "CREATE ASYMMETRIC KEY k2 FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'one'"
for trouble in export=2057 other-algorithm key-pointer no-thumb-size algorithm=3; do
    TROUBLE=$trouble sql "OPEN_EXISTING, trouble: $trouble" -Q "$open"
done
sql "OPEN_EXISTING with an algorithm" -Q "CREATE ASYMMETRIC KEY k2 FROM PROVIDER P WITH ALGORITHM = RSA_2048, PROVIDER_KEY_NAME = 'one', CREATION_DISPOSITION = OPEN_EXISTING"
sql "OPEN_EXISTING of none" -Q "CREATE ASYMMETRIC KEY k2 FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'none', CREATION_DISPOSITION = OPEN_EXISTING"
sql "OPEN_EXISTING as another kind" -Q "CREATE SYMMETRIC KEY k2 FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'one', CREATION_DISPOSITION = OPEN_EXISTING"
sql "trace of OPEN_EXISTING" -t -Q "$open"
sql "symmetric" -Q "CREATE SYMMETRIC KEY s FROM PROVIDER P WITH ALGORITHM = AES_256, PROVIDER_KEY_NAME = 'two';
SELECT name, key_length, algorithm_desc, provider_type FROM sys.symmetric_keys;
SELECT name, algorithm_desc, key_length, thumbprint, public_key, provider_type, cryptographic_provider_guid FROM sys.asymmetric_keys;
SELECT * FROM sys.dm_cryptographic_provider_keys(65536)"
printf 'odd 5 000102030405060708090a0b0c0d0e0f 00\n' >>"$FAKE_KEYS"
sql "a key of an algorithm the engine does not know" -Q "CREATE SYMMETRIC KEY o FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'odd', CREATION_DISPOSITION = OPEN_EXISTING"

sed -i 's/^one /uno /' "$FAKE_KEYS"
sql "the key was renamed in the provider" <<'SQL'
ALTER ASYMMETRIC KEY k WITH PROVIDER_KEY_NAME = 'one';
ALTER ASYMMETRIC KEY k WITH PROVIDER_KEY_NAME = 'two';
ALTER ASYMMETRIC KEY k WITH PROVIDER_KEY_NAME = 'uno';
ALTER ASYMMETRIC KEY none WITH PROVIDER_KEY_NAME = 'uno';
ALTER SYMMETRIC KEY s WITH PROVIDER_KEY_NAME = 'two';
SELECT DATALENGTH(EncryptByAsymKey(ASYMKEY_ID('k'), 0x01)) AS bytes;
SQL
sql "drop" -Q "DROP ASYMMETRIC KEY k2; DROP ASYMMETRIC KEY k2"
check "the key stays in the provider" grep -q '^uno ' "$FAKE_KEYS"
TROUBLE=drop=2061 sql "the provider cannot drop" -Q "DROP SYMMETRIC KEY s REMOVE PROVIDER KEY; SELECT name FROM sys.symmetric_keys"
check "it stays, too" grep -q '^two ' "$FAKE_KEYS"
sql "a login stands on it" -Q "CREATE LOGIN l FROM ASYMMETRIC KEY k; DROP ASYMMETRIC KEY k REMOVE PROVIDER KEY"
sql "trace of a removal" -t -Q "DROP LOGIN l; DROP ASYMMETRIC KEY k REMOVE PROVIDER KEY"
check "now it is gone" sh -c "! grep -q '^uno ' '$FAKE_KEYS'"
finish
