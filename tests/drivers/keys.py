# SPDX-License-Identifier: Apache-2.0
"""Software master keys for the harness's own provider: encrypted CEKs and CMK signatures."""

from __future__ import annotations

import struct
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # the format's own choice


def make_key(file: Path) -> rsa.RSAPrivateKey:
    """An RSA key of 2048 bits, kept in a PEM file."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(pem)
    return key


def sign(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def encrypt_cek(key: rsa.RSAPrivateKey, path: str, cek: bytes) -> bytes:
    name = path.lower().encode("utf-16-le")
    ciphertext = key.public_key().encrypt(cek, _OAEP)
    prefix = b"\x01" + struct.pack("<HH", len(name), len(ciphertext)) + name + ciphertext
    return prefix + sign(key, prefix)


def sign_metadata(key: rsa.RSAPrivateKey, provider: str, path: str) -> bytes:
    return sign(key, (provider.lower() + path.lower() + "true").encode("utf-16-le"))
