#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the check files of scripts/windows/accept with ekmsql and evaluates the observations with
p11accept, as accept.ps1 does on a server. Without a planted fault every check passes. With
one, the library of a stub is replaced by that of another stub, as the file's "plant" lines
say, and the check must not pass. After each run the instance must have no object of the kit.

Usage: test_checks.py EKMSQL P11ACCEPT STUBS [--wine RUN_WINE]
With --wine the programs and stubs are for Windows; exit status 77 if there is no Wine."""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKS = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "windows" / "accept" / "checks"
KEYS = {"SPDX-License-Identifier", "id", "title", "level", "settles", "runs", "otherwise", "collect",
        "expect", "known", "plant"}
DELAY_MS = 300
PRELUDE = """EXEC sp_configure 'show advanced options', 1;
RECONFIGURE;
EXEC sp_configure 'EKM provider enabled', 1;
RECONFIGURE;
GO
PRINT '=== begin';
GO
"""
LEFTOVERS = """
GO
PRINT '=== left over';
GO
SELECT name FROM sys.cryptographic_providers;
SELECT name FROM sys.credentials;
SELECT name FROM sys.asymmetric_keys;
GO
"""
failures = []


def fail(text):
    failures.append(text)
    print(f"FAIL  {text}")


class Check:
    def __init__(self, path):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        self.header = []
        for line in lines:
            match = re.fullmatch(r"-- ([A-Za-z-]+): (.*)", line)
            if not match:
                break
            self.header.append(match.groups())
        self.path = path
        self.body, _, self.cleanup = text.partition("-- cleanup\n")
        unknown = [key for key, _ in self.header if key not in KEYS]
        if unknown or not path.name.startswith(self.one("id") + "-"):
            fail(f"{path.name}: header lines {unknown}, id {self.one('id')}")
        if text.isascii() is False:
            fail(f"{path.name}: not ASCII")

    def all(self, key):
        return [value for name, value in self.header if name == key]

    def one(self, key):
        values = self.all(key)
        return values[0] if len(values) == 1 else ""


class Runner:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.extension = ".dll" if options.wine else ".so"
        self.prefix = [options.wine] if options.wine else []

    def path(self, path):
        return "Z:" + str(path) if self.options.wine else str(path)

    def run(self, *command, **more):
        return subprocess.run(self.prefix + [str(part) for part in command], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **more)

    def stubs(self, plant):
        """A folder with all stubs, the planted one under the other's name."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="stubs", dir=self.work))
        for file in pathlib.Path(self.options.stubs).iterdir():
            if file.suffix == self.extension:
                (folder / file.name).symlink_to(file)
        if plant:
            target, source = plant.split("=")
            victim = folder / (target + self.extension)
            victim.unlink()
            shutil.copy(pathlib.Path(self.options.stubs) / (source + self.extension), victim)
        return folder

    def execute(self, check, plant, seen):
        """Runs a check in a new instance and writes the observations; an object that is left over
        is a failure."""
        here = pathlib.Path(tempfile.mkdtemp(prefix="run", dir=self.work))
        script = here / "script.sql"
        script.write_text(PRELUDE + check.body + "\nGO\nPRINT '=== cleanup';\nGO\n" + check.cleanup +
                          LEFTOVERS, encoding="utf-8")
        answer = self.run(self.options.ekmsql, "-S", self.path(here / "instance"), "-t",
                          "-v", "STUBS=" + self.path(self.stubs(plant)) + "/", "-v", "EXT=" + self.extension,
                          "-v", "SECRET=P11ACC-PIN", "-v", "LOGIN=sa", "-i", self.path(script))
        parts = parts_of(answer.stdout)
        if len(parts) != 4:
            fail(f"{check.path.name} {plant}: ekmsql ended early: {answer.stdout[-400:]}")
            return
        # The time inside the provider, which the load of this machine does not lengthen much.
        longest = max(map(int, re.findall(r"^trace: .* (\d+) us", parts[1], re.M)), default=0)
        slow = longest >= DELAY_MS * 1000
        lines = observations(parts[1]) + [f"value\tslow={'yes' if slow else 'no'}"]
        seen.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for line in observations(parts[3]):
            if line.startswith(("row", "msg")):
                fail(f"{check.path.name} {plant}: left over: {line}")

    def execute_all(self, work):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: self.execute(one[0], one[1], one[2] / (one[0].one("id") + ".seen")), work))

    def judge(self, checks, seen, out):
        """{id: (verdict, why)} of p11accept, and its exit status."""
        out.mkdir()
        answer = self.run(self.options.accept, "judge", self.path(checks), self.path(seen), self.path(out))
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        markdown = (out / "report.md").read_text(encoding="utf-8")
        for row in report:
            if f"| {row['id']} | {row['verdict']} |" not in markdown:
                fail(f"report.md does not say {row['verdict']} of {row['id']}")
        return {row["id"]: (row["verdict"], row["why"]) for row in report}, answer.returncode


