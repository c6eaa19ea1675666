# SPDX-License-Identifier: Apache-2.0
"""A self-signed certificate for the simulated server's TLS."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import ecek


def make(directory: Path) -> Path:
    """A PEM file with a key and its certificate for localhost."""
    file = directory / "server.pem"
    key = ecek.make_key(file)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=key.public_key(),
        serial_number=x509.random_serial_number(), not_valid_before=now - datetime.timedelta(1),
        not_valid_after=now + datetime.timedelta(1),
    )
    signed = builder.sign(key, hashes.SHA256())
    file.write_bytes(file.read_bytes() + signed.public_bytes(serialization.Encoding.PEM))
    return file
