# SPDX-License-Identifier: Apache-2.0
"""Shared by the tests of p11ekm: a SoftHSM token in a temporary directory, and one run of the
program. A test file ends with `common.main()`."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLI = os.environ.get("P11EKM_CLI", str(ROOT / "out/bin/p11ekm"))
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
)
MODULE = next((name for name in MODULES if os.path.exists(name)), None)
PIN = "1234"


class Run:
    """One run of p11ekm: its exit status and its output."""

    def __init__(self, arguments, environment, **options):
        self.arguments = arguments
        done = subprocess.run(
            [CLI, *arguments], env=environment, capture_output=True, text=True, timeout=100,
            stdin=subprocess.DEVNULL, check=False, **options,
        )
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{self.arguments}: {self.status}\n{self.out}{self.err}"


class DirectoryCase(unittest.TestCase):
    """A test with a temporary directory and a clean environment."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="p11ekm-cli-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def cli(self, *arguments, **options):
        return Run(arguments, self.environment, **options)

    def ok(self, *arguments, **options):
        run = self.cli(*arguments, **options)
        self.assertEqual(run.status, 0, str(run))
        self.assertEqual(run.err, "", str(run))
        return run

    def fails(self, name, *arguments, status=1, **options):
        """Runs it, expects failure with this status name on stderr."""
        run = self.cli(*arguments, **options)
        self.assertEqual(run.status, status, str(run))
        self.assertIn(f"p11ekm: {name}: ", run.err, str(run))
        return run

    def skip(self, reason):
        """Printed in the form that the summary of a test run counts."""
        print(f"SKIPPED: {self.id().split('.')[-1]}: {reason}", flush=True)
        self.skipTest(reason)

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)


class TokenCase(DirectoryCase):
    """A test with a token "soft" and a configuration that names it as "hsm" with its PIN file."""

    def setUp(self):
        super().setUp()
        self.add_token("soft")
        self.environment["SOFTHSM2_CONF"] = str(self.directory / "token/softhsm2.conf")
        self.pin_file = self.write("pin", PIN + "\n")
        self.conf = str(self.directory / "p11ekm.conf")
        self.ok("init", "--conf", self.conf, "--module", MODULE, "--token", "soft",
                "--pin-file", self.pin_file)
        self.environment["P11EKM_CONF"] = self.conf

    def add_token(self, label):
        subprocess.run(
            [str(ROOT / "scripts/make-softhsm-token"), str(self.directory / "token"), label, PIN],
            check=True, capture_output=True,
        )

    def set_keys(self, **keys):
        """Puts keys at the beginning of the configuration, replacing those that are there."""
        lines = pathlib.Path(self.conf).read_text().splitlines()
        names = tuple(keys)
        kept = [line for line in lines if line.split("=")[0].strip() not in names]
        head = [f"{name} = {value}" for name, value in keys.items()]
        self.write("p11ekm.conf", "\n".join(head + kept) + "\n")

    def create(self, name, algorithm="AES_256", *more):
        return self.ok("key", "create", name, "--algorithm", algorithm, "--json", *more).json()


def main():
    if MODULE is None or shutil.which("softhsm2-util") is None:
        print("SKIPPED: SoftHSM (package softhsm2) is not installed")
        sys.exit(77)
    unittest.main(verbosity=1)
