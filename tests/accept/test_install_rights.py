#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The security descriptors that install.ps1 sets, read from its text, and the rights they give:
the service reads the folder and writes the log folder, a second instance too, and no other
account has any. PowerShell does not run here. Descriptors with a planted mistake must be
refused.
Usage: test_install_rights.py INSTALL.PS1"""
import re
import sys

WRITE = 0x2 | 0x4 | 0x10 | 0x40 | 0x100 | 0x10000 | 0x40000 | 0x80000  # data, append, EA, children, attributes, delete, DAC, owner
READ = 0x1200A9
MODIFY = 0x1301BF
RIGHTS = {"FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0}
DEFAULT = "S-1-5-80-3880718306-3832830129-1677859214-2598158968-1052248003"  # NT SERVICE\MSSQLSERVER
SECOND = "S-1-5-80-1-2-3-4-5"
USERS = "BU"


def parse(sddl):
    """Owner, whether inheritance is off, and {SID: (mask, flags)} of the entries that allow."""
    owner = re.search(r"O:(BA|SY|S-[-0-9]+|[A-Z]{2})", sddl)
    flags = re.search(r"D:([A-Z]*)\(", sddl)
    entries = {}
    for kind, inherit, rights, _, _, sid in re.findall(r"\((\w*);(\w*);(\w*);(\w*);(\w*);([^)]*)\)", sddl):
        if kind != "A" or sid in entries:
            raise ValueError(f"{kind} {sid}")
        mask = int(rights, 16) if rights.startswith("0x") else RIGHTS[rights]
        entries[sid] = (mask, inherit)
    return owner.group(1) if owner else "", "P" in (flags.group(1) if flags else ""), entries


def problems(sddl, services, service_mask):
    owner, protected, entries = parse(sddl)
    found = []
    if owner != "BA":
        found.append(f"the owner is {owner}")
    if not protected:
        found.append("rights are inherited")
    wanted = {"SY", "BA", *services}
    if set(entries) != wanted:
        found.append(f"entries of {sorted(set(entries) ^ wanted)}")
    for sid, (mask, inherit) in entries.items():
        right = RIGHTS["FA"] if sid in ("SY", "BA") else service_mask
        if mask != right or inherit != "OICI":
            found.append(f"{sid} has {mask:#x} {inherit}")
        if sid in services and service_mask == READ and mask & WRITE:
            found.append(f"{sid} may write")
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        strings = dict(re.findall(r"^\$(\w+) = '([^']*)'$", file.read(), re.M))
    failed = False
    for entry, mask in (("folderEntry", READ), ("logEntry", MODIFY)):
        for services in ([DEFAULT], [DEFAULT, SECOND]):
            sddl = strings["administrators"] + "".join(strings[entry].replace("{0}", sid) for sid in services)
            for problem in problems(sddl, services, mask):
                print(f"FAIL  {entry}, {len(services)} instances: {problem}")
                failed = True
            # Planted mistakes, which must be found.
            for wrong in (sddl.replace("O:BA", "O:" + DEFAULT), sddl.replace("D:PAI", "D:AI"),
                          sddl + f"(A;OICI;FR;;;{USERS})", sddl.replace("(A;OICI;FA;;;SY)", ""),
                          sddl.replace(";;;" + services[-1], ";;;S-1-5-80-9"),
                          sddl.replace(strings[entry].split(";")[2], "FA"), sddl.replace("OICI;0x", "CI;0x")):
                if not problems(wrong, services, mask):
                    print(f"FAIL  not found: {wrong}")
                    failed = True
    print("failed" if failed else "install.ps1: rights as documented")
    sys.exit(failed)


if __name__ == "__main__":
    main()
