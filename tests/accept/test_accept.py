#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of p11accept: `drive` finds the fault of every stub provider at the right step; `guard`
refuses an instance with data that is not the kit's; `judge` distinguishes good and bad
observations for the checks that only a server can run.

Usage: test_accept.py EKMSQL P11ACCEPT STUBS [--wine RUN_WINE]"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_checks import CHECKS, observations, with_options  # noqa: E402

# Stub -> the step that fails; None: none. A crash ends the driver within the step.
STEPS = {
    "ok": None, "version": None, "guid": None, "unknown-tag": None, "thumb-20": None, "thumb-32": None,
    "init-fails": "I2", "init-own-code": "I2", "info-fails": "I3", "size-zero": "I3", "own-pointer": "I3",
    "success-first": "I3", "api-1-0": "I4", "api-1-2": "I4", "thumb-0": "I4", "thumb-33": "I4",
    "auth-7": "I4", "unsteady": "I5", "rsa-2047": "I6", "iv-192": "I6", "endless": "I6",
    "algorithm-fails": "I6", "any-pin": "I7", "open-own-code": "I7", "wrong-pin": "I8", "slow-open": "I8",
    "create-fails": "I9", "other-algorithm": "I10", "export-fails": "I11", "data-fails": "I12",
    "garbles": "I12", "overruns": "I12", "slow-data": "I12", "drop-fails": "I13", "keeps-closed": "I14",
    "crash-open": "crash I7", "crash-data": "crash I12",
    **{f"no-export-{state}": "I1" for state in range(1, 18)},
}
# Check -> observations: one that passes, and one that does not, with its verdict.
STATIC = {
    "S01a": ("row\tversion=x", "NOTE", None, None),
    "S01b": ("row\tname=lightweight pooling\tvalue_in_use=0", "PASS",
             "row\tname=lightweight pooling\tvalue_in_use=1", "FAIL"),
    "S01c": ("row\tname=fips\tvalue=0", "NOTE", None, None),
    "S02": ("row\tfile=a.dll\tstatus=Valid\tdays=300\ttimestamp=yes\nrow\tfile=b.dll\tstatus=Valid\tdays=30\ttimestamp=yes",
            "PASS", "row\tfile=a.dll\tstatus=Valid\tdays=300\ttimestamp=yes\nrow\tfile=b.dll\tstatus=HashMismatch\tdays=30\ttimestamp=yes",
            "FAIL"),
    "S03": ("value\tdoctor_exit=0", "PASS", "value\tdoctor_exit=1", "FAIL"),
    "S04": ("value\tsource_registered=yes\nvalue\ttext_readable=yes", "PASS",
            "value\tsource_registered=yes\nvalue\ttext_readable=no", "FAIL"),
    "S05": ("value\tdepends=yes", "PASS", "value\tdepends=no", "FINDING"),
    "S06": ("row\tpath=a\tlength=255", "PASS", "row\tpath=a\tlength=255\nrow\tpath=b\tlength=256", "FAIL"),
    "R02": ("row\tText=a", "NOTE", None, None),
    "R02a": ("msg\t33027\t16\t1\tCannot load", "PASS", "row\tname=P11ACC_STUB", "FAIL"),
    "R02b": ("msg\t33027\t16\t1\tCannot load", "PASS", "msg\t33029\t16\t1\tother", "FAIL"),
    "R02c": ("msg\t33027\t16\t1\tCannot load", "PASS", "row\tname=P11ACC_STUB", "FINDING"),
    "R02d": ("msg\t33027\t16\t1\tCannot load", "PASS", "row\tname=P11ACC_STUB", "FINDING"),
    "T05": ("msg\t33055\t16\t1\texception", "PASS", "msg\t0\t20\t0\tA transport-level error", "FINDING"),
}
failures = 0


def expect(condition, text):
    global failures
    if not condition:
        failures += 1
        print(f"FAIL  {text}")


