# SPDX-License-Identifier: Apache-2.0
"""p11ekm cmk rotate with inputs from the field: exports of other databases, forged exports, and
files that already exist. Every new value is decrypted and compared with the key it must hold."""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import common  # noqa: E402


class Rotation(common.TokenCase):
    """One token with its keys serves all tests; each has an empty directory of its own."""

    fixture = None

    def setUp(self):
        if Rotation.fixture is None:
            super().setUp()
            self._cleanups.clear()  # the token stays: tearDownModule removes it
            for name in ("old", "new", "finance"):
                self.ok("cmk", "create", name, "--algorithm", "RSA_2048")
            Rotation.fixture = self.directory, self.environment
        top, self.environment = Rotation.fixture
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=top))

    def file(self, name):
        return self.directory / name

    def read(self, name):
        return self.file(name).read_bytes()

    def known(self, cek, key="old", secret=b"secret"):
        """A row whose column encryption key is the digest of `secret`."""
        plain = hashlib.sha256(secret).digest()
        self.file("plain").write_bytes(plain)
        with open(self.file("plain"), "rb") as opened:
            return self.ok("cek", "import", cek, "--key", key, "--cmk", "OLD", "--json",
                           f"--cek-fd={opened.fileno()}", pass_fds=(opened.fileno(),)).json()

    def export(self, name, *rows):
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def rotate(self, export, output="out", **options):
        words = {"from": "old", "to": "new", "to-cmk": "NEW", "output": str(self.file(output)),
                 "add": str(self.file("add.sql")), "drop": str(self.file("drop.sql")), **options}
        return ("cmk", "rotate", export,
                *(word for name, value in words.items() for word in ("--" + name, value)))

    def fresh_sql(self):
        for name in ("add.sql", "drop.sql"):
            self.file(name).unlink(missing_ok=True)

    def opened(self, row):
        """The value's plaintext: unwrapped by its key in software, through pkcs11-tool."""
        name = row["path"].rsplit("=", 1)[1]
        key_id = self.ok("key", "show", name, "--json").json()["id"]
        self.file("ct").write_bytes(bytes.fromhex(row["value"][2:])[-512:-256])
        done = subprocess.run(
            ["pkcs11-tool", "--module", common.MODULE, "--login", "--pin", common.PIN, "--id", key_id,
             "--decrypt", "-m", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA-1", "-i", self.file("ct")],
            env=self.environment, capture_output=True, check=True)
        return done.stdout

    def rows(self, name):
        return [json.loads(line) for line in self.read(name).decode().splitlines()]


class SameWork(Rotation):
    """Which values count as done."""

    def test_output_of_another_database_is_refused_and_left_as_it_is(self):
        one = self.export("one", self.known("CEK_1", secret=b"one"))
        two = self.export("two", self.known("CEK_1", secret=b"two"))
        self.ok(*self.rotate(one))
        before = self.read("out")
        self.fresh_sql()
        run = self.fails("FORMAT", *self.rotate(two))
        self.assertIn("CEK_1", run.err)
        self.assertEqual(self.read("out"), before)
        self.assertFalse(self.file("add.sql").exists())
        self.ok(*self.rotate(two, "out2"))
        self.assertEqual(self.opened(self.rows("out2")[0]), hashlib.sha256(b"two").digest())

    def test_key_made_again_under_its_name_is_not_taken_for_done(self):
        first, again = self.known("CEK_1", secret=b"a"), self.known("CEK_1", secret=b"b")
        self.ok(*self.rotate(self.export("first", first)))
        self.fresh_sql()
        self.fails("FORMAT", *self.rotate(self.export("again", again)))

    def test_each_line_has_the_digest_of_the_value_it_replaces(self):
        row = self.known("CEK_1")
        self.ok(*self.rotate(self.export("export", row)))
        made = self.rows("out")[0]
        self.assertEqual(made["replaces"],
                         hashlib.sha256(bytes.fromhex(row["value"][2:])).hexdigest())
        self.assertEqual(self.opened(made), hashlib.sha256(b"secret").digest())

    def test_same_rotation_is_resumed_after_each_way_of_being_cut_short(self):
        old = [self.known(f"CEK_{i}", secret=bytes([i])) for i in range(3)]
        export = self.export("export", *old)
        self.ok(*self.rotate(export))
        whole = self.read("out")
        second = whole.index(b"\n") + 1
        value = whole.index(b'"value":"0x', second) + 40
        for cut in (second, second + 1, second + 9, value, whole.index(b"\n", second)):
            with self.subTest(cut=cut):
                self.fresh_sql()
                self.file("out").write_bytes(whole[:cut])
                run = self.ok(*self.rotate(export), "--json").json()
                self.assertEqual((run["rewrapped"], run["resumed"]), (2, 1))
                self.assertTrue(self.read("out").startswith(whole[:second]))
                for i, row in enumerate(self.rows("out")):
                    self.assertEqual(self.opened(row), hashlib.sha256(bytes([i])).digest())
        self.assertEqual([p.name for p in self.directory.glob("*.new-*")], [])

    def test_another_key_or_name_is_not_the_same_rotation(self):
        export = self.export("export", self.known("CEK_1"))
        self.ok(*self.rotate(export))
        before = self.read("out")
        self.fresh_sql()
        self.fails("FORMAT", *self.rotate(export, **{"to-cmk": "THIRD"}))
        self.fails("FORMAT", *self.rotate(export, to="finance"))
        self.assertEqual(self.read("out"), before)

    def test_duplicates_and_third_values_are_refused(self):
        one, two = self.known("CEK_1", secret=b"1"), self.known("CEK_1", secret=b"2")
        self.assertIn("two values", self.fails("FORMAT", *self.rotate(self.export("e", one, two))).err)
        other = {**two, "cmk": "SECOND"}
        run = self.fails("FORMAT", *self.rotate(self.export("e", one, other)), "--from-cmk", "OLD")
        self.assertIn("CEK_1", run.err)
        self.assertFalse(self.file("out").exists())


class ResumedValues(Rotation):
    """A line counts as done only if its value is encrypted under the key that --to names now."""

    def half_done(self, to="new"):
        """An export of two values, and an output with the first line only. Returns both lines."""
        export = self.export("export", *(self.known(f"CEK_{i}", secret=bytes([i])) for i in range(2)))
        self.ok(*self.rotate(export, to=to))
        self.fresh_sql()
        lines = self.read("out").splitlines(keepends=True)
        self.file("out").write_bytes(lines[0])
        return export, lines

    def assert_refused(self, export, to="new"):
        before = self.read("out")
        run = self.fails("FORMAT", *self.rotate(export, to=to))
        for words in ("CEK_0", f'"{to}"', "name a new file by --output"):
            self.assertIn(words, run.err)
        self.assertEqual(self.read("out"), before)
        for name in ("add.sql", "drop.sql"):
            self.assertFalse(self.file(name).exists())

    def test_new_key_made_again_under_its_name_is_not_resumed(self):
        self.ok("cmk", "create", "again", "--algorithm", "RSA_2048")
        export, _ = self.half_done(to="again")
        self.ok("key", "retire", "again", "--yes", "again")
        self.ok("cmk", "create", "again", "--algorithm", "RSA_2048")
        self.assert_refused(export, to="again")
        self.ok(*self.rotate(export, "out2", to="again"))
        for i, row in enumerate(self.rows("out2")):
            self.assertEqual(self.opened(row), hashlib.sha256(bytes([i])).digest())

    def test_value_that_was_changed_is_not_resumed(self):
        export, (line, _) = self.half_done()
        value = line.index(b'"value":"0x') + len(b'"value":"0x')
        end = line.rindex(b'"')
        for at in (value + 1, value + 40, end - 600, end - 1):
            with self.subTest(at=at - value):
                changed = bytearray(line)
                changed[at] = ord("2") if changed[at] == ord("1") else ord("1")
                self.file("out").write_bytes(bytes(changed))
                self.assert_refused(export)
        self.file("out").write_bytes(line[:value] + b"01" + line[end:])
        self.assert_refused(export)

    def test_value_of_another_key_is_not_resumed(self):
        export, (line, _) = self.half_done()
        value = line.index(b'"value":"') + len(b'"value":"')
        theirs = self.known("CEK_0", key="finance", secret=b"\0")["value"].encode()
        self.file("out").write_bytes(line[:value] + theirs + line[line.rindex(b'"'):])
        self.assert_refused(export)


class OneWriter(Rotation):
    """Two runs must not write the same output."""

    def test_output_that_another_run_writes_is_refused(self):
        export = self.export("export", *(self.known(f"CEK_{i}", secret=bytes([i])) for i in range(2)))
        for begun in (False, True):
            with self.subTest(begun=begun):
                before = self.read("out") if begun else None
                with open(self.file("out.lock"), "w", opener=lambda p, f: os.open(p, f, 0o600)) as other:
                    fcntl.flock(other, fcntl.LOCK_EX)
                    run = self.fails("IO", *self.rotate(export))
                    self.assertIn("another run may be writing it", run.err)
                    self.assertTrue(self.file("out.lock").exists())
                    self.assertFalse(self.file("add.sql").exists())
                    self.assertEqual(self.read("out") if self.file("out").exists() else None, before)
                self.ok(*self.rotate(export))
                self.assertFalse(self.file("out.lock").exists())
                self.fresh_sql()
                lines = self.read("out").splitlines(keepends=True)
                self.assertEqual(len(lines), 2)
                self.file("out").write_bytes(lines[0])

    def test_lock_of_a_run_that_failed_is_free(self):
        export = self.export("export", self.known("CEK_1"))
        self.file("out").write_bytes(b"something else")
        self.fails("FORMAT", *self.rotate(export))
        self.assertFalse(self.file("out.lock").exists())


class NamedKeys(Rotation):
    """The administrator names the source key; the export cannot choose it."""

    def test_from_is_required(self):
        command = self.rotate(self.export("e", self.known("CEK_1")))
        at = command.index("--from")
        self.fails("INVALID_ARGUMENT", *command[:at], *command[at + 2:], status=2)

    def test_forged_export_does_not_move_another_key(self):
        """A value of the finance key, labelled as one of the old key or with its own path."""
        theirs = self.known("CEK_1", key="finance")
        for path in (theirs["path"], "pkcs11:token=soft;object=old"):
            self.fails("SIGNATURE_INVALID", *self.rotate(self.export("e", {**theirs, "path": path})))
        self.assertFalse(self.file("out").exists())

    def test_two_paths_in_the_export_are_refused(self):
        rows = self.known("CEK_1"), {**self.known("CEK_2", key="finance"), "cmk": "OLD"}
        self.assertIn("two key paths", self.fails("FORMAT", *self.rotate(self.export("e", *rows))).err)

    def test_from_and_to_are_different_keys(self):
        export = self.export("e", self.known("CEK_1"))
        self.fails("INVALID_ARGUMENT", *self.rotate(export, to="old"), status=2)
        key_id = self.ok("key", "show", "old", "--json").json()["id"]
        path = "pkcs11:token=soft;id=" + "".join("%" + key_id[i:i + 2] for i in range(0, 32, 2))
        self.fails("INVALID_ARGUMENT", *self.rotate(export, to=path), status=2)


class Files(Rotation):
    """An existing file of that name stays unchanged, byte by byte."""

    def setUp(self):
        super().setUp()
        self.path = self.export("export", self.known("CEK_1"))
        self.contents = {
            "text": b"dear diary", "lines": b"one\ntwo\nthree", "binary": bytes(range(256)) * 9,
            "empty": b"", "json": b'{"a":1}\n', "torn": b'{"cek":"CEK_1","cmk":"NE',
            "nul": b'{"cek":"CEK_1"\0\n',
        }
        for name, content in self.contents.items():
            self.file(name).write_bytes(content)

    def assert_untouched(self, name, content):
        self.assertEqual(self.read(name), content)

    def test_output_that_is_no_output_is_refused(self):
        for name, content in self.contents.items():
            with self.subTest(name=name):
                self.fails("FORMAT", *self.rotate(self.path, name))
                self.assert_untouched(name, content)

    def test_output_is_not_the_export(self):
        before = self.read("export")
        self.fails("FORMAT", *self.rotate(self.path, "export"))
        self.assert_untouched("export", before)

    def test_output_with_something_added_is_refused(self):
        self.ok(*self.rotate(self.path))
        whole = self.read("out")
        row = self.rows("out")[0]
        blank = json.dumps(row).encode() + b"\n"  # the same row, written by another program
        for content in (whole + b"\n", whole + b"note", b"\xef\xbb\xbf" + whole, b" " + whole, blank,
                        whole + whole, whole.replace(b"\n", b"\r\n"), whole[:-1] + b" \n"):
            with self.subTest(content=content[-20:]):
                self.fresh_sql()
                self.file("out").write_bytes(content)
                self.fails("FORMAT", *self.rotate(self.path))
                self.assert_untouched("out", content)

    def test_links_are_not_followed(self):
        for option in ("output", "add", "drop"):
            with self.subTest(option=option):
                self.file("link").unlink(missing_ok=True)
                self.file("link").symlink_to(self.file("text"))
                run = self.cli(*self.rotate(self.path, **{option: str(self.file("link"))}))
                self.assertEqual(run.status, 1, str(run))
                self.assert_untouched("text", self.contents["text"])
                self.file("link").unlink()
                self.file("link").symlink_to(self.file("nowhere"))
                run = self.cli(*self.rotate(self.path, **{option: str(self.file("link"))}))
                self.assertEqual(run.status, 1, str(run))
                self.assertFalse(self.file("nowhere").exists())

    def test_link_to_a_resumable_output_is_refused(self):
        self.ok(*self.rotate(self.path))
        self.fresh_sql()
        self.file("link").symlink_to(self.file("out"))
        self.fails("UNSAFE_FILE", *self.rotate(self.path, "link"))

    def test_add_and_drop_that_exist_are_refused_before_anything_is_made(self):
        for option in ("add", "drop"):
            self.fails("IO", *self.rotate(self.path, **{option: str(self.file("text"))}))
            self.assert_untouched("text", self.contents["text"])
            self.assertFalse(self.file("out").exists())

    def test_one_name_for_two_files_is_refused(self):
        self.fails("INVALID_ARGUMENT", *self.rotate(self.path, add=str(self.file("out"))), status=2)
        self.fails("INVALID_ARGUMENT", *self.rotate(self.path, drop=str(self.file("add.sql"))), status=2)
        self.assertFalse(self.file("out").exists())

    def test_every_other_file_the_tool_writes_is_new(self):
        key = ("--key", "old", "--cmk", "C", "--output")
        with open(self.file("plain"), "rb") as opened:
            verbs = [("cek", "create", "C", *key), ("cek", "sql", self.path, "--output"),
                     ("cmk", "sql", "old", "--cmk", "C", "--output"),
                     ("cek", "import", "C", f"--cek-fd={opened.fileno()}", *key),
                     ("init", "--module", common.MODULE, "--token", "x", "--conf")]
            for verb in verbs:
                for name in ("text", "link", "loose"):
                    with self.subTest(verb=verb[:2], name=name):
                        for link, target in (("link", "text"), ("loose", "nowhere")):
                            self.file(link).unlink(missing_ok=True)
                            self.file(link).symlink_to(self.file(target))
                        run = self.cli(*verb, str(self.file(name)), pass_fds=(opened.fileno(),))
                        self.assertEqual(run.status, 1, str(run))
                        self.assert_untouched("text", self.contents["text"])
                        self.assertFalse(self.file("nowhere").exists())
                        self.assertEqual(os.path.islink(self.file(name)), name != "text")


def tearDownModule():
    if Rotation.fixture is not None:
        shutil.rmtree(Rotation.fixture[0])


if __name__ == "__main__":
    common.main()
