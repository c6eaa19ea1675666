# SPDX-License-Identifier: Apache-2.0
"""Shared by the test modules: a client program run against a server with a scenario."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import aead
import certificate
import environment
from database import Parameter
from keystores import KeyStore
from scenario import SELECT, Key
from tds_server import TdsServer

INSERT = "INSERT INTO people (id, ssn, salary, photo) VALUES (?, ?, ?, ?)"
NEW_ROW = ["int=2", "nvarchar(11)=zä-€", "int=42", "varbinary(40)=c0ffee"]


class DriverCase(unittest.TestCase):
    """A key store, one column encryption key, and a client program; `client` is its command."""

    client: list[str]
    keystore: KeyStore
    key: Key
    certificate: Path

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory(prefix="p11ekm-drivers-")
        cls.addClassCleanup(directory.cleanup)
        cls.certificate = certificate.make(Path(directory.name))
        cls.keystore = cls.make_keystore(Path(directory.name))
        cls.keystore.create("cmk1")
        cls.key = cls.make_key()

    @classmethod
    def make_keystore(cls, directory: Path) -> KeyStore:
        return environment.make_keystore(directory)

    @classmethod
    def make_key(cls) -> Key:
        cek = os.urandom(32)
        return Key(cek, cls.keystore.encrypt("cmk1", cek))

    def run_client(self, key: Key, *arguments: str, status: int = 0, load: bool = True,
                   configure: bool = True, data: str = "", enclave: bool = False) -> list[str]:
        """The lines that the client prints; afterwards `self.inserted` is what the server
        received, `self.status` the provider's status."""
        with TdsServer(key.scenario(), self.certificate) as server:
            mode = "VBS-NONE" if enclave else "Enabled"
            command = [*self.client, "-c", environment.connection_string(server.port, mode)]
            command += ["-m", str(environment.module())] if load else []
            command += ["-d", data or self.keystore.data] if load and configure else []
            variables = {**os.environ, **self.keystore.environment}
            variables.pop("P11EKM_CONF", None)
            done = subprocess.run([*command, *arguments], capture_output=True, text=True,
                                  env=variables, timeout=60)
            self.inserted = server.database.inserted
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        self.status = [line for line in lines if line.startswith("status ")]
        return [line for line in lines if line not in self.status]

    def refused(self, key: Key, *causes: str, load: bool = True, configure: bool = True,
                enclave: bool = False) -> None:
        """A SELECT (with `enclave`, an INSERT) fails, and the diagnostics name each cause."""
        statement = [INSERT, *NEW_ROW] if enclave else [SELECT]
        lines = self.run_client(key, *statement, status=1, load=load, configure=configure,
                                enclave=enclave)
        told = "\n".join(lines)
        for cause in causes:
            self.assertRegex(told, cause)
        self.assertNotIn("row ", told)

    def plaintexts(self, parameters: list[Parameter]) -> list[bytes | None]:
        return [
            aead.decrypt(self.key.cek, p.value) if p.encryption and p.value else p.value
            for p in parameters
        ]

    def tampered(self, place: int) -> Key:
        encrypted = bytearray(self.key.encrypted)
        encrypted[place] ^= 0x40
        return replace(self.key, encrypted=bytes(encrypted))
