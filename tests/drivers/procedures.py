# SPDX-License-Identifier: Apache-2.0
"""One session's batches and procedure calls, sp_describe_parameter_encryption among them."""

from __future__ import annotations

import itertools
import logging
import struct
from dataclasses import dataclass, field, replace

import enclave
import tokens
from database import Database, Parameter, SqlError, as_text, declared_parameters
from tokens import Cek, Column, described
from wire import BIT, INT, TINYINT, Reader, TypeInfo, WireError, read_type, read_value, sql_type

SP_EXECUTESQL, SP_PREPARE, SP_EXECUTE, SP_PREPEXEC, SP_UNPREPARE = 10, 11, 12, 13, 15
_NAMES = {
    "sp_executesql": SP_EXECUTESQL,
    "sp_prepare": SP_PREPARE,
    "sp_execute": SP_EXECUTE,
    "sp_prepexec": SP_PREPEXEC,
    "sp_unprepare": SP_UNPREPARE,
}
_DESCRIBE = "sp_describe_parameter_encryption"
_PARAMETER_ENCRYPTED = 0x08
_SEPARATORS = (0x80, 0xFE, 0xFF)

_KEY_COLUMNS = [
    Column("column_encryption_key_ordinal", INT),
    Column("database_id", INT),
    Column("column_encryption_key_id", INT),
    Column("column_encryption_key_version", INT),
    Column("column_encryption_key_metadata_version", sql_type("varbinary(8)")),
    Column("column_encryption_key_encrypted_value", sql_type("varbinary(4000)")),
    Column("column_master_key_store_provider_name", sql_type("nvarchar(128)")),
    Column("column_master_key_path", sql_type("nvarchar(4000)")),
    Column("column_encryption_key_encryption_algorithm_name", sql_type("nvarchar(128)")),
]
_ENCLAVE_COLUMNS = [
    Column("is_requested_by_enclave", BIT),
    Column("enclave_signature", sql_type("varbinary(4000)")),
]
_ATTESTATION_COLUMNS = [Column("attestation_info", sql_type("varbinary(8000)"))]
_PARAMETER_COLUMNS = [
    Column("parameter_ordinal", INT),
    Column("parameter_name", sql_type("nvarchar(128)")),
    Column("column_encryption_algorithm", TINYINT),
    Column("column_encryption_type", TINYINT),
    Column("column_encryption_key_ordinal", INT),
    Column("column_encryption_normalization_rule_version", TINYINT),
]

log = logging.getLogger("tds")


@dataclass
class Call:
    """A procedure call: a well-known procedure's number or a name, and its parameters."""

    procedure: int | str
    parameters: list[Parameter] = field(default_factory=list)


@dataclass(frozen=True)
class Statement:
    """A statement and the names of its parameters, in order; clients send values without names."""

    sql: str
    names: list[str]


def _int(value: int) -> bytes:
    return struct.pack("<i", value)


def _text(value: str) -> bytes:
    return value.encode("utf-16-le")


