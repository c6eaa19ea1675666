#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of four operations of the library with valgrind's callgrind, and compares
them with a budget. Runs under tests/tokens/with-token memory; scripts/bench --instructions calls it.

    instructions.py [--json] [--profile OPERATION] PROGRAM LIBRARY KEY.pem BUDGET

PROGRAM (bench/instructions.c) runs an operation N and 2N times; the difference divided by N is the
cost of one. `module` is the inclusive cost of the library's calls into the PKCS#11 module. The rest
is ours: the library's own instructions, and the inclusive cost of its calls into libcrypto and libc.
BUDGET has a line "OPERATION INSTRUCTIONS" for each operation, the most that `ours` may be.
--profile prints what each function costs, without what the module does.

Exit status 0: within the budget; 1: above it, or an error; 77: this machine lacks valgrind."""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Operation -> the exported function whose instructions count, and N.
OPERATIONS = {
    "aes-encrypt": ("SqlCryptEncrypt", 510),  # the buffer of IVs is refilled every 255 calls
    "rsa-decrypt": ("SqlCryptDecrypt", 8),
    "cek-cached": ("p11ekm_cmk_decrypt", 32),
    "cek-first": ("p11ekm_cmk_decrypt", 8),
}
TITLES = {
    "aes-encrypt": "SqlCryptEncrypt, AES-256, 64 bytes",
    "rsa-decrypt": "SqlCryptDecrypt, RSA-2048",
    "cek-cached": "DecryptCEK, cached",
    "cek-first": "DecryptCEK, first time",
}
PARTS = ("libp11ekm", "libcrypto", "libc", "other")
MODULE_ENTRIES = "entry_C_*"  # of the memory token
BEGIN = "instructions_begin"  # called at the end of the set-up in bench/instructions.c
PROFILED = 25  # functions shown
NAME = re.compile(r"(c?(?:ob|fn))=\((\d+)\)(?: (.*))?$")
COST = re.compile(r"[+\-*\d]\S* (\d+)$")


class Count:
    """The instructions of one run, from callgrind's output file."""

    def __init__(self):
        self.total = 0
        self.self_cost = collections.Counter()  # by function: (object file, name)
        self.calls = collections.Counter()  # inclusive cost, by (caller, callee)

    def read(self, path):
        names = {"ob": {}, "fn": {}}
        current = {"ob": "", "fn": "", "cob": None, "cfn": ""}
        called = False  # the next cost is that of a call
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                line = line.rstrip("\n")
                match = NAME.match(line)
                if match:
                    kind, number, text = match.groups()
                    known = names[kind[-2:]]
                    if text is not None:
                        known[number] = text
                    current[kind] = known[number]
                elif line.startswith("calls="):
                    called = True
                elif cost := COST.match(line):
                    self.add(current, int(cost.group(1)), called)
                    if called:
                        current["cob"] = None
                    called = False
        return self

    def add(self, current, cost, called):
        caller = current["ob"], current["fn"]
        if called:
            callee = current["ob"] if current["cob"] is None else current["cob"], current["cfn"]
            self.calls[caller, callee] += cost
        else:
            self.self_cost[caller] += cost
            self.total += cost

    def minus(self, other):
        left = Count()
        left.total = self.total - other.total
        left.self_cost.update(self.self_cost)
        left.self_cost.subtract(other.self_cost)
        left.calls.update(self.calls)
        left.calls.subtract(other.calls)
        return left


def part_of(path, library):
    """Which column of the table an object file belongs to."""
    name = os.path.basename(path)
    if os.path.realpath(path) == os.path.realpath(library):
        return "libp11ekm"
    if name == os.path.basename(os.environ["MODULE"]):
        return "module"
    for part in ("libcrypto", "libc"):
        if name.startswith(part + "."):
            return part
    return "libc" if name.startswith("ld-linux") else "other"