def parts_of(output):
    """What ekmsql printed before the check, in it, in its cleanup, and about objects left over."""
    return re.split(r"^=== (?:begin|cleanup|left over)\r?$", output, flags=re.M)


def observations(text):
    """ekmsql's output in the form of accept.ps1's files."""
    lines, result = text.replace("\r", "").splitlines(), []
    for at, line in enumerate(lines):
        message = re.match(r"Msg (\d+), Level (\d+), State (\d+),", line)
        trace = re.match(r"trace: \S+ (\w+) (\d+) ", line)
        if message:
            following = lines[at + 1] if at + 1 < len(lines) else ""
            result.append("msg\t" + "\t".join(message.groups()) + "\t" + following)
        elif trace:
            result.append("call\t" + "\t".join(trace.groups()))
        elif re.fullmatch(r"-+( -+)*", line) and at > 0:
            result += rows(lines[at - 1], line, lines[at + 1:])
    return result


def rows(names, ruler, following):
    columns = [match.span() for match in re.finditer(r"-+", ruler)]
    result = []
    for line in following:
        if not line or line.startswith("("):
            break
        cells = []
        for number, (start, end) in enumerate(columns):
            end = end if number + 1 < len(columns) else None
            cells.append(names[start:end].strip() + "=" + line[start:end].strip())
        result.append("row\t" + "\t".join(cells))
    return result


def playable(check, wine):
    runs = check.one("runs")
    reason = runs.partition(": ")[2]
    if runs != "ekmsql" and (runs.split(":")[0] not in ("windows", "server") or not reason):
        fail(f"{check.path.name}: runs: {runs}")
    return runs == "ekmsql" or (wine and runs.startswith("windows"))


def with_options(run):
    """Parses the command line and calls run(options, work) with a temporary directory; exits with 77
    if it needs Wine and there is none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ekmsql")
    parser.add_argument("accept")
    parser.add_argument("stubs")
    parser.add_argument("--wine")
    options = parser.parse_args()
    if options.wine and not shutil.which("wine"):
        print("SKIPPED: no wine (scripts/windows-deps installs it)")
        sys.exit(77)
    work = pathlib.Path(tempfile.mkdtemp(prefix="p11accept-"))
    try:
        run(options, work)
    finally:
        shutil.rmtree(work)


def main():
    with_options(run_all)
    sys.exit(1 if failures else 0)


def run_all(options, work):
    runner = Runner(options, work)
    checks = [Check(path) for path in sorted(CHECKS.glob("*.sql"))]
    played = [check for check in checks if playable(check, options.wine)]
    seen = work / "seen"
    seen.mkdir()
    runner.execute_all([(check, "", seen) for check in played])
    verdicts, status = runner.judge(CHECKS, seen, work / "out")
    for check in checks:
        verdict, why = verdicts[check.one("id")]
        if check in played and verdict != "PASS":
            fail(f"{check.one('id')}: {verdict}: {why}")
        if check not in played and verdict != "SKIP":
            fail(f"{check.one('id')}: did not run and is {verdict}")
    if status != 0:
        fail(f"p11accept judge: exit status {status}")
    planted = 0
    for number in range(max(len(check.all("plant")) for check in played)):
        folder = work / f"planted{number}"
        folder.mkdir()
        with_plant = [check for check in played if len(check.all("plant")) > number]
        runner.execute_all([(check, check.all("plant")[number], folder) for check in with_plant])
        verdicts, status = runner.judge(CHECKS, folder, work / f"out{number}")
        for check in with_plant:
            planted += 1
            verdict, why = verdicts[check.one("id")]
            wanted = {"fail": "FAIL", "finding": "FINDING"}[check.one("otherwise")]
            if verdict != wanted:
                fail(f"{check.one('id')}: planted {check.all('plant')[number]}, and it is {verdict} {why}")
        wanted = 1 if any(check.one("otherwise") == "fail" for check in with_plant) else 2
        if status != wanted:
            fail(f"p11accept judge with planted faults: exit status {status}, not {wanted}")
    for check in played:
        if not check.all("plant"):
            fail(f"{check.path.name}: no planted fault shows that this check can fail")
    print(f"{len(played)} of {len(checks)} checks played, {planted} planted faults; on a real server only: "
          + " ".join(check.one("id") for check in checks if check not in played))


if __name__ == "__main__":
    main()
