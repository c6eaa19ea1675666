#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes ae_own.txt: known answers for Always Encrypted from the published formats, by code that
shares nothing with cmk/. The RSA keys are made where they are missing and then kept; they are test
keys in a public place: never for data.

    python3 tests/vectors/make_ae.py        (needs the package cryptography)
"""

import hashlib
import pathlib
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

HERE = pathlib.Path(__file__).resolve().parent
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def load_key(bits):
    path = HERE / f"ae_own_{bits}.key.pem"
    if not path.exists():
        key = rsa.generate_private_key(65537, bits)
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return serialization.load_pem_private_key(path.read_bytes(), None)


def sign(key, message, doubled):
    digest = hashlib.sha256(message).digest()
    if doubled:
        digest = hashlib.sha256(digest).digest()
    return key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def ecek(key, path_bytes, cek, doubled=False):
    ciphertext = key.public_key().encrypt(cek, OAEP)
    head = b"\x01" + struct.pack("<HH", len(path_bytes), len(ciphertext)) + path_bytes + ciphertext
    return head + sign(key, head, doubled)


def fields(**values):
    return "".join(f"{name}={value}\n" for name, value in values.items()) + "\n"


def make_ecek(bits, name, path, form="lower", hash="single", cek=None):
    key = load_key(bits)
    if cek is None:
        cek = hashlib.sha256(name.encode()).digest()
    path_bytes = {
        "lower": path.lower().encode("utf-16-le"),
        "kept": path.encode("utf-16-le"),
        "utf8": path.lower().encode(),
        "none": b"",
    }[form]
    return fields(name=name, key=f"ae_own_{bits}.key.pem", modulus=bits // 8, key_path=path, path_form=form,
                  hash=hash, ecek=ecek(key, path_bytes, cek, hash == "double").hex(), cek=cek.hex())


def make_metadata(bits, name, provider, path, enclave, hash="single"):
    message = (provider.lower() + path.lower() + enclave).encode("utf-16-le")
    signature = sign(load_key(bits), message, hash == "double")
    return fields(name=name, key=f"ae_own_{bits}.key.pem", provider=provider, key_path=path, enclave=enclave,
                  hash=hash, message=message.hex(), signature=signature.hex())


def main():
    path = "pkcs11:token=Prod%20HSM;object=CMK-2026"
    ours = "PKCS11_KEY_STORE"
    text = "# Made by make_ae.py. SPDX-License-Identifier: Apache-2.0\n\n"
    text += make_ecek(2048, "own-2048", path)
    text += make_ecek(3072, "own-3072", path + "-3072")
    text += make_ecek(4096, "own-4096", path + ";id=%01%AB")
    text += make_ecek(2048, "own-kept-case", path, form="kept")
    text += make_ecek(2048, "own-utf8", path, form="utf8")
    text += make_ecek(2048, "own-no-path", path, form="none")
    text += make_ecek(2048, "own-double", path, hash="double")
    text += make_ecek(2048, "own-zero-cek", path, cek=bytes(32))
    text += make_ecek(2048, "own-non-ascii", "pkcs11:object=SCHL\u00dcSSEL-\u0416")
    text += make_ecek(2048, "own-31-bytes", path, cek=bytes(range(31)))
    text += make_ecek(2048, "own-33-bytes", path, cek=bytes(range(33)))
    text += make_metadata(2048, "metadata-true", ours, path, "true")
    text += make_metadata(2048, "metadata-false", ours, path, "false")
    text += make_metadata(3072, "metadata-3072", ours, path, "true")
    text += make_metadata(2048, "metadata-double", ours, path, "true", hash="double")
    text += make_metadata(2048, "metadata-java", "MSSQL_JAVA_KEYSTORE", "MyKey", "true", hash="double")
    (HERE / "ae_own.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