class Session:
    """One login: its options, and the statements it has prepared."""

    def __init__(self, database: Database, encryption_version: int) -> None:
        self._database = database
        self._version = encryption_version
        self._prepared: dict[int, Statement] = {}
        self._handles = itertools.count(1)

    def batch(self, message: bytes) -> bytes:
        reader = Reader(message)
        reader.take(reader.u32() - 4)
        if self._version >= 2:
            reader.take(reader.u16())
        sql = reader.text(reader.left() // 2)
        log.info("batch: %s", sql)
        try:
            result = self._database.execute(sql)
        except SqlError as problem:
            return tokens.error(problem.number, str(problem)) + tokens.done(tokens.DONE_ERROR)
        rows = self._rows(result.columns, result.rows) if result.columns else b""
        return rows + tokens.done(tokens.DONE_FINAL, result.count)

    def procedure_call(self, message: bytes) -> bytes:
        """The reply to an RPC message, which may hold several calls."""
        calls = self._read_calls(message)
        reply = b""
        for number, call in enumerate(calls, 1):
            log.info("procedure %s, %d parameters", call.procedure, len(call.parameters))
            more = tokens.DONE_MORE if number < len(calls) else tokens.DONE_FINAL
            try:
                results, outputs = self._call(call)
                reply += results + tokens.done_proc(more, outputs)
            except SqlError as problem:
                reply += tokens.error(problem.number, str(problem))
                reply += tokens.done_proc(more | tokens.DONE_ERROR)
        return reply

    def _read_calls(self, message: bytes) -> list[Call]:
        reader = Reader(message)
        reader.take(reader.u32() - 4)
        calls = []
        while reader.left():
            calls.append(self._read_call(reader))
        return calls

    def _read_call(self, reader: Reader) -> Call:
        length = reader.u16()
        call = Call(reader.u16() if length == 0xFFFF else reader.text(length))
        reader.u16()
        if self._version >= 2:
            reader.take(reader.u16())
        while reader.left():
            if reader.data[reader.at] in _SEPARATORS:
                reader.u8()
                break
            call.parameters.append(_read_parameter(reader))
        return call

    def _rows(self, columns: list[Column], rows: list[tokens.Row]) -> bytes:
        return tokens.result_set(columns, rows, aware=self._version > 0)

    def _call(self, call: Call) -> tuple[bytes, bytes]:
        """A procedure's result sets, and its output parameters."""
        name = call.procedure
        if name == _DESCRIBE:
            return self._describe(call.parameters), b""
        number = _NAMES.get(name) if isinstance(name, str) else name
        if number == SP_EXECUTESQL:
            sql, *rest = call.parameters
            return self._execute(_statement(sql, rest[0] if rest else None), rest[1:]), b""
        if number == SP_PREPARE:
            return self._prepare(call)
        if number == SP_PREPEXEC:
            return self._prepare_and_execute(call)
        if number == SP_EXECUTE:
            return self._execute(self._statement_of(call), call.parameters[1:]), b""
        if number == SP_UNPREPARE:
            self._prepared.pop(_handle(call), None)
            return b"", b""
        raise SqlError(2812, f"Could not find stored procedure '{name}'.")

    def _execute(self, statement: Statement, values: list[Parameter]) -> bytes:
        named = [replace(v, name=n) for v, n in zip(values, statement.names, strict=True)]
        result = self._database.execute(statement.sql, named)
        rows = self._rows(result.columns, result.rows) if result.columns else b""
        return rows + tokens.done_in_proc(result.count)

    def _prepare(self, call: Call) -> tuple[bytes, bytes]:
        columns = self._database.result_columns(as_text(call.parameters[2]))
        metadata = self._rows(columns, []) + tokens.done_in_proc() if columns else b""
        return metadata, self._new_handle(call)

    def _prepare_and_execute(self, call: Call) -> tuple[bytes, bytes]:
        _, declaration, sql, *values = call.parameters
        handle = self._new_handle(call)
        return self._execute(_statement(sql, declaration), values), handle

    def _new_handle(self, call: Call) -> bytes:
        handle = next(self._handles)
        out, declaration, sql = call.parameters[:3]
        self._prepared[handle] = _statement(sql, declaration)
        return tokens.return_value(out.name, INT, _int(handle))

    def _statement_of(self, call: Call) -> Statement:
        handle = _handle(call)
        if handle not in self._prepared:
            raise SqlError(8179, f"Could not find prepared statement with handle {handle}.")
        return self._prepared[handle]

    def _describe(self, parameters: list[Parameter]) -> bytes:
        sql, declaration = (as_text(p) for p in parameters[:2])
        targets = self._database.targets(sql)
        columns = {name: targets[name] for name in declared_parameters(declaration)}
        ceks: list[Cek] = []
        for column in columns.values():
            if column.cek and column.cek not in ceks:
                ceks.append(column.cek)
        keys = [row for at, cek in enumerate(ceks, 1) for row in self._key_rows(at, cek)]
        rows = [
            _parameter_row(at, name, column, ceks)
            for at, (name, column) in enumerate(columns.items(), 1)
        ]
        key_columns = _KEY_COLUMNS + (_ENCLAVE_COLUMNS if self._version >= 2 else [])
        results = [(key_columns, keys), (_PARAMETER_COLUMNS, rows)]
        if len(parameters) > 2:
            results.append((_ATTESTATION_COLUMNS, [[enclave.attestation()]]))
        return b"".join(
            self._rows(columns, rows) + tokens.done_in_proc(described(len(rows)))
            for columns, rows in results
        )

    def _key_rows(self, ordinal: int, cek: Cek) -> list[tokens.Row]:
        request: list[bytes | None] = []
        if self._version >= 2:
            request = [bytes([cek.enclave_signature is not None]), cek.enclave_signature]
        return [
            [_int(ordinal), _int(cek.database_id), _int(cek.cek_id), _int(cek.version),
             cek.metadata_version, value.encrypted, _text(value.provider), _text(value.path),
             _text(value.algorithm), *request]
            for value in cek.values
        ]


def _parameter_row(at: int, name: str, column: Column, ceks: list[Cek]) -> tokens.Row:
    key = ceks.index(column.cek) + 1 if column.cek else 0
    algorithm = 2 if column.cek else 0
    normalisation = 1 if column.cek else 0
    return [_int(at), _text(name), bytes([algorithm]), bytes([column.encryption]), _int(key),
            bytes([normalisation])]


def _statement(sql: Parameter, declaration: Parameter | None) -> Statement:
    declared = as_text(declaration) if declaration else ""
    return Statement(as_text(sql), declared_parameters(declared))


def _handle(call: Call) -> int:
    value = call.parameters[0].value or b""
    return int.from_bytes(value, "little", signed=True)


def _read_parameter(reader: Reader) -> Parameter:
    name = reader.text(reader.u8())
    status = reader.u8()
    wire_type = read_type(reader)
    value = read_value(reader, wire_type)
    if not status & _PARAMETER_ENCRYPTED:
        return Parameter(name, wire_type, value)
    return _read_encrypted(reader, name, value)


def _read_encrypted(reader: Reader, name: str, value: bytes | None) -> Parameter:
    base: TypeInfo = read_type(reader)
    algorithm, encryption = reader.u8(), reader.u8()
    reader.i32()
    cek_id = reader.i32()
    reader.i32()
    reader.take(8)
    if algorithm != 2 or reader.u8() != 1:
        raise WireError("the cell's algorithm or normalisation is not known")
    return Parameter(name, base, value, encryption, cek_id)
