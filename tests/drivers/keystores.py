# SPDX-License-Identifier: Apache-2.0
"""The tests' master keys: in files for the harness's provider, on a token for the product.

The encrypted CEKs and signatures are made here by the rules of the formats, without the product's
code, so decryption by the product proves that it follows the formats."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import ecek

PROVIDER = "PKCS11_KEY_STORE"
TOKEN = "soft"
PIN = "1234"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def value_bytes(value: dict[str, str]) -> bytes:
    """The encrypted CEK of a line that the verbs exchange."""
    return bytes.fromhex(value["value"].removeprefix("0x"))


def key_path(name: str) -> str:
    return f"pkcs11:token={TOKEN};object={name}"


class KeyStore(Protocol):
    """Master keys by name, and the provider's configuration to find them."""

    data: str
    environment: dict[str, str]

    def create(self, name: str) -> None: ...

    def encrypt(self, name: str, cek: bytes) -> bytes: ...

    def sign_metadata(self, name: str) -> bytes: ...


class FileKeys:
    """PEM files, for test_ksp.c."""

    def __init__(self, directory: Path) -> None:
        self.data = f"config={directory}"
        self.environment: dict[str, str] = {}
        self._directory = directory
        self._keys: dict[str, rsa.RSAPrivateKey] = {}

    def create(self, name: str) -> None:
        self._keys[name] = ecek.make_key(self._directory / f"{name}.pem")

    def encrypt(self, name: str, cek: bytes) -> bytes:
        key = self._keys[name]
        prefix = ecek.prefix(key.public_key(), key_path(name), cek)
        return prefix + ecek.sign(key, prefix)

    def sign_metadata(self, name: str) -> bytes:
        return ecek.sign(self._keys[name], ecek.metadata(PROVIDER, key_path(name)))


class TokenKeys:
    """A SoftHSM token, its keys made and used with OpenSC's pkcs11-tool."""

    def __init__(self, directory: Path, make_token: Path) -> None:
        subprocess.run([make_token, directory, TOKEN, PIN], check=True, capture_output=True)
        self.environment = {"SOFTHSM2_CONF": str(directory / "softhsm2.conf")}
        self.configuration = directory / "p11ekm.conf"
        self.configuration.write_text(
            f"module = {SOFTHSM}\nlog = stderr\nlog_level = error\n"
            f"[token {TOKEN}]\ntoken = {TOKEN}\n"
        )
        self.configuration.chmod(0o600)
        self.data = f"config={self.configuration}\ntoken={TOKEN}\npin={PIN}\n"
        self._directory = directory

    def _pkcs11_tool(self, *arguments: str) -> None:
        command = ["pkcs11-tool", "--module", SOFTHSM, "--token-label", TOKEN, "--login", "--pin",
                   PIN, *arguments]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, check=True, capture_output=True, env=environment)

    def create(self, name: str) -> None:
        self._pkcs11_tool("--keypairgen", "--key-type", "rsa:2048", "--label", name, "--id",
                          name.encode().hex(), "--usage-sign", "--usage-decrypt", "--usage-wrap")

    def _public_key(self, name: str) -> rsa.RSAPublicKey:
        file = self._directory / f"{name}.der"
        self._pkcs11_tool("--read-object", "--type", "pubkey", "--label", name, "--output-file",
                          str(file))
        key = serialization.load_der_public_key(file.read_bytes())
        assert isinstance(key, rsa.RSAPublicKey)
        return key

    def _sign(self, name: str, message: bytes) -> bytes:
        given, signature = self._directory / "message", self._directory / "signature"
        given.write_bytes(message)
        self._pkcs11_tool("--sign", "--mechanism", "SHA256-RSA-PKCS", "--label", name,
                          "--input-file", str(given), "--output-file", str(signature))
        return signature.read_bytes()

    def encrypt(self, name: str, cek: bytes) -> bytes:
        prefix = ecek.prefix(self._public_key(name), key_path(name), cek)
        return prefix + self._sign(name, prefix)

    def sign_metadata(self, name: str) -> bytes:
        return self._sign(name, ecek.metadata(PROVIDER, key_path(name)))

    def decrypt(self, name: str, encrypted: bytes) -> bytes:
        """The CEK of an encrypted value that was made by other code."""
        given, cek = self._directory / "ciphertext", self._directory / "cek"
        given.write_bytes(ecek.ciphertext(encrypted))
        self._pkcs11_tool("--decrypt", "--mechanism", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA-1",
                          "--mgf", "MGF1-SHA1", "--label", name, "--input-file", str(given),
                          "--output-file", str(cek))
        return cek.read_bytes()


class ToolKeys(TokenKeys):
    """The same token, with keys, encrypted CEKs and signatures made by the product's command
    line."""

    def __init__(self, directory: Path, make_token: Path, tool: Path) -> None:
        super().__init__(directory, make_token)
        self._tool = tool
        self._pin_file = directory / "pin"
        self._pin_file.write_text(PIN + "\n")
        self._pin_file.chmod(0o600)

    def run(self, *arguments: str) -> str:
        """The output of a verb. Only this function knows how the command line is called."""
        command: list[str | Path] = [self._tool, "--conf", self.configuration, *arguments,
                                     "--token", TOKEN, "--pin-file", self._pin_file]
        variables = {**os.environ, **self.environment}
        done = subprocess.run(command, capture_output=True, text=True, env=variables)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def create(self, name: str) -> None:
        made = json.loads(self.run("--json", "cmk", "create", name, "--algorithm", "RSA_2048"))
        if made["path"] != key_path(name):
            raise RuntimeError(f"the key's path is {made['path']}, not {key_path(name)}")

    def create_cek(self, name: str) -> dict[str, str]:
        """A CEK generated inside the token: a line of the verbs' exchange files."""
        return json.loads(self.run("--json", "cek", "create", "cek1", "--key", name, "--cmk", name))

    def rotate(self, value: dict[str, str], name: str) -> dict[str, str]:
        """The same CEK under another master key."""
        export, rotated = self._directory / "export.json", self._directory / "rotated.json"
        export.write_text(json.dumps(value) + "\n")
        self.run("cmk", "rotate", str(export), "--from", value["path"], "--to", name, "--to-cmk", name,
                 "--output", str(rotated), "--add", str(self._directory / "add.sql"), "--drop",
                 str(self._directory / "drop.sql"))
        return json.loads(rotated.read_text())

    def sign_metadata(self, name: str) -> bytes:
        sql = self.run("cmk", "sql", name, "--cmk", name, "--enclave")
        signature = re.search(r"SIGNATURE = 0x([0-9a-fA-F]+)", sql)
        if signature is None:
            raise RuntimeError(f"no signature in: {sql}")
        return bytes.fromhex(signature[1])
