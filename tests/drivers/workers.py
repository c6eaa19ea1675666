# SPDX-License-Identifier: Apache-2.0
"""One process of an application that uses a key store from many threads, or forks children.

    workers.py threads|fork COUNT ROUNDS CONNECTION MODULE DATA

Each worker has its own connection and reads the table ROUNDS times. The driver's cache of keys is
off, so every round calls the provider. Prints the number of correct rows."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import odbc_client
from scenario import SELECT, SSN

SQL_COPT_SS_CEKCACHETTL = 1254


def connect(options: argparse.Namespace) -> odbc_client.pyodbc.Connection:
    connection = odbc_client.connect(options)
    connection.set_attr(SQL_COPT_SS_CEKCACHETTL, 0)
    return connection


def read(connection: odbc_client.pyodbc.Connection, rounds: int) -> int:
    good = 0
    for _ in range(rounds):
        rows = connection.cursor().execute(SELECT).fetchall()
        good += rows[0][1] == SSN
    return good


def work(options: argparse.Namespace) -> int:
    return read(connect(options), options.rounds)


def threads(options: argparse.Namespace) -> int:
    """The connections are made one after the other: the driver's list of key stores is not
    thread-safe, and loading into two connections at once crashes it (in SQLSetConnectAttr)."""
    connections = [connect(options) for _ in range(options.count)]
    with ThreadPoolExecutor(options.count) as pool:
        return sum(pool.map(read, connections, [options.rounds] * options.count))


def child(options: argparse.Namespace) -> int:
    """Forks a child that works; returns its process id."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            status = 0 if work(options) == options.rounds else 1
        finally:
            os._exit(status)
    return process


def fork(options: argparse.Namespace) -> int:
    """The parent has used the provider when it forks, and uses it again afterwards."""
    work(options)
    children = [child(options) for _ in range(options.count)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children]
    print("children ended with", ended, file=sys.stderr)
    work(options)
    return ended.count(0) * options.rounds


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["threads", "fork"])
    parser.add_argument("count", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("connection")
    parser.add_argument("module")
    parser.add_argument("data")
    parser.set_defaults(load_first=False, provider="PKCS11_KEY_STORE")
    options = parser.parse_args()
    print({"threads": threads, "fork": fork}[options.way](options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
