#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens an encrypted column encryption key from the published format, by code that shares nothing
with cmk/. Exits with 1 and a reason where something is not as it must be, 77 without cryptography.

    open_ecek.py KEY.pem ECEK.hex [KEY_PATH [CEK_HEX]]     prints the CEK in hex
"""

import struct
import sys

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
except ImportError:
    print("SKIPPED: the package cryptography is not installed", file=sys.stderr)
    sys.exit(77)


def open_ecek(key, blob, path=None):
    version, path_len, ciphertext_len = struct.unpack_from("<BHH", blob)
    size = key.key_size // 8
    if version != 1 or ciphertext_len != size or len(blob) != 5 + path_len + 2 * size:
        raise ValueError("version or lengths are wrong")
    if path is not None and blob[5:5 + path_len].decode("utf-16-le") != path.lower():
        raise ValueError("the path is not the lower-case form of the one given")
    signed = blob[:-size]
    key.public_key().verify(blob[-size:], signed, padding.PKCS1v15(), hashes.SHA256())
    return key.decrypt(signed[-size:], padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))


def main():
    with open(sys.argv[1], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    with open(sys.argv[2], encoding="ascii") as file:
        blob = bytes.fromhex(file.read().strip().removeprefix("0x"))
    cek = open_ecek(key, blob, sys.argv[3] if len(sys.argv) > 3 else None)
    if len(cek) != 32 or (len(sys.argv) > 4 and cek.hex() != sys.argv[4]):
        raise ValueError("it is not the column encryption key expected")
    print(cek.hex())


if __name__ == "__main__":
    main()
