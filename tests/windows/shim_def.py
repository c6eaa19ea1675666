#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the .def file of P11SHIM1.dll: all functions that the given files import from KERNEL32
and ADVAPI32, the shim's own if ntfs_shim.c has shim_NAME, otherwise forwarded.
Usage: shim_def.py OBJDUMP NTFS_SHIM.C OUT.DEF FILE..."""
import pathlib
import re
import subprocess
import sys

objdump, source, out, *files = sys.argv[1:]
own = set(re.findall(r"\bshim_(\w+)\(", pathlib.Path(source).read_text(encoding="utf-8")))
exports = {}
for file in files:
    library = ""
    for line in subprocess.run([objdump, "-p", file], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        if match := re.match(r"\s*DLL Name: (\S+)\.dll", line):
            library = match[1]
        match = re.match(r"\t[0-9a-f]+\t\s*\d+\s+(\w+)\s*$", line)
        if match and library in ("KERNEL32", "ADVAPI32"):
            exports[match[1]] = library
missing = own - set(exports)
if missing:
    sys.exit(f"not imported: {sorted(missing)}")
pathlib.Path(out).write_text("LIBRARY P11SHIM1.dll\nEXPORTS\n" + "".join(
    f"    {name} = {f'shim_{name}' if name in own else f'{library}.{name}'}\n"
    for name, library in sorted(exports.items())), encoding="ascii")
