# SPDX-License-Identifier: Apache-2.0
"""Features of the product only: its settings and status, and keys made by its command line."""

from __future__ import annotations

import unittest
from dataclasses import replace
from pathlib import Path

import aead
import environment
from harness import INSERT, NEW_ROW, DriverCase
from keystores import PROVIDER, TOKEN, ToolKeys, key_path, value_bytes
from scenario import FIRST_ROW, NULL_ROW, SELECT, Key


class Product(DriverCase):
    """The C client, with keys of `p11ekm cmk create` and `p11ekm cek create`."""

    client = [str(environment.client())]
    keystore: ToolKeys
    value: dict[str, str]

    @classmethod
    def make_keystore(cls, directory: Path) -> ToolKeys:
        return environment.make_tool_keystore(directory)

    @classmethod
    def make_key(cls) -> Key:
        cls.value = cls.keystore.create_cek("cmk1")
        encrypted = value_bytes(cls.value)
        return Key(cls.keystore.decrypt("cmk1", encrypted), encrypted)

    def with_settings(self, settings: str, *causes: str) -> None:
        """The settings are refused when they are written, and the diagnostics name each cause."""
        lines = self.run_client(self.key, SELECT, data=settings, status=1)
        for cause in ("diag CEKSP", "diag CE205", *causes):
            self.assertRegex("\n".join(lines), cause)

    def test_select(self) -> None:
        self.assertEqual(self.run_client(self.key, SELECT), [FIRST_ROW, NULL_ROW])

    def test_insert(self) -> None:
        self.assertEqual(self.run_client(self.key, "-P", INSERT, *NEW_ROW), ["rows 1"])
        self.assertEqual(self.plaintexts(self.inserted[0])[2], aead.plain_bytes(42))

    def test_enclave(self) -> None:
        key = replace(self.key, signature=self.keystore.sign_metadata("cmk1"))
        self.assertEqual(self.run_client(key, INSERT, *NEW_ROW, enclave=True), ["rows 1"])

    def test_rotated_key(self) -> None:
        self.keystore.create("cmk2")
        rotated = self.keystore.rotate(self.value, "cmk2")
        key = replace(self.key, encrypted=value_bytes(rotated), path=key_path("cmk2"))
        self.assertNotEqual(key.encrypted, self.key.encrypted)
        self.assertEqual(self.run_client(key, SELECT), [FIRST_ROW, NULL_ROW])

    def test_status(self) -> None:
        self.run_client(self.key, SELECT)
        self.assertIn(f"status provider={PROVIDER}", self.status)
        self.assertIn(f"status config={self.keystore.configuration}", self.status)
        self.assertIn(f"status token={TOKEN}", self.status)

    def test_wrong_pin(self) -> None:
        settings = self.keystore.data.replace("pin=1234", "pin=9999")
        self.with_settings(settings, "(?i)pin", TOKEN)

    def test_unknown_token(self) -> None:
        settings = self.keystore.data.replace(f"token={TOKEN}", "token=nowhere")
        self.with_settings(settings, "nowhere")

    def test_missing_configuration(self) -> None:
        self.with_settings("config=/nonexistent/p11ekm.conf", "/nonexistent/p11ekm.conf")

    def test_unknown_setting(self) -> None:
        self.with_settings("colour=red", "line 1")

    def test_settings_never_show_the_pin(self) -> None:
        settings = self.keystore.data.replace("pin=1234", "pin=hunter2hunter2")
        lines = self.run_client(self.key, SELECT, data=settings, status=1)
        self.assertNotIn("hunter2", "\n".join(lines))

    def test_untrusted_path(self) -> None:
        original = self.keystore.configuration.read_text()
        self.addCleanup(self.keystore.configuration.write_text, original)
        trusted = "trusted_paths = pkcs11:token=other;*\n"
        self.keystore.configuration.write_text(trusted + original)
        self.refused(self.key, "CEKSP", "(?i)trusted")


if __name__ == "__main__":
    unittest.main()
