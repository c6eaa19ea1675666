# SPDX-License-Identifier: Apache-2.0
"""Generated T-SQL with names that try to break out of it: in any code page, through sqlcmd's
variables, line ends, characters that change the direction of text, and names that are too long
for SQL Server."""

import json
import os
import pathlib
import pty
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import common  # noqa: E402

MARK = b"\xef\xbb\xbf"
# Three bytes of UTF-8 and ']': in code page 936 the last byte and the bracket are one character.
SWALLOWS = "X\U00025e17]; DROP TABLE t; --", "\u8001]; SELECT 1; --", "\u30bd]"
HOSTILE = {
    "variable": "x$(SQLCMDPASSWORD)", "line": "a\nGO\nDROP TABLE t", "return": "a\rGO", "next": "a\x85GO",
    "separator": "a\u2028GO", "override": "\u202edlrow", "isolate": "\u2066x", "mark": "\u200fx",
    "arabic": "\u061cx", "escape": "\x1b[2J", "long": "x" * 129, "pairs": "\U0001f511" * 65, "empty": "",
}


def row(cek, cmk="C", path="pkcs11:token=soft;object=key", value="0x01"):
    return {"cek": cek, "cmk": cmk, "provider": "PKCS11_KEY_STORE", "path": path,
            "algorithm": "RSA_OAEP", "value": value}


class Files(common.DirectoryCase):
    """cek sql: the rows come from the database."""

    def sql(self, *rows):
        """The generated T-SQL file, as bytes."""
        out = self.directory / f"{len(list(self.directory.iterdir()))}.sql"
        self.ok("cek", "sql", self.export(*rows), "--output", str(out))
        return out.read_bytes()

    def export(self, *rows):
        return self.write("export", json.dumps(rows))

    def test_ascii_has_no_mark(self):
        sql = self.sql(row("a]b"))
        self.assertTrue(sql.startswith(b"CREATE COLUMN ENCRYPTION KEY [a]]b] WITH"), sql)
        self.assertEqual(self.ok("cek", "sql", self.export(row("a]b"))).out.encode(), sql)

    def test_file_with_other_characters_begins_with_the_mark(self):
        for name in (*SWALLOWS, "gr\u00fc\u00df"):
            for rows in ([row(name)], [row("plain", name)], [row("plain"), row(name)]):
                sql = self.sql(*rows)
                self.assertTrue(sql.startswith(MARK + b"CREATE COLUMN"), sql)
                self.assertEqual(sql.count(MARK), 1)
                self.assertIn("[" + name.replace("]", "]]") + "]", sql.decode("utf-8-sig"))

    def test_pipe_gets_no_other_characters(self):
        for rows in ([row(SWALLOWS[0])], [row("plain", "gr\u00fc\u00df")]):
            run = self.fails("INVALID_ARGUMENT", "cek", "sql", self.export(*rows), status=2)
            self.assertIn("use --output", run.err)
            self.assertEqual(run.out, "")

    def test_terminal_shows_them_without_a_mark(self):
        ours, theirs = pty.openpty()
        done = subprocess.run([common.CLI, "cek", "sql", self.export(row("gr\u00fc\u00df"))], stdout=theirs,
                              env=self.environment, check=False)
        os.close(theirs)
        shown = os.read(ours, 65536)
        os.close(ours)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(shown.startswith("CREATE COLUMN ENCRYPTION KEY [gr\u00fc\u00df]".encode()), shown)

    def test_hostile_names_are_refused_in_each_member(self):
        for kind, name in HOSTILE.items():
            for member in ("cek", "cmk", "provider", "algorithm"):
                with self.subTest(kind=kind, member=member):
                    run = self.fails("FORMAT", "cek", "sql", self.export({**row("a"), member: name}))
                    self.assertIn(f'"{member}"', run.err)
        for kind in ("variable", "line", "override", "empty"):
            self.fails("FORMAT", "cek", "sql", self.export({**row("a"), "path": HOSTILE[kind]}))
        self.fails("FORMAT", "cek", "sql", self.export(row("a", path="x" * 4001)))
        self.assertIn(b"x" * 128, self.sql(row("x" * 128, path="x" * 4000)))

    def test_values_of_a_key_make_one_statement_wherever_they_stand(self):
        sql = self.sql(row("A", "C1", value="0x01"), row("B", "C1", value="0x02"),
                       row("A", "C2", value="0x03")).decode()
        self.assertEqual(sql.count("CREATE COLUMN ENCRYPTION KEY [A]"), 1)
        self.assertEqual(sql.count("CREATE COLUMN ENCRYPTION KEY"), 2)
        first = sql.split(";")[0]
        self.assertRegex(first, r"(?s)\[A\].*\[C1\].*0x01\),\n.*\[C2\].*0x03\)$")

    def test_third_value_and_duplicate_are_refused(self):
        three = self.export(row("A", "C1"), row("B", "C1"), row("A", "C2"), row("A", "C3"))
        self.assertIn("two at most", self.fails("FORMAT", "cek", "sql", three).err)
        twice = self.export(row("A", "C1"), row("B", "C1"), row("A", "C1"))
        self.assertIn("two values", self.fails("FORMAT", "cek", "sql", twice).err)


class Options(common.TokenCase):
    """Names given on the command line; the token has one key."""

    def test_hostile_names_are_refused_at_each_entrance(self):
        self.ok("cmk", "create", "key", "--algorithm", "RSA_2048")
        for kind, name in HOSTILE.items():
            for command in (("cmk", "sql", "key", "--cmk", name),
                            ("cek", "create", "C", "--key", "key", "--cmk", name),
                            ("cek", "create", name, "--key", "key", "--cmk", "M"),
                            ("cmk", "create", name),
                            ("key", "create", name, "--algorithm", "AES_256")):
                with self.subTest(kind=kind, command=command[:2]):
                    self.fails("INVALID_ARGUMENT", *command, status=2)
        for kind in ("variable", "override", "line"):
            path = "pkcs11:token=soft;object=" + HOSTILE[kind]
            self.fails("INVALID_ARGUMENT", "cmk", "sql", path, "--cmk", "M", status=2)
        self.fails("INVALID_ARGUMENT", "cmk", "sql", "", "--cmk", "M", status=2)
        self.fails("INVALID_ARGUMENT", "cmk", "sql", "x" * 2000, "--cmk", "M", status=2)
        bad = subprocess.run([common.CLI, "cmk", "sql", "key", "--cmk", b"\xff\xfe"], env=self.environment,
                             capture_output=True, check=False)
        self.assertEqual(bad.returncode, 2, bad.stderr)
        self.assertEqual(len(self.ok("key", "list", "--json").json()["keys"]), 1)
        # The same verbs with a name that is only unusual.
        out = self.directory / "cmk.sql"
        self.ok("cmk", "sql", "key", "--cmk", SWALLOWS[0], "--output", str(out))
        self.assertTrue(out.read_bytes().startswith(MARK))
        self.fails("INVALID_ARGUMENT", "cmk", "sql", "key", "--cmk", SWALLOWS[0], status=2)
        made = self.ok("cek", "create", "gr\u00fc\u00df", "--key", "key", "--cmk", "C", "--json").json()
        self.assertEqual(made["cek"], "gr\u00fc\u00df")


if __name__ == "__main__":
    common.main()
