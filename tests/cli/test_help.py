# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, version, wrong use, and that the manual describes all of it."""

import re
import unittest

import common


def verbs(case):
    """All verbs in the help: words at the beginning of lines between `verbs:` and the next
    heading."""
    text = case.ok("--help").out
    block = text.split("verbs:\n")[1].split("\n\n")[0]
    lines = [re.split(r"\s{2,}", line.strip())[0] for line in block.splitlines()]
    return [" ".join(word for word in line.split() if word == word.lower()) for line in lines]


class Help(common.DirectoryCase):
    def test_version(self):
        self.assertRegex(self.ok("--version").out, r"^p11ekm \d+\.\d+\.\d+\n$")

    def test_each_verb_has_help(self):
        self.assertGreaterEqual(len(verbs(self)), 10)
        for verb in verbs(self):
            self.assertIn("usage: p11ekm", self.ok(*verb.split(), "--help").out)

    def test_manual_names_each_verb_and_option(self):
        manual = (common.ROOT / "docs/man/p11ekm.1.md").read_text()
        missing = []
        for verb in verbs(self):
            if not re.search(rf"^## {verb}\b", manual, re.M):
                missing.append(verb)
                continue
            section = re.split(rf"^## {verb}\b", manual, flags=re.M)[1].split("\n## ")[0]
            own = self.ok(*verb.split(), "--help").out.split("global options:")[0]
            for option in re.findall(r"^  (--[a-z-]+)", own, re.M):
                shared = option in ("--token", "--pin-file", "--pin-fd") and verb != "init"
                if option not in (manual if shared else section):
                    missing.append(f"{verb} {option}")
        for option in re.findall(r"^  (--[a-z-]+)", self.ok("--help").out, re.M):
            if option not in manual:
                missing.append(option)
        self.assertEqual(missing, [])

    def test_wrong_use(self):
        for arguments in (
            (), ("key",), ("nonsense",), ("key", "nonsense"), ("--nonsense",), ("key", "show"),
            ("key", "list", "extra"), ("key", "list", "--algorithm", "RSA_2048"),
            ("key", "create", "k"), ("token", "list", "--conf"), ("--help=yes", "token", "list"),
            ("token", "list", "--conf", "a", "--conf", "b"), ("init", "--token", "t"),
        ):
            run = self.fails("INVALID_ARGUMENT", *arguments, status=2)
            self.assertEqual(run.out, "", str(run))

    def test_no_option_takes_a_pin(self):
        for verb in verbs(self):
            self.fails("INVALID_ARGUMENT", *verb.split(), "--pin", "1234", status=2)

    def test_error_as_json(self):
        run = self.cli("token", "list", "--json", "--conf", "/nonexistent/p11ekm.conf")
        self.assertEqual(run.status, 1)
        self.assertEqual(run.json()["error"]["code"], 2049)
        self.assertIn("/nonexistent/p11ekm.conf", run.json()["error"]["text"])


if __name__ == "__main__":
    unittest.main()
