# SPDX-License-Identifier: Apache-2.0
"""Encrypted CEKs and CMK signatures, written from their specification with software keys."""

from __future__ import annotations

import struct
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # fixed by the format


def make_key(file: Path) -> rsa.RSAPrivateKey:
    """An RSA key of 2048 bits, kept in a PEM file."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(pem)
    return key


def sign(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def prefix(key: rsa.RSAPublicKey, path: str, cek: bytes) -> bytes:
    """The part of an encrypted CEK that its signature covers: all bytes before the signature."""
    name = path.lower().encode("utf-16-le")
    encrypted = key.encrypt(cek, _OAEP)
    return b"\x01" + struct.pack("<HH", len(name), len(encrypted)) + name + encrypted


def ciphertext(encrypted: bytes) -> bytes:
    """The RSA ciphertext within an encrypted CEK."""
    name, size = struct.unpack_from("<HH", encrypted, 1)
    return encrypted[5 + name : 5 + name + size]


def metadata(provider: str, path: str) -> bytes:
    """The data signed for a master key that allows enclave computations."""
    return (provider.lower() + path.lower() + "true").encode("utf-16-le")