def run(arguments, operation, count, without_module=False):
    function = OPERATIONS[operation][0]
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}",
                   f"--toggle-collect={function}"]
        if without_module:  # module calls in the set-up switch collection on: discard those
            command += [f"--toggle-collect={MODULE_ENTRIES}", f"--zero-before={BEGIN}"]
        done = subprocess.run(command + [arguments.program, arguments.library, operation, str(count),
                                         arguments.key], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"instructions: {operation} failed:\n{done.stderr[-2000:]}")
        return Count().read(output)


def difference(arguments, operation, without_module=False):
    n = OPERATIONS[operation][1]
    once = run(arguments, operation, n, without_module)
    return run(arguments, operation, 2 * n, without_module).minus(once), n


def measure(arguments, operation):
    """The columns of the table for one operation."""
    counted, n = difference(arguments, operation)
    row = dict.fromkeys(("total", "module", *PARTS), 0)
    row["total"] = counted.total
    for (path, _), cost in counted.self_cost.items():
        if part_of(path, arguments.library) == "libp11ekm":
            row["libp11ekm"] += cost
    for ((caller, _), (callee, _)), cost in counted.calls.items():
        to = part_of(callee, arguments.library)
        if part_of(caller, arguments.library) == "libp11ekm" and to != "libp11ekm":
            row[to] += cost
    # The parts differ from the total if a library called back into ours, whose instructions then
    # count twice, or if `row` has no part for a library. Allow 1 %, and add it to `other`.
    ours = sum(row[part] for part in PARTS)
    missed = row["total"] - row["module"] - ours
    if abs(missed) > ours / 100:
        raise SystemExit(f"instructions: {operation}: the parts {row} are not the total")
    row["other"] += missed
    row = {name: round(cost / n) for name, cost in row.items()}
    row["ours"] = sum(row[part] for part in PARTS)
    return row


def read_budget(path):
    budget = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                budget[words[0]] = int(words[1])
    if set(budget) != set(OPERATIONS):
        raise SystemExit(f"instructions: {path} needs a line for each of {', '.join(OPERATIONS)}")
    return budget


def callers_of(counted, name):
    """The direct and indirect callers of the function of this name, without the function itself."""
    above = {caller for caller, callee in counted.calls if callee[1] == name}
    while more := {caller for caller, callee in counted.calls if callee in above} - above:
        above |= more
    return above


def profile(arguments, operation):
    counted, n = difference(arguments, operation, without_module=True)
    inclusive = collections.Counter(counted.self_cost)
    for (caller, callee), cost in counted.calls.items():
        if caller != callee:
            inclusive[caller] += cost
    callers = callers_of(counted, OPERATIONS[operation][0])
    print(f"{TITLES[operation]}: {counted.total / n:.0f} instructions an operation, without the module")
    for title, costs in (("self", counted.self_cost), ("inclusive", inclusive)):
        print(f"\n{title:>10}  function")
        most = [(cost, function) for function, cost in costs.items() if cost > 0 and function not in callers]
        for cost, (path, name) in sorted(most, reverse=True)[:PROFILED]:
            print(f"{cost / n:>10.1f}  {part_of(path, arguments.library)}:{name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", choices=OPERATIONS)
    for name in ("program", "library", "key", "budget"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("SKIPPED: valgrind is not installed", file=sys.stderr)
        return 77
    if arguments.profile:
        profile(arguments, arguments.profile)
        return 0
    budget = read_budget(arguments.budget)
    rows = {operation: {**measure(arguments, operation), "budget": budget[operation]}
            for operation in OPERATIONS}
    columns = ("total", "module", "ours", *PARTS, "budget")
    if arguments.json:
        print(json.dumps([{"what": TITLES[operation], "operation": operation, **row}
                          for operation, row in rows.items()], indent=2))
    else:
        print(f"{'instructions':36}" + "".join(f"{column:>11}" for column in columns))
        for operation, row in rows.items():
            print(f"{TITLES[operation]:36}" + "".join(f"{row[column]:>11}" for column in columns))
    over = [operation for operation, row in rows.items() if row["ours"] > row["budget"]]
    for operation in over:
        print(f"instructions: {operation}: {rows[operation]['ours']} are above the budget of "
              f"{budget[operation]}; see --profile {operation}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
