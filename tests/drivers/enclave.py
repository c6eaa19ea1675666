# SPDX-License-Identifier: Apache-2.0
"""SQL Server's information about its enclave when the client requests no attestation (VBS-NONE).

There is no enclave here, and the client's data for it is not read. The client needs a point of the
curve P-384 as the enclave's key: it gets the curve's generator."""

from __future__ import annotations

import struct

_NO_ENCLAVE_TYPE = 0  # without attestation; clients refuse other types because of their size
_KEY_HEAD = b"ECK3" + struct.pack("<I", 48)
_GENERATOR = bytes.fromhex(
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a38"
    "5502f25dbf55296c3a545e3872760ab7"
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c0"
    "0a60b1ce1d7e819d7a431d7c90ea0e5f"
)
_SESSION = struct.pack("<Q", 1)


def attestation() -> bytes:
    """The one cell of the third result set: no identity, no token, a session and the enclave's
    key."""
    key = _KEY_HEAD + _GENERATOR
    session = _SESSION + struct.pack("<II", len(key), 0) + key
    session = struct.pack("<I", len(session)) + session
    return struct.pack("<IIII", 16 + len(session), 0, 0, _NO_ENCLAVE_TYPE) + session
