# SPDX-License-Identifier: Apache-2.0
"""The bytes of TDS: a reader, packers, and the few data types the simulated server supports."""

from __future__ import annotations

import struct
from dataclasses import dataclass

COLLATION = bytes.fromhex("0904d00034")  # SQL_Latin1_General_CP1_CI_AS

INTN = 0x26
NTEXT = 0x63
BITN = 0x68
BIGVARBINARY = 0xA5
BIGVARCHAR = 0xA7
BIGBINARY = 0xAD
NVARCHAR = 0xE7

_MAX = 0xFFFF  # the length of a type (max), whose values come in parts (PLP)
_PLP_NULL = 0xFFFFFFFFFFFFFFFF
_PLP_END = struct.pack("<I", 0)
_CHARACTERS = (BIGVARCHAR, NVARCHAR, NTEXT)
_LONG_LENGTH = (BIGVARBINARY, BIGVARCHAR, BIGBINARY, NVARCHAR)
_SHORT_LENGTH = (INTN, BITN)


class WireError(Exception):
    """The client sent something that this server does not support."""


class Reader:
    """Reads little-endian fields from a buffer; a field past the end is an error."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise WireError(f"{count} bytes wanted at {self.at}, {self.left()} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def u8(self) -> int:
        return self.number("B")

    def u16(self) -> int:
        return self.number("H")

    def u32(self) -> int:
        return self.number("I")

    def i32(self) -> int:
        return self.number("i")

    def text(self, characters: int) -> str:
        return self.take(2 * characters).decode("utf-16-le")


def short_text(text: str) -> bytes:
    """B_VARCHAR: a byte with the number of characters, then UTF-16."""
    return struct.pack("<B", len(text)) + text.encode("utf-16-le")


def long_text(text: str) -> bytes:
    """US_VARCHAR: two bytes with the number of characters, then UTF-16."""
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")


@dataclass(frozen=True)
class TypeInfo:
    """TYPE_INFO of a column or a parameter: the type's code and its maximum length in bytes."""

    code: int
    length: int

    def pack(self) -> bytes:
        if self.code in _SHORT_LENGTH:
            return struct.pack("<BB", self.code, self.length)
        collation = COLLATION if self.code in _CHARACTERS else b""
        return struct.pack("<BH", self.code, self.length) + collation

    def pack_value(self, value: bytes | None) -> bytes:
        """One value of this type; None is NULL."""
        if self.code in _SHORT_LENGTH:
            return short_value(value)
        if self.length == _MAX:
            return plp_value(value)
        if value is None:
            return struct.pack("<H", 0xFFFF)
        return struct.pack("<H", len(value)) + value


def short_value(value: bytes | None) -> bytes:
    value = value or b""
    return struct.pack("<B", len(value)) + value


def plp_value(value: bytes | None) -> bytes:
    if value is None:
        return struct.pack("<Q", _PLP_NULL)
    part = struct.pack("<I", len(value)) + value if value else b""
    return struct.pack("<Q", len(value)) + part + _PLP_END


def read_type(reader: Reader) -> TypeInfo:
    code = reader.u8()
    if code in _SHORT_LENGTH:
        return TypeInfo(code, reader.u8())
    if code not in _LONG_LENGTH and code != NTEXT:
        raise WireError(f"data type 0x{code:02x} is not known")
    length = reader.u32() if code == NTEXT else reader.u16()
    if code in _CHARACTERS:
        reader.take(len(COLLATION))
    return TypeInfo(code, length)


def read_value(reader: Reader, info: TypeInfo) -> bytes | None:
    if info.code in _SHORT_LENGTH:
        return reader.take(reader.u8()) or None
    if info.code == NTEXT:
        length = reader.u32()
        return None if length == 0xFFFFFFFF else reader.take(length)
    if info.length == _MAX:
        return _read_plp(reader)
    length = reader.u16()
    return None if length == 0xFFFF else reader.take(length)


def _read_plp(reader: Reader) -> bytes | None:
    if reader.number("Q") == _PLP_NULL:
        return None
    parts = []
    while length := reader.u32():
        parts.append(reader.take(length))
    return b"".join(parts)


INT = TypeInfo(INTN, 4)
TINYINT = TypeInfo(INTN, 1)
BIT = TypeInfo(BITN, 1)


def sql_type(declaration: str) -> TypeInfo:
    """The TYPE_INFO of `int`, `nvarchar(n)`, `varbinary(n)`."""
    name, _, size = declaration.rstrip(")").partition("(")
    if name == "int":
        return INT
    if name == "nvarchar":
        return TypeInfo(NVARCHAR, 2 * int(size))
    if name == "varbinary":
        return TypeInfo(BIGVARBINARY, int(size))
    raise WireError(f"column type {declaration} is not known")
