# SPDX-License-Identifier: Apache-2.0
"""Microsoft's ODBC driver with a key store provider, from C and from Python.

Every test serves its own scenario, runs one client program against it as a process (the driver
caches keys for the life of a process), and checks the application's output and the data that the
server received."""

from __future__ import annotations

import sys
import unittest
from dataclasses import replace
from pathlib import Path

import aead
import environment
from harness import INSERT, NEW_ROW, DriverCase
from keystores import PROVIDER, key_path
from scenario import FIRST_ROW, NULL_ROW, SELECT, SSN


class FromPython(DriverCase):
    """The Python client: pyodbc, which prepares statements with parameters."""

    client = [sys.executable, str(Path(__file__).with_name("odbc_client.py"))]

    def check_insert(self, *options: str) -> None:
        lines = self.run_client(self.key, *options, INSERT, *NEW_ROW)
        self.assertEqual(lines, ["rows 1"])
        (row,) = self.inserted
        self.assertEqual([p.encryption for p in row], [0, 1, 2, 2])
        expected = [b"\x02\0\0\0", "zä-€".encode("utf-16-le"), aead.plain_bytes(42),
                    bytes.fromhex("c0ffee")]
        self.assertEqual(self.plaintexts(row), expected)
        again = aead.encrypt(self.key.cek, expected[1], deterministic=True)
        self.assertEqual(row[1].value, again)

    def test_select(self) -> None:
        self.assertEqual(self.run_client(self.key, SELECT), [FIRST_ROW, NULL_ROW])

    def test_select_by_deterministic_value(self) -> None:
        lines = self.run_client(self.key, SELECT + " WHERE ssn = ?", f"nvarchar(11)={SSN}")
        self.assertEqual(lines, [FIRST_ROW])

    def test_insert(self) -> None:
        self.check_insert()

    def test_insert_null(self) -> None:
        self.run_client(self.key, "INSERT INTO people (id, salary) VALUES (?, ?)", "int=3", "int")
        self.assertEqual([p.value for p in self.inserted[0]], [b"\x03\0\0\0", None])

    def test_second_value_is_used(self) -> None:
        other = {"encrypted": "00" * 64, "provider": "OTHER_STORE", "path": "x",
                 "algorithm": "RSA_OAEP"}
        key = replace(self.key, others=[other])
        self.assertEqual(self.run_client(key, SELECT), [FIRST_ROW, NULL_ROW])

    def test_enclave(self) -> None:
        key = replace(self.key, signature=self.keystore.sign_metadata("cmk1"))
        self.assertEqual(self.run_client(key, INSERT, *NEW_ROW, enclave=True), ["rows 1"])
        self.assertEqual(self.plaintexts(self.inserted[0])[2], aead.plain_bytes(42))

    def test_enclave_signature_tampered(self) -> None:
        signature = bytearray(self.keystore.sign_metadata("cmk1"))
        signature[-1] ^= 1
        key = replace(self.key, signature=bytes(signature))
        self.refused(key, "CE403", enclave=True)
        self.assertEqual(self.inserted, [])

    def test_enclave_signature_of_another_key(self) -> None:
        self.keystore.create("cmk4")
        key = replace(self.key, signature=self.keystore.sign_metadata("cmk4"))
        self.refused(key, "CE403", enclave=True)

    def test_wrong_key(self) -> None:
        self.keystore.create("cmk2")
        self.refused(replace(self.key, path=key_path("cmk2")), "CEKSP", "(?i)signature")

    def test_tampered_ciphertext(self) -> None:
        self.refused(self.tampered(-300), "CEKSP", "(?i)signature")

    def test_tampered_signature(self) -> None:
        self.refused(self.tampered(-1), "CEKSP", "(?i)signature")

    def test_tampered_version(self) -> None:
        self.refused(self.tampered(0), "CEKSP")

    def test_truncated(self) -> None:
        self.refused(replace(self.key, encrypted=self.key.encrypted[:-1]), "CEKSP")

    def test_unknown_path(self) -> None:
        self.refused(replace(self.key, path=key_path("cmk9")), "CEKSP", "cmk9")

    def test_not_a_key_path(self) -> None:
        self.refused(replace(self.key, path="CurrentUser/My/00"), "CEKSP")

    def test_provider_not_loaded(self) -> None:
        self.refused(self.key, "CE200", PROVIDER, load=False)

    def test_provider_not_configured(self) -> None:
        self.refused(self.key, "CEKSP", "(?i)conf", configure=False)

    def test_provider_name_in_another_case(self) -> None:
        self.refused(replace(self.key, provider=PROVIDER.lower()), "CE200", PROVIDER.lower())

    def test_library_is_missing(self) -> None:
        lines = self.run_client(self.key, "-m", "/nonexistent/p11ekm.so", SELECT, status=1)
        self.assertRegex("\n".join(lines), "CE203")

    def test_loaded_before_connecting(self) -> None:
        self.assertEqual(self.run_client(self.key, "-L", SELECT), [FIRST_ROW, NULL_ROW])


class FromC(FromPython):
    """The C client: with SQLExecDirect, and with SQLPrepare where a test requests it."""

    client = [str(environment.client())]

    def test_insert_prepared(self) -> None:
        self.check_insert("-P")

    def test_select_prepared(self) -> None:
        self.assertEqual(self.run_client(self.key, "-P", SELECT), [FIRST_ROW, NULL_ROW])

    def test_failure_names_both_records(self) -> None:
        self.refused(self.tampered(-1), "diag CEKSP", "diag CE202")

    def test_enclave_failure_names_its_cause(self) -> None:
        key = replace(self.key, signature=bytes(256))
        self.refused(key, "diag CEKSP .*signature", enclave=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
