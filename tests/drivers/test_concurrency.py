# SPDX-License-Identifier: Apache-2.0
"""Many threads of one process, and many forked children, through one provider at once."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

import environment
from harness import DriverCase
from tds_server import TdsServer

WORKERS = Path(__file__).with_name("workers.py")


class Concurrency(DriverCase):
    def check(self, way: str, count: int, rounds: int) -> None:
        with TdsServer(self.key.scenario(), self.certificate) as server:
            command = [
                sys.executable, str(WORKERS), way, str(count), str(rounds),
                environment.connection_string(server.port), str(environment.module()),
                self.keystore.data,
            ]
            variables = {**os.environ, **self.keystore.environment}
            done = subprocess.run(command, capture_output=True, text=True, env=variables,
                                  timeout=240)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, f"{count * rounds}\n", done.stderr)

    def test_eight_threads(self) -> None:
        self.check("threads", 8, 25)

    def test_twenty_forked_children(self) -> None:
        self.check("fork", 20, 3)


if __name__ == "__main__":
    unittest.main()
