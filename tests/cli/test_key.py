# SPDX-License-Identifier: Apache-2.0
"""p11ekm key: list, show, create, retire, restore, purge, and the sources of the PIN."""

import json
import os
import pathlib
import pty
import re
import termios
import time

import common


class Key(common.TokenCase):
    def names(self):
        return [(key["name"], key["retired"]) for key in self.ok("key", "list", "--json").json()["keys"]]

    def test_create_list_show(self):
        made = self.create("tde", "RSA_2048")
        self.assertRegex(made["thumbprint"], r"^[0-9a-f]{32}$")
        self.create("cells", "AES_256")
        self.assertEqual(self.names(), [("cells", False), ("tde", False)])
        for operand in ("tde", made["thumbprint"], made["thumbprint"].upper()):
            key = self.ok("key", "show", operand, "--json").json()
            self.assertEqual(key["name"], "tde")
            self.assertEqual(key["algorithm"], "RSA_2048")
            self.assertEqual(key["id"], made["thumbprint"])
            self.assertTrue(key["sensitive"] and key["never_extractable"])
            self.assertFalse(key["extractable"])
            self.assertEqual(len(key["modulus"]), 512)
        text = self.ok("key", "show", "tde").out
        self.assertIn("pkcs11:token=soft;object=tde", text)
        self.assertIn("not extractable", text)

    def test_extractable_only_when_asked_for(self):
        self.create("loose", "AES_256", "--extractable")
        self.assertTrue(self.ok("key", "show", "loose", "--json").json()["extractable"])

    def test_create_refused(self):
        self.create("tde")
        self.fails("KEY_EXISTS", "key", "create", "tde", "--algorithm", "RSA_2048")
        run = self.fails("INVALID_ARGUMENT", "key", "create", "x", "--algorithm", "ROT13", status=2)
        self.assertIn("RSA_2048", run.err)
        self.fails("POLICY", "key", "create", "x", "--algorithm", "RSA_1024")
        self.assertEqual(self.names(), [("tde", False)])

    def test_retire_restore_purge(self):
        self.create("old", "RSA_2048")
        asked = self.fails("POLICY", "key", "retire", "old").err
        self.assertIn("nothing was retired", asked)
        self.assertIn("sys.dm_database_encryption_keys", asked)
        self.assertIn("--yes old", asked)
        error = self.cli("key", "retire", "old", "--json").json()["error"]
        self.assertEqual(error["next"], "if nothing needs it, repeat with --yes old")
        other = self.fails("INVALID_ARGUMENT", "key", "retire", "old", "--yes", "yes", status=2).err
        self.assertIn("nothing was retired; type --yes old", other)
        self.assertEqual(self.names(), [("old", False)])
        self.ok("key", "retire", "old", "--yes", "old")
        self.assertEqual(self.names(), [("old", True)])
        self.fails("NOT_FOUND", "key", "retire", "old")
        self.ok("key", "restore", "old")
        self.assertEqual(self.names(), [("old", False)])
        self.fails("NOT_FOUND", "key", "purge", "old", "--yes", "old")
        self.ok("key", "retire", "old", "--yes", "old")
        self.fails("INVALID_ARGUMENT", "key", "purge", "old", "--yes", "yes", status=2)
        self.assertEqual(self.names(), [("old", True)])
        self.ok("key", "purge", "old", "--yes", "old")
        self.assertEqual(self.names(), [])

    def test_retirement_of_a_column_master_key_asks_for_columns(self):
        self.ok("cmk", "create", "ae-1", "--algorithm", "RSA_2048")
        run = self.fails("POLICY", "key", "retire", "ae-1")
        self.assertIn("SELECT name FROM sys.column_master_keys WHERE key_path = N'...'", run.err)
        self.assertNotIn("sys.asymmetric_keys", run.err)
        error = self.cli("key", "retire", "ae-1", "--json").json()["error"]
        self.assertEqual(error["next"], "if nothing needs it, repeat with --yes ae-1")

    def test_missing_option_names_the_help_of_its_verb(self):
        for verb, option in ((("key", "create", "x"), "--algorithm"), (("cmk", "rotate", "x"), "--from")):
            run = self.fails("INVALID_ARGUMENT", *verb, status=2)
            self.assertIn(f"{option}: this option is needed; see p11ekm {verb[0]} {verb[1]} --help", run.err)

    def test_restore_where_the_name_is_taken(self):
        first = self.create("name")
        self.ok("key", "retire", "name", "--yes", "name")
        self.create("name")
        self.assertIn("; retire the key that has the name now, then restore this one by its thumbprint",
                      self.fails("KEY_EXISTS", "key", "restore", "name").err)
        shown = self.ok("key", "show", "name", "--json").json()
        self.assertFalse(shown["retired"])
        self.assertNotEqual(shown["thumbprint"], first["thumbprint"])
        retired = self.ok("key", "show", first["thumbprint"], "--json").json()
        self.assertTrue(retired["retired"])

    def test_unknown_key(self):
        self.assertIn('"nothing"', self.fails("NOT_FOUND", "key", "show", "nothing").err)
        self.fails("NOT_FOUND", "key", "retire", "00" * 16)

    def test_changes_are_audited(self):
        audit = str(self.directory / "audit.jsonl")
        self.set_keys(audit=audit)
        self.create("a")
        self.ok("key", "retire", "a", "--yes", "a")
        self.ok("key", "purge", "a", "--yes", "a")
        self.fails("NOT_FOUND", "key", "purge", "a", "--yes", "a")
        records = [json.loads(line) for line in pathlib.Path(audit).read_text().splitlines()]
        changes = [r for r in records if r["operation"].endswith("Key")]
        intents, changes = changes[0::2], changes[1::2]
        for found in (intents, changes):
            self.assertEqual([r["operation"] for r in found], ["CreateKey", "RetireKey", "PurgeKey"])
        self.assertEqual({r["result"] for r in intents}, {"BEGIN"})
        for record in changes:
            self.assertEqual((record["key"], record["identity"], record["result"]), ("a", "hsm", "OK"))
            self.assertTrue(re.fullmatch(r"[0-9a-f]{32}", record["thumbprint"]))

    def test_nothing_is_changed_where_the_audit_cannot_be_written(self):
        self.create("a")
        self.set_keys(audit=str(self.directory / "missing/audit.jsonl"), audit_failure="refuse")
        self.fails("AUDIT", "key", "create", "b", "--algorithm", "AES_256")
        self.set_keys(audit="none")
        self.assertEqual(self.names(), [("a", False)])


