# SPDX-License-Identifier: Apache-2.0
"""The environment of the tests: the driver's library, and the paths from run.sh."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import mssql_python_odbc

from keystores import FileKeys, KeyStore, TokenKeys, ToolKeys

_MAKE_TOKEN = Path(__file__).parents[2] / "scripts" / "make-softhsm-token"


@cache
def driver() -> Path:
    """Microsoft's driver within its Python package."""
    libraries = Path(mssql_python_odbc.__file__).parent / "libs" / "linux" / "debian_ubuntu"
    (library,) = libraries.glob("*/lib/libmsodbcsql-18.*")
    return library


def module() -> Path:
    """The key store provider under test."""
    return Path(os.environ["P11EKM_TEST_MODULE"])


def client() -> Path:
    """The program built from odbc_client.c."""
    return Path(os.environ["P11EKM_TEST_CLIENT"])


def make_keystore(directory: Path) -> KeyStore:
    """Keys in files for the harness's provider, on a token for the product."""
    if os.environ["P11EKM_TEST_KEYS"] == "files":
        return FileKeys(directory)
    return TokenKeys(directory, _MAKE_TOKEN)


def make_tool_keystore(directory: Path) -> ToolKeys:
    """A token with keys made by the product's command line."""
    return ToolKeys(directory, _MAKE_TOKEN, Path(os.environ["P11EKM_TEST_TOOL"]))


def connection_string(port: int, encryption: str = "Enabled") -> str:
    return (
        f"Driver={driver()};Server=127.0.0.1,{port};UID=test;PWD=test;Encrypt=no;"
        f"TrustServerCertificate=yes;ColumnEncryption={encryption}"
    )