class Program:
    def __init__(self, options):
        self.wine = options.wine
        self.options = options
        self.extension = ".dll" if options.wine else ".so"

    def path(self, path):
        return "Z:" + str(path) if self.wine else str(path)

    def run(self, *command):
        prefix = [self.wine] if self.wine else []
        return subprocess.run(prefix + [str(part) for part in command], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              env={**os.environ, "P11STUB_DELAY_MS": "300"})


def test_drive(program):
    built = {file.stem for file in pathlib.Path(program.options.stubs).iterdir()
             if file.suffix == program.extension}
    expect(built - {"unsigned", "tampered", "untrusted", "expired"} == set(STEPS),
           f"stubs without a line here, or the other way round: {built ^ set(STEPS)}")
    # A call that sleeps takes 300 ms, any other call some microseconds.
    tried = set()
    for stub, step in STEPS.items():
        # Under Wine a program takes seconds to start: one stub for each step, and the slow ones.
        if program.wine and step in tried and not stub.startswith("slow-"):
            continue
        tried.add(step)
        library = program.path(pathlib.Path(program.options.stubs) / (stub + program.extension))
        answer = program.run(program.options.accept, "drive", library, "--stub", "--limit-ms", "290")
        last = (answer.stdout.strip().splitlines() or [""])[-1].replace("\r", "")
        if step is None:
            expect(answer.returncode == 0 and last.startswith("ok   I14"), f"drive {stub}: {last}")
        elif step.startswith("crash"):
            # The undefined-behavior sanitizer makes it an exit with status 1.
            crashed = answer.returncode not in (0, 1) or "runtime error: store to null" in answer.stdout
            begun = [line for line in answer.stdout.splitlines() if line.startswith(("run", "ok", "FAIL"))][-1]
            expect(crashed and begun.strip() == "run  " + step[6:], f"drive {stub}: {answer.returncode} {last}")
        else:
            expect(answer.returncode == 1 and last.startswith(f"FAIL {step} "), f"drive {stub}: {last}")


def test_guard(program, work):
    lines = {
        "nothing": ("row\tkind=end", 0),
        "own": ("row\tkind=provider\tname=P11ACC_STUB\nrow\tkind=database\tname=P11ACC_Demo\nrow\tkind=end", 0),
        "database": ("row\tkind=database\tname=Payroll\nrow\tkind=end", 1),
        "credential": ("row\tkind=credential\tname=AKV\nrow\tkind=end", 1),
        "provider": ("row\tkind=provider\tname=P11EKM\nrow\tkind=end", 1),
        "small letters": ("row\tkind=database\tname=p11acc_demo\nrow\tkind=end", 1),
        "prefix in the middle": ("row\tkind=database\tname=My_P11ACC_Demo\nrow\tkind=end", 1),
        "cut off": ("row\tkind=database\tname=P11ACC_Demo", 1),
        "empty": ("", 1),
        "no kind": ("row\tname=P11ACC_Demo\nrow\tkind=end", 1),
    }
    for name, (text, status) in lines.items():
        (work / "guard").write_text(text + "\n", encoding="utf-8")
        answer = program.run(program.options.accept, "guard", program.path(work / "guard"))
        expect(answer.returncode == status, f"guard, {name}: {answer.returncode} {answer.stdout}")
    expect(program.run(program.options.accept, "guard", program.path(work / "none")).returncode == 3,
           "guard without a file")
    # The output of guard.sql about an instance, simulated.
    script = CHECKS.parent / "guard.sql"
    for name, statement, status in (("clean", "", 0), ("used", "CREATE DATABASE Payroll;\nGO\n", 1)):
        (work / "more.sql").write_text(statement, encoding="utf-8")
        answer = program.run(program.options.ekmsql, "-S", program.path(work / ("instance-" + name)),
                             "-i", program.path(work / "more.sql"), "-i", program.path(script))
        (work / "guard").write_text("\n".join(observations(answer.stdout)) + "\n", encoding="utf-8")
        answer = program.run(program.options.accept, "guard", program.path(work / "guard"))
        expect(answer.returncode == status, f"guard.sql, {name}: {answer.stdout}")


