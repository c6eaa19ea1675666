#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures p11ekm cmk rotate --jobs over a token whose calls take as long as those to a network
HSM. Runs under tests/tokens/with-token softhsm; scripts/bench --rotate calls it.

    rotate.py [--json] [--delay MILLISECONDS] P11EKM COUNTER.so

COUNTER.so is the proxy module that delays the calls. For each number of jobs it rotates two exports,
one of FEW values per job and one of MANY more; the difference of their times excludes the start-up.
Exit status 1: N jobs are less than 0.9 N times as fast as one, for N up to 8."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

JOBS = (1, 2, 4, 8)
FEW, MANY = 2, 48
LEAST = 0.9
ROUNDS = 3


class Rotation:
    def __init__(self, arguments, directory):
        self.arguments, self.directory = arguments, directory
        self.environment = dict(os.environ)

    def configure(self, module):
        path = self.directory / "p11ekm.conf"
        path.write_text(f"module = {module}\nlog = none\n{os.environ.get('CONF_EXTRA', '')}\n"
                        f"[token bench]\ntoken = {os.environ['TOKEN']}\npin_file = {self.directory}/pin\n")
        path.chmod(0o600)
        self.environment["P11EKM_CONF"] = str(path)

    def run(self, *words):
        return subprocess.run([self.arguments.p11ekm, *map(str, words)], env=self.environment, check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def prepare(self, count):
        """Two master keys, and the values of the first."""
        pin = self.directory / "pin"
        pin.write_text(os.environ["PIN"] + "\n")
        pin.chmod(0o600)
        self.configure(os.environ["MODULE"])
        for name in ("old", "new"):
            self.run("cmk", "create", name, "--algorithm", "RSA_2048")
        rows = [self.run("cek", "create", f"CEK_{i}", "--key", "old", "--cmk", "OLD").strip() for i in range(count)]
        self.configure(self.arguments.counter)
        self.environment["P11COUNT_MODULE"] = os.environ["MODULE"]
        self.environment["P11COUNT_PLAN"] = f"call=* times=0 delay={self.arguments.delay}"
        return rows

    def seconds(self, rows, jobs):
        export = self.directory / "export"
        export.write_bytes(b"\n".join(rows) + b"\n")
        files = [self.directory / name for name in ("out", "add", "drop")]
        for file in files:
            file.unlink(missing_ok=True)
        start = time.monotonic()
        self.run("cmk", "rotate", export, "--from", "old", "--to", "new", "--to-cmk", "NEW", "--jobs", jobs,
                 "--output", files[0], "--add", files[1], "--drop", files[2])
        taken = time.monotonic() - start
        if len(files[0].read_bytes().splitlines()) != len(rows):
            raise SystemExit("rotate: the output lacks values")
        return taken

    def each(self, rows, jobs):
        """Seconds for a value. The fastest run counts: what other work on the machine adds is not ours."""
        few = FEW * jobs
        short, long = (min(self.seconds(rows[:count], jobs) for _ in range(ROUNDS)) for count in (few, few + MANY))
        return (long - short) / MANY


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--delay", type=int, default=2)
    parser.add_argument("p11ekm")
    parser.add_argument("counter")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        rotation = Rotation(arguments, pathlib.Path(name))
        rows = rotation.prepare(FEW * max(JOBS) + MANY)
        for jobs in JOBS:
            value = rotation.each(rows, jobs)
            speed = results[0]["seconds"] / value if results else 1.0
            results.append({"jobs": jobs, "seconds": value, "values_per_second": 1 / value, "speed_up": speed,
                            "share": speed / jobs})
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        print(f"{'jobs':>4} {'values/s':>10} {'speed-up':>10} {'of N':>6}")
        for result in results:
            print(f"{result['jobs']:>4} {result['values_per_second']:>10.1f} {result['speed_up']:>10.2f} "
                  f"{result['share']:>6.2f}")
    slow = [result["jobs"] for result in results if result["share"] < LEAST]
    if slow:
        print(f"rotate: less than {LEAST} N with --jobs {', '.join(map(str, slow))}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
