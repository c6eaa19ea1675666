# SPDX-License-Identifier: Apache-2.0
"""p11ekm init."""

import os
import pathlib
import stat

import common


class Init(common.DirectoryCase):
    def setUp(self):
        super().setUp()
        self.conf = str(self.directory / "new.conf")

    def init(self, *more):
        return ("init", "--conf", self.conf, "--module", common.MODULE, "--token", "soft", *more)

    def test_writes_a_commented_file_for_its_owner(self):
        run = self.ok(*self.init("--alias", "main"))
        self.assertIn(f"chgrp mssql '{self.conf}' && chmod 640 '{self.conf}'\n", run.out)
        text = pathlib.Path(self.conf).read_text()
        self.assertIn(common.MODULE, text)
        self.assertRegex(text, r"(?m)^\[ ?token main ?\]$")
        self.assertGreater(text.count("#"), 10)
        self.assertEqual(stat.S_IMODE(os.stat(self.conf).st_mode) & 0o077, 0)

    def test_json(self):
        run = self.ok(*self.init("--json"))
        self.assertEqual(run.json(), {"configuration": self.conf, "alias": "hsm"})

    def test_refuses_to_overwrite(self):
        self.write("new.conf", "mine")
        run = self.cli(*self.init())
        self.assertEqual(run.status, 1, str(run))
        self.assertIn(self.conf, run.err)
        self.assertEqual(pathlib.Path(self.conf).read_text(), "mine")

    def refused(self, *arguments, status=1):
        run = self.cli(*arguments)
        self.assertEqual(run.status, status, str(run))
        self.assertFalse(os.path.exists(self.conf))
        return run

    def test_module_must_be_absolute_there_and_safe(self):
        common_part = ("init", "--conf", self.conf, "--token", "soft", "--module")
        self.refused(*common_part, "libsofthsm2.so", status=2)
        self.refused(*common_part, "/nonexistent/lib.so")
        unsafe = self.write("lib.so", "x", 0o666)
        self.assertIn("UNSAFE_FILE", self.refused(*common_part, unsafe).err)

    def test_alias_that_breaks_the_file_is_refused(self):
        self.refused(*self.init("--alias", "a]\nmodule = /tmp/x"))

    def test_relative_pin_file(self):
        self.refused(*self.init("--pin-file", "pin"), status=2)


if __name__ == "__main__":
    common.main()