def judge(program, work, name, observed):
    seen, out = work / f"seen-{name}", work / f"out-{name}"
    seen.mkdir()
    out.mkdir()
    for check, text in observed.items():
        # As PowerShell 5.1 writes UTF-8.
        (seen / f"{check}.seen").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n")
    answer = program.run(program.options.accept, "judge", program.path(CHECKS), program.path(seen),
                         program.path(out))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {row["id"]: row["verdict"] for row in report}, answer.returncode


def test_judge(program, work):
    verdicts, status = judge(program, work, "good", {check: row[0] for check, row in STATIC.items()})
    for check, row in STATIC.items():
        expect(verdicts[check] == row[1], f"judge {check}, good: {verdicts[check]}")
    expect(status == 0, f"judge, good: exit status {status}")
    bad = {check: row for check, row in STATIC.items() if row[2]}
    verdicts, status = judge(program, work, "bad", {check: row[2] for check, row in bad.items()})
    for check, row in bad.items():
        expect(verdicts[check] == row[3], f"judge {check}, bad: {verdicts[check]}")
    expect(status == 1, f"judge, bad: exit status {status}")
    verdicts, status = judge(program, work, "known", {
        "S02": "row\tfile=a.dll\tstatus=Valid\tdays=300\ttimestamp=no",
        "S05": "skip\tno service was named", "S06": "value\tnothing=here", "T05": ""})
    expect(verdicts["S02"] == "KNOWN-DIFFERENT", f"no time stamp: {verdicts['S02']}")
    expect(verdicts["S05"] == "SKIP", f"skipped: {verdicts['S05']}")
    expect(verdicts["S06"] == "FAIL", f"no row at all: {verdicts['S06']}")
    expect(verdicts["T05"] == "FINDING", f"no message at all: {verdicts['T05']}")
    _, status = judge(program, work, "finding", {"S05": "value\tdepends=no"})
    expect(status == 2, f"a finding only: exit status {status}")


def test_script():
    """accept.ps1 does not run here. The order of its steps can be checked in its text."""
    text = (CHECKS.parent / "accept.ps1").read_text(encoding="utf-8")
    order = ["if ($Level -eq 'register' -and -not $Destructive) {", "    throw 'level register changes",
             "    Invoke-Register @("]
    places = [text.find(line) for line in order]
    expect(-1 not in places and places == sorted(places), "accept.ps1 changes an instance without -Destructive")
    body = text[text.find("function Invoke-Register("):]
    order = ["    Assert-OwnInstance\n", "$PSCmdlet.ShouldProcess(", "Add-KitCertificate", "Set-Option", "} finally {"]
    places = [body.find(line) for line in order]
    expect(-1 not in places and places == sorted(places), "accept.ps1 changes an instance that it did not look at")
    guard = text[text.find("function Assert-OwnInstance"):text.find("function Get-Option")]
    expect("& $judge guard $list\n    if ($LASTEXITCODE -ne 0) {\n        throw" in guard, "the guard's answer is ignored")
    for check in CHECKS.glob("*.sql"):
        collect = [line[12:] for line in check.read_text(encoding="utf-8").splitlines() if line.startswith("-- collect: ")]
        collected = (CHECKS.parent / "collect.ps1").read_text(encoding="utf-8").lower()
        expect(not collect or f"function get-{collect[0]}fact " in collected, f"{check.name}: nothing collects {collect}")


def run_all(options, work):
    program = Program(options)
    test_script()
    test_drive(program)
    test_guard(program, work)
    test_judge(program, work)


def main():
    with_options(run_all)
    print(f"{len(STEPS)} stubs, {len(STATIC)} checks with observations made by hand, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
