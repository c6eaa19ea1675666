# SPDX-License-Identifier: Apache-2.0
"""The data of the simulated server: keys, tables and cells of a scenario, and its three
statements.

Like SQL Server, it never has a key or a plaintext of an encrypted column. A scenario is JSON;
README.md describes it."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tokens import Cek, CekValue, Column, Count, Row, inserted, selected
from wire import NTEXT, NVARCHAR, TypeInfo, sql_type

ENCRYPTIONS = {"deterministic": 1, "randomized": 2}

_SELECT = re.compile(r"SELECT (.+?) FROM (\w+)(?: WHERE (\w+) *= *(@\w+))?;?\s*$", re.I)
_INSERT = re.compile(r"INSERT INTO (\w+) *\((.+?)\) *VALUES *\((.+?)\);?\s*$", re.I)
_QUIET = re.compile(r"(SET |IF @@TRANCOUNT )", re.I)


class SqlError(Exception):
    """An error message of the server, with its number."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


@dataclass(frozen=True)
class Parameter:
    """A parameter as the client sent it; `cek_id` is 0 for one that is not encrypted."""

    name: str
    type: TypeInfo
    value: bytes | None
    encryption: int = 0
    cek_id: int = 0


@dataclass
class Result:
    """Rows of a SELECT, or only the count of an INSERT."""

    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    count: Count | None = None


@dataclass
class Table:
    columns: dict[str, Column]
    rows: list[list[bytes | None]]

    def column(self, name: str) -> Column:
        if name not in self.columns:
            raise SqlError(207, f"Invalid column name '{name}'.")
        return self.columns[name]

    def place(self, name: str) -> int:
        return list(self.columns).index(self.column(name).name)


def _names(text: str) -> list[str]:
    return [name.strip(" []") for name in text.split(",")]


class Database:
    """The tables of one scenario; safe to use from many connections at once."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.ceks = [_cek(number, given) for number, given in enumerate(scenario["ceks"], 1)]
        self.tables = {
            name: self._table(given) for name, given in scenario["tables"].items()
        }
        self.inserted: list[list[Parameter]] = []
        self._lock = threading.Lock()  # guards every table's rows, and `inserted`

    def _table(self, given: dict[str, Any]) -> Table:
        columns = {c["name"]: self._column(c) for c in given["columns"]}
        rows = [[None if v is None else bytes.fromhex(v) for v in row] for row in given["rows"]]
        return Table(columns, rows)

    def _column(self, given: dict[str, Any]) -> Column:
        if "cek" not in given:
            return Column(given["name"], sql_type(given["type"]))
        encryption = ENCRYPTIONS[given["encryption"]]
        cek = self.ceks[given["cek"]]
        return Column(given["name"], sql_type(given["type"]), cek, encryption)

    def _find(self, name: str) -> Table:
        if name not in self.tables:
            raise SqlError(208, f"Invalid object name '{name}'.")
        return self.tables[name]

    def targets(self, sql: str) -> dict[str, Column]:
        """Which column each parameter of a statement is stored in or compared with."""
        if match := _INSERT.match(sql):
            table = self._find(match[1])
            pairs = zip(_names(match[2]), _names(match[3]), strict=True)
            return {name: table.column(column) for column, name in pairs}
        if match := _SELECT.match(sql):
            return {match[4]: self._find(match[2]).column(match[3])} if match[4] else {}
        raise SqlError(102, "Incorrect syntax.")

    def result_columns(self, sql: str) -> list[Column]:
        """The columns of a statement's rows; none for one that gives no rows."""
        match = _SELECT.match(sql)
        if match is None:
            return []
        table = self._find(match[2])
        return [table.column(name) for name in _names(match[1])]

    def execute(self, sql: str, parameters: Sequence[Parameter] = ()) -> Result:
        by_name = {p.name: p for p in parameters}
        for name, column in self.targets(sql).items() if by_name else ():
            _check(by_name[name], column)
        if match := _SELECT.match(sql):
            return self._select(match, by_name)
        if match := _INSERT.match(sql):
            return self._insert(match, by_name)
        if _QUIET.match(sql):
            return Result()
        raise SqlError(102, "Incorrect syntax.")

    def _select(self, match: re.Match[str], parameters: dict[str, Parameter]) -> Result:
        table = self._find(match[2])
        places = [table.place(name) for name in _names(match[1])]
        with self._lock:
            rows = list(table.rows)
        if match[4]:
            key, wanted = table.place(match[3]), parameters[match[4]].value
            rows = [row for row in rows if row[key] is not None and row[key] == wanted]
        picked: list[Row] = [[row[p] for p in places] for row in rows]
        return Result(self.result_columns(match[0]), picked, selected(len(picked)))

    def _insert(self, match: re.Match[str], parameters: dict[str, Parameter]) -> Result:
        table = self._find(match[1])
        row: list[bytes | None] = [None] * len(table.columns)
        given = [parameters[name] for name in _names(match[3])]
        for name, parameter in zip(_names(match[2]), given, strict=True):
            row[table.place(name)] = parameter.value
        with self._lock:
            table.rows.append(row)
            self.inserted.append(given)
        return Result(count=inserted(1))


def _check(parameter: Parameter, column: Column) -> None:
    """Refuses, as SQL Server does, a parameter that is not encrypted like its column."""
    expected = (column.encryption, column.cek.cek_id if column.cek else 0)
    same_type = parameter.type.code == column.type.code
    if (parameter.encryption, parameter.cek_id) == expected and (same_type or not column.cek):
        return
    raise SqlError(206, f"Operand type clash: parameter {parameter.name} (type 0x"
                        f"{parameter.type.code:02x}, encryption {parameter.encryption}) "
                        f"is incompatible with column {column.name}")


def _cek(number: int, given: dict[str, Any]) -> Cek:
    values = tuple(
        CekValue(bytes.fromhex(v["encrypted"]), v["provider"], v["path"], v["algorithm"])
        for v in given["values"]
    )
    signature = given.get("enclave_signature")
    enclave = bytes.fromhex(signature) if signature is not None else None
    return Cek(5, number, 1, number.to_bytes(8, "big"), values, enclave)


def declared_parameters(declaration: str) -> list[str]:
    """The names in `@P1 int,@P2 nvarchar(40)`."""
    return re.findall(r"@\w+", declaration)


def as_text(parameter: Parameter) -> str:
    """An unencrypted text parameter, such as a procedure's statement; NULL is the empty text."""
    if parameter.type.code not in (NVARCHAR, NTEXT):
        raise SqlError(214, f"Procedure expects parameter '{parameter.name}' of type 'nvarchar'.")
    return (parameter.value or b"").decode("utf-16-le")
