# SPDX-License-Identifier: Apache-2.0
"""The table that the tests read and write; its cells are encrypted here, independently of the
product."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import aead
from keystores import PROVIDER, key_path

SSN, SALARY, PHOTO = "123-45-6789", -70000, bytes.fromhex("00ff10")
SELECT = "SELECT id, ssn, salary, photo FROM people"

# The clients' output for the table.
FIRST_ROW = f"row 1|{SSN}|{SALARY}|0x{PHOTO.hex()}"
NULL_ROW = "row 5|NULL|NULL|NULL"

COLUMNS = [
    {"name": "id", "type": "int"},
    {"name": "ssn", "type": "nvarchar(11)", "cek": 0, "encryption": "deterministic"},
    {"name": "salary", "type": "int", "cek": 0, "encryption": "randomized"},
    {"name": "photo", "type": "varbinary(40)", "cek": 0, "encryption": "randomized"},
]


@dataclass(frozen=True)
class Key:
    """The column encryption key of a scenario, as the server's metadata describes it."""

    cek: bytes
    encrypted: bytes
    path: str = key_path("cmk1")
    provider: str = PROVIDER
    signature: bytes | None = None
    others: list[dict[str, str]] = field(default_factory=list)

    def scenario(self) -> dict[str, Any]:
        value = {"encrypted": self.encrypted.hex(), "provider": self.provider, "path": self.path,
                 "algorithm": "RSA_OAEP"}
        cek: dict[str, Any] = {"values": [*self.others, value]}
        if self.signature is not None:
            cek["enclave_signature"] = self.signature.hex()
        return {"encryption_version": 2 if self.signature else 1, "ceks": [cek],
                "tables": {"people": {"columns": COLUMNS, "rows": self._rows()}}}

    def _rows(self) -> list[list[str | None]]:
        cells = [self._cell(SSN, deterministic=True), self._cell(SALARY), self._cell(PHOTO)]
        return [["01000000", *cells], ["05000000", None, None, None]]

    def _cell(self, value: int | str | bytes, *, deterministic: bool = False) -> str:
        plain = aead.plain_bytes(value)
        return aead.encrypt(self.cek, plain, deterministic=deterministic).hex()
