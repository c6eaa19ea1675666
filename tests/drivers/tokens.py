# SPDX-License-Identifier: Apache-2.0
"""The tokens of a TDS reply, including those of Always Encrypted."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from wire import COLLATION, BIGVARBINARY, TypeInfo, long_text, short_text

DONE_FINAL = 0x00
DONE_MORE = 0x01
DONE_ERROR = 0x02
DONE_COUNT = 0x10

_DONE, _DONEPROC, _DONEINPROC = 0xFD, 0xFE, 0xFF
_SELECT, _INSERT, _EXECUTE = 0xC1, 0xC3, 0xE0
_NULLABLE, _ENCRYPTED = 0x0001, 0x0800
_CELL_ALGORITHM = 2  # AEAD_AES_256_CBC_HMAC_SHA_256
_NORMALISATION = 1
_CELL_TYPE = TypeInfo(BIGVARBINARY, 8000)


@dataclass(frozen=True)
class CekValue:
    """One encrypted value of a column encryption key, and the path of its master key."""

    encrypted: bytes
    provider: str
    path: str
    algorithm: str

    def pack(self) -> bytes:
        return (
            struct.pack("<H", len(self.encrypted)) + self.encrypted
            + short_text(self.provider) + long_text(self.path) + short_text(self.algorithm)
        )


@dataclass(frozen=True)
class Cek:
    """A column encryption key in the server's metadata."""

    database_id: int
    cek_id: int
    version: int
    metadata_version: bytes
    values: tuple[CekValue, ...]
    enclave_signature: bytes | None = None

    def pack(self) -> bytes:
        head = struct.pack("<iii", self.database_id, self.cek_id, self.version)
        count = struct.pack("<B", len(self.values))
        return head + self.metadata_version + count + b"".join(v.pack() for v in self.values)


@dataclass(frozen=True)
class Column:
    """A column; encryption: 0 none, 1 deterministic, 2 randomized."""

    name: str
    type: TypeInfo
    cek: Cek | None = None
    encryption: int = 0

    @property
    def wire_type(self) -> TypeInfo:
        return _CELL_TYPE if self.cek else self.type

    def pack(self, cek_table: Sequence[Cek]) -> bytes:
        flags = _NULLABLE | (_ENCRYPTED if self.cek else 0)
        return (
            struct.pack("<IH", 0, flags) + self.wire_type.pack()
            + self._crypto_metadata(cek_table) + short_text(self.name)
        )

    def _crypto_metadata(self, cek_table: Sequence[Cek]) -> bytes:
        if self.cek is None:
            return b""
        place = struct.pack("<HI", cek_table.index(self.cek), 0)
        cipher = struct.pack("<BBB", _CELL_ALGORITHM, self.encryption, _NORMALISATION)
        return place + self.type.pack() + cipher


Row = Sequence[bytes | None]


def result_set(columns: Sequence[Column], rows: Sequence[Row], *, aware: bool) -> bytes:
    """COLMETADATA and ROWs. `aware`: the client requested Always Encrypted and it was
    acknowledged."""
    ceks: list[Cek] = []
    for column in columns:
        if column.cek and column.cek not in ceks:
            ceks.append(column.cek)
    out = bytearray(struct.pack("<BH", 0x81, len(columns)))
    if aware:
        out += struct.pack("<H", len(ceks)) + b"".join(cek.pack() for cek in ceks)
    for column in columns:
        out += column.pack(ceks) if aware else Column(column.name, column.wire_type).pack(())
    for row in rows:
        cells = (c.wire_type.pack_value(v) for c, v in zip(columns, row, strict=True))
        out += b"\xd1" + b"".join(cells)
    return bytes(out)


@dataclass(frozen=True)
class Count:
    """How many rows a statement returned or made. Drivers distinguish these by the command."""

    command: int
    rows: int


def selected(rows: int) -> Count:
    return Count(_SELECT, rows)


def described(rows: int) -> Count:
    """For sp_describe_parameter_encryption: with another command than EXECUTE, or without a
    count, Microsoft's ODBC driver ends a prepared statement with 24000, invalid cursor state."""
    return Count(_EXECUTE, rows)


def inserted(rows: int) -> Count:
    return Count(_INSERT, rows)


def _done(token: int, status: int, count: Count | None) -> bytes:
    if count is None:
        return struct.pack("<BHHQ", token, status, _EXECUTE, 0)
    return struct.pack("<BHHQ", token, status | DONE_COUNT, count.command, count.rows)


def done(status: int, count: Count | None = None) -> bytes:
    """The end of a statement of a batch."""
    return _done(_DONE, status, count)


def done_in_proc(count: Count | None = None) -> bytes:
    """The end of a statement inside a procedure; more always follows."""
    return _done(_DONEINPROC, DONE_MORE, count)


def done_proc(status: int = DONE_FINAL, outputs: bytes = b"") -> bytes:
    """The return status of a procedure, its output parameters, and its end."""
    code = 1 if status & DONE_ERROR else 0
    return struct.pack("<Bi", 0x79, code) + outputs + _done(_DONEPROC, status, None)


def return_value(name: str, info: TypeInfo, value: bytes) -> bytes:
    head = struct.pack("<BH", 0xAC, 0) + short_text(name) + struct.pack("<BIH", 1, 0, 0)
    return head + info.pack() + info.pack_value(value)


def error(number: int, message: str) -> bytes:
    body = (
        struct.pack("<iBB", number, 1, 16) + long_text(message) + short_text("stand-in")
        + short_text("") + struct.pack("<I", 1)
    )
    return struct.pack("<BH", 0xAA, len(body)) + body


def _envchange(kind: int, new: bytes, old: bytes) -> bytes:
    body = struct.pack("<B", kind) + new + old
    return struct.pack("<BH", 0xE3, len(body)) + body


def login_reply(database: str, packet_size: int, encryption_version: int) -> bytes:
    """The reply to LOGIN7; encryption_version 0: Always Encrypted is not acknowledged."""
    size = str(packet_size)
    changes = (
        _envchange(1, short_text(database), short_text("master"))
        + _envchange(7, struct.pack("<B", len(COLLATION)) + COLLATION, b"\0")
        + _envchange(2, short_text("us_english"), short_text(""))
        + _envchange(4, short_text(size), short_text("4096"))
    )
    ack = b"\x01\x74\x00\x00\x04" + short_text("stand-in") + b"\x10\x00\x03\xe8"
    reply = changes + struct.pack("<BH", 0xAD, len(ack)) + ack
    if encryption_version:
        reply += _feature_ack(encryption_version)
    return reply + done(DONE_FINAL)


def _feature_ack(version: int) -> bytes:
    data = struct.pack("<B", version)
    if version >= 2:
        data += short_text("VBS")
    return b"\xae\x04" + struct.pack("<I", len(data)) + data + b"\xff"
