# SPDX-License-Identifier: Apache-2.0
"""AEAD_AES_256_CBC_HMAC_SHA256, the cells of Always Encrypted, written from its specification.

Shares no code with the project or a driver, so agreement with them is evidence."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_VERSION = b"\x01"
_OVERHEAD = 1 + 32 + 16


class CellError(Exception):
    """The cell was made with another key, or it was changed."""


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _derive(cek: bytes, purpose: str) -> bytes:
    salt = (
        f"Microsoft SQL Server cell {purpose} key with encryption algorithm:"
        "AEAD_AES_256_CBC_HMAC_SHA256 and key length:256"
    )
    return _mac(cek, salt.encode("utf-16-le"))


def _cell_mac(cek: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    return _mac(_derive(cek, "MAC"), _VERSION + iv + ciphertext + bytes([len(_VERSION)]))


def encrypt(cek: bytes, plaintext: bytes, *, deterministic: bool) -> bytes:
    iv = _mac(_derive(cek, "IV"), plaintext)[:16] if deterministic else os.urandom(16)
    padder = PKCS7(128).padder()
    padded = padder.update(plaintext) + padder.finalize()
    cipher = Cipher(algorithms.AES(_derive(cek, "encryption")), modes.CBC(iv)).encryptor()
    ciphertext = cipher.update(padded) + cipher.finalize()
    return _VERSION + _cell_mac(cek, iv, ciphertext) + iv + ciphertext


def decrypt(cek: bytes, cell: bytes) -> bytes:
    if len(cell) < _OVERHEAD + 16 or cell[:1] != _VERSION:
        raise CellError("this is not a cell of version 1")
    mac, iv, ciphertext = cell[1:33], cell[33:49], cell[49:]
    if not hmac.compare_digest(mac, _cell_mac(cek, iv, ciphertext)):
        raise CellError("the cell's authentication code is wrong")
    cipher = Cipher(algorithms.AES(_derive(cek, "encryption")), modes.CBC(iv)).decryptor()
    padded = cipher.update(ciphertext) + cipher.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def plain_bytes(value: int | str | bytes) -> bytes:
    """A value in the form stored in cells (normalization version 1)."""
    if isinstance(value, int):
        return value.to_bytes(8, "little", signed=True)
    return value.encode("utf-16-le") if isinstance(value, str) else value
