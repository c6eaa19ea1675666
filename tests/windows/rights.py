# SPDX-License-Identifier: Apache-2.0
"""A model of NTFS rights: security descriptors, what a new file inherits, and what icacls
changes, since Wine implements Unix rights only and its icacls does nothing. p11ekm's own
evaluation of a descriptor comes from acl_tool.exe."""
import re
import shlex
import subprocess

SYSTEM, ADMINISTRATORS, USERS = "S-1-5-18", "S-1-5-32-544", "S-1-5-32-545"
SHORT = {"SY": SYSTEM, "BA": ADMINISTRATORS, "BU": USERS, "WD": "S-1-1-0", "AU": "S-1-5-11",
         "CO": "S-1-3-0"}
RIGHTS = {"F": 0x1F01FF, "M": 0x1301BF, "RX": 0x1200A9, "R": 0x120089, "W": 0x100116}
SDDL_RIGHTS = {"FA": 0x1F01FF, "FR": 0x120089, "FX": 0x1200A0, "FW": 0x120116}


def rights_of(text):
    if text.startswith("0x"):
        return int(text, 16)
    return sum(SDDL_RIGHTS[text[i:i + 2]] for i in range(0, len(text), 2))


class Entry:
    """One entry of an access list that allows. `flags`: a set of OI, CI, IO, ID."""

    def __init__(self, sid, rights, flags=()):
        self.sid, self.rights, self.flags = sid, rights, set(flags)

    def __str__(self):
        return f"(A;{''.join(sorted(self.flags))};0x{self.rights:x};;;{self.sid})"


class Descriptor:
    def __init__(self, sddl):
        match = re.fullmatch(r"(?:O:(?P<owner>[^:()]+?))?(?:G:[^:()]+?)?D:(?P<flags>[A-Z]*)"
                             r"(?P<entries>(?:\([^)]*\))*)", sddl)
        assert match, sddl
        owner = match["owner"]
        self.owner = SHORT.get(owner, owner)
        self.protected = "P" in match["flags"]
        self.entries = []
        for kind, flags, rights, sid in re.findall(r"\((\w+);(\w*);(\w+);;;([^)]+)\)",
                                                   match["entries"]):
            assert kind == "A", sddl
            self.entries.append(Entry(SHORT.get(sid, sid), rights_of(rights),
                                      re.findall("..", flags)))

    def __str__(self):
        return f"O:{self.owner}D:{'P' if self.protected else ''}" + "".join(map(str, self.entries))

    def inherited(self, owner, folder=False):
        """The descriptor of a new file or folder in this one if it is created without a list of
        its own."""
        flag = "CI" if folder else "OI"
        made = Descriptor(f"O:{owner}D:")
        for entry in self.entries:
            if flag in entry.flags:
                kept = (entry.flags - {"IO"} | {"ID"}) if folder else {"ID"}
                made.entries.append(Entry(entry.sid, entry.rights, kept))
        return made


def words_of(line):
    """The words of a command line with PowerShell's quotes; a backslash is literal."""
    split = shlex.shlex(line, posix=True)
    split.whitespace_split, split.escape, split.commenters = True, "", ""
    return list(split)


def principal(text, accounts):
    """The SID to which icacls resolves a name."""
    if text.startswith("*"):
        return text[1:]
    return accounts[text.upper()]


def grant(text, accounts):
    account, _, rights = text.rpartition(":")
    flags = re.findall(r"\((OI|CI|IO)\)", rights)
    return Entry(principal(account, accounts), RIGHTS[re.sub(r"\(..\)", "", rights)], flags)


def icacls(line, files, accounts):
    """Applies one icacls command to files, {path: Descriptor}. A command unknown to the model is
    an error: a documented line must not be skipped."""
    words = words_of(line)
    assert words[0] in ("icacls", "icacls.exe"), line
    target = files[words[1]]
    at, before = 2, str(target)
    while at < len(words):
        word = words[at].lower()
        operands = []
        at += 1
        while at < len(words) and not words[at].startswith("/"):
            operands.append(words[at])
            at += 1
        if word == "/setowner" and len(operands) == 1:
            target.owner = principal(operands[0], accounts)
        elif word in ("/inheritance:r", "/inheritance:d") and not operands:
            target.protected = True
            if word.endswith("r"):
                target.entries = [e for e in target.entries if "ID" not in e.flags]
            for entry in target.entries:
                entry.flags.discard("ID")
        elif word in ("/grant", "/grant:r") and operands:
            for new in (grant(text, accounts) for text in operands):
                if word.endswith(":r"):
                    target.entries = [e for e in target.entries
                                      if e.sid != new.sid or "ID" in e.flags]
                target.entries.append(new)
        elif word == "/remove:g" and operands:
            sids = {principal(text, accounts) for text in operands}
            target.entries = [e for e in target.entries
                              if e.sid not in sids or "ID" in e.flags]
        else:
            raise AssertionError(f"not in the model: {word} {operands} of {line}")
    return before != str(target)


class Judge:
    """acl_tool.exe, running."""

    def __init__(self, command):
        self.tool = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)

    def ask(self, *fields):
        self.tool.stdin.write("\t".join(map(str, fields)) + "\n")
        self.tool.stdin.flush()
        answer = self.tool.stdout.readline().rstrip("\r\n")
        assert answer, f"no answer to {fields}"
        return answer

    def close(self):
        self.tool.stdin.close()
        return self.tool.wait()


def documented(page):
    """The indented command lines of docs/windows.md, continuation lines joined."""
    lines = []
    for line in page.read_text(encoding="utf-8").splitlines():
        match = re.match(r"^ {4,}(\S.*)$", line)
        if match and lines and lines[-1].endswith("`"):
            lines[-1] = lines[-1][:-1] + match[1]
        elif match:
            lines.append(re.sub(r"\s+# .*$", "", match[1]))
    return lines
