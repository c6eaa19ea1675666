# SPDX-License-Identifier: Apache-2.0
"""odbc_client.c in Python with pyodbc: the same options, the same output.

pyodbc prepares every statement that has parameters, and has no call that reads the provider's
status. Its set_attr() accepts numbers and text: a structure is passed by its address."""

from __future__ import annotations

import argparse
import ctypes
import sys

import pyodbc

SQL_COPT_SS_CEKEYSTOREPROVIDER = 1251
SQL_COPT_SS_CEKEYSTOREDATA = 1252

Value = int | str | bytes | None


def keystore_data(provider: str, data: bytes) -> ctypes.Structure:
    """The driver's CEKEYSTOREDATA: the provider's name, the data's size, the data."""
    name = ctypes.create_string_buffer(provider.encode("utf-16-le") + b"\0\0")

    class KeystoreData(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_void_p),
            ("size", ctypes.c_uint),
            ("data", ctypes.c_char * len(data)),
        ]

    block = KeystoreData(ctypes.addressof(name), len(data), data)
    block.keep = name  # must live as long as the block that points to it
    return block


def connect(options: argparse.Namespace) -> pyodbc.Connection:
    before = {SQL_COPT_SS_CEKEYSTOREPROVIDER: options.module} if options.load_first else {}
    connection = pyodbc.connect(options.connection, autocommit=True, attrs_before=before)
    if options.module and not options.load_first:
        connection.set_attr(SQL_COPT_SS_CEKEYSTOREPROVIDER, options.module)
    if options.data:
        block = keystore_data(options.provider, options.data.encode())
        connection.set_attr(SQL_COPT_SS_CEKEYSTOREDATA, ctypes.addressof(block))
    return connection


def read_parameter(text: str) -> tuple[Value, tuple[int, int, int]]:
    """A value and its type: an encrypted column accepts no other type than its own."""
    kind, given, value = text.partition("=")
    name, _, size = kind.rstrip(")").partition("(")
    if name == "int":
        return (int(value) if given else None), (pyodbc.SQL_INTEGER, 0, 0)
    if name == "nvarchar":
        return (value if given else None), (pyodbc.SQL_WVARCHAR, int(size), 0)
    return (bytes.fromhex(value) if given else None), (pyodbc.SQL_VARBINARY, int(size), 0)


def show(value: Value) -> str:
    if value is None:
        return "NULL"
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def run(options: argparse.Namespace) -> None:
    cursor = connect(options).cursor()
    parameters = [read_parameter(text) for text in options.parameters]
    cursor.setinputsizes([sql_type for _, sql_type in parameters])
    cursor.execute(options.sql, *(value for value, _ in parameters))
    if cursor.description is None:
        print("rows", cursor.rowcount)
        return
    for row in cursor:
        print("row", "|".join(map(show, row)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", dest="connection", required=True)
    parser.add_argument("-m", dest="module")
    parser.add_argument("-L", dest="load_first", action="store_true")
    parser.add_argument("-p", dest="provider", default="PKCS11_KEY_STORE")
    parser.add_argument("-d", dest="data")
    parser.add_argument("sql")
    parser.add_argument("parameters", nargs="*")
    try:
        run(parser.parse_args())
    except pyodbc.Error as error:
        print("diag", *error.args)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