class Pin(common.TokenCase):
    def setUp(self):
        super().setUp()
        text = pathlib.Path(self.conf).read_text()
        self.write("p11ekm.conf", re.sub(r"(?m)^\s*pin_file\s*=.*$", "", text))

    def test_no_pin_and_no_terminal(self):
        self.fails("PIN_SOURCE", "key", "list")

    def test_from_file_and_descriptor(self):
        self.ok("key", "list", "--pin-file", self.pin_file)
        reader, writer = os.pipe()
        os.write(writer, b"1234\nrest of the stream")
        os.close(writer)
        self.ok("key", "list", f"--pin-fd={reader}", pass_fds=(reader,))
        os.close(reader)

    def test_bad_sources(self):
        self.fails("PIN_SOURCE", "key", "list", "--pin-fd", "77")
        self.fails("INVALID_ARGUMENT", "key", "list", "--pin-fd", "x", status=2)
        self.fails("INVALID_ARGUMENT", "key", "list", "--pin-fd", "3", "--pin-file", "f", status=2)
        self.fails("UNSAFE_FILE", "key", "list", "--pin-file", self.write("open", "1234", 0o644))
        self.fails("PIN_SOURCE", "key", "list", "--pin-file", self.write("empty", "\n"))

    def test_typed_at_the_terminal_without_echo(self):
        try:
            child, terminal = pty.fork()
        except OSError as error:
            self.skipTest(f"no terminal to be had: {error}")
        if child == 0:
            os.execve(common.CLI, [common.CLI, "key", "list"], self.environment)
        seen = b""
        while b"PIN of the token: " not in seen:
            seen += os.read(terminal, 1024)
        # The prompt is printed before the echo is switched off: a PIN typed in between would be
        # visible.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, common.PIN.encode() + b"\n")
        try:
            while piece := os.read(terminal, 1024):
                seen += piece
        except OSError:  # the terminal closed with the child
            pass
        os.close(terminal)
        status = os.waitpid(child, 0)[1]
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, seen)
        self.assertIn(b"no keys on token", seen)
        self.assertNotIn(common.PIN.encode(), seen)

    def test_wrong_pin(self):
        wrong = self.write("wrong", "98765432")
        run = self.fails("AUTH_FAILED", "key", "list", "--pin-file", wrong)
        self.assertIn("the token refused the PIN (C_Login: CKR_PIN_INCORRECT 0xa0); correct the PIN from "
                      f"{wrong} before the next run: each run is one more try", run.err)
        self.assertNotIn("session", run.err)
        self.assertNotIn("98765432", run.err + run.out)


if __name__ == "__main__":
    common.main()
