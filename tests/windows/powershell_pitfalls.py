#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pitfalls of Windows PowerShell 5.1 that are visible in the syntax tree (tree-sitter-pwsh, as in
check-powershell), since no PowerShell runs here. RULES is the written list; each rule has
lines that it must find and lines that it must accept, which are tested first, so every rule is
known to work.

Not visible in a tree, and to be checked by a reader: strict mode throws at a member of an empty
array; functions return everything that they output; an event handler has another scope; exit codes
of native programs under redirection; the rights and policies of the machine.

Usage: powershell_pitfalls.py FILE...   exit status 77, skipped, without the grammar"""
import os
import pathlib
import re
import subprocess
import sys

CACHE = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
PACKAGES = pathlib.Path(CACHE) / "p11ekm" / f"pwsh-{sys.version_info[0]}.{sys.version_info[1]}"
sys.path.append(str(PACKAGES))
if not PACKAGES.exists():
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES),
                    "tree-sitter", "tree-sitter-pwsh"], check=False, capture_output=True)
try:
    import tree_sitter
    import tree_sitter_pwsh
except ImportError as missing:
    print(f"SKIPPED: {missing} (pip install tree-sitter tree-sitter-pwsh)")
    sys.exit(77)
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))

# Cmdlets with -LiteralPath, whose -Path takes [ and * as wildcards.
WILDCARD = set("""add-content clear-content copy-item get-acl get-authenticodesignature get-childitem get-content
    get-filehash get-item get-itemproperty import-csv move-item new-itemproperty remove-item
    remove-itemproperty rename-item resolve-path set-acl set-authenticodesignature set-content set-item
    set-itemproperty set-location test-path unblock-file select-string""".split())
# Cmdlets that change the machine: a script that has one offers -WhatIf.
CHANGES = set("""copy-item remove-item new-item set-acl new-itemproperty import-certificate stop-service
    start-service restart-service set-service new-selfsignedcertificate export-certificate
    set-authenticodesignature set-itemproperty""".split())
NOT_IN_51 = set("""get-error test-json join-string remove-service get-uptime show-markdown
    convertfrom-markdown set-smbfirewall get-psresource install-psresource switch-process""".split())
PARAMETERS_NOT_IN_51 = {
    "*": {"-noproxy", "-skipcertificatecheck", "-statuscodevariable", "-skiphttperrorcheck"},
    "foreach-object": {"-parallel", "-throttlelimit", "-asjob"},
    "get-content": {"-asbytestream"}, "set-content": {"-asbytestream"},
    "convertfrom-json": {"-ashashtable", "-depth", "-noenumerate"},
    "convertto-json": {"-asarray", "-escapehandling"},
    "split-path": {"-leafbase", "-extension"}, "sort-object": {"-top", "-bottom"},
    "join-path": {"-additionalchildpath"}, "get-childitem": {"-followsymlink"},
    "select-object": {"-skipindex"}, "start-process": {"-environment"},
    "get-date": {"-unixtimeseconds", "-asutc"}, "test-connection": {"-targetname", "-ping"},
    "remove-item": set(), "group-object": set(), "measure-object": {"-allstats"},
}
# The encoding of their output depends on the version (UTF-16 or the code page): use [IO.File].
ENCODED = set("out-file set-content add-content export-csv tee-object start-transcript".split())
# A function and a cmdlet's alias may differ in one letter only; others are unsafe or interactive.
FORBIDDEN = set("""invoke-expression iex write-host read-host pause cp copy mv move rm del dir ls cat type echo
    gci gi gc sc sp saps spps kill ps where select foreach sort % ? get-wmiobject sqlcmd sqlcmd.exe
    invoke-sqlcmd icacls icacls.exe""".split())


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def text(node):
    return node.text.decode()


def name_of(command):
    for child in command.children:
        if child.type in ("command_name", "command_name_expr"):
            return text(child).strip().strip("'\"")
    return ""


def elements(command):
    """[(parameter or "", argument node)], in their order; a switch has None."""
    nodes = [node for child in command.children if child.type == "command_elements" for node in child.children
             if node.is_named and node.type != "command_argument_sep"]
    result, at = [], 0
    while at < len(nodes):
        if nodes[at].type == "command_parameter":
            parameter = text(nodes[at]).lower().rstrip(":")
            follows = at + 1 < len(nodes) and nodes[at + 1].type != "command_parameter"
            result.append((parameter, nodes[at + 1] if follows else None))
            at += 2 if follows else 1
        else:
            result.append(("", nodes[at]))
            at += 1
    return result


def commands(root):
    for node in walk(root):
        if node.type == "command":
            yield node, name_of(node), elements(node)


def is_constant(node, root):
    """A literal, or a variable that is assigned only a single-quoted literal."""
    if node is None or not re.search(r"[$(]", text(node)):
        return True
    variable = re.fullmatch(r"\$(\w+)", text(node).strip())
    if not variable:
        return False
    pattern = r"\$" + variable.group(1) + r"\s*=\s*(.*)"
    values = re.findall(pattern, text(root)) + re.findall(r"(foreach \(\$%s in .*)" % variable.group(1), text(root))
    return len(values) == 1 and re.fullmatch(r"'[^']*'", values[0].strip()) is not None


def old_syntax(root):
    for node in walk(root):
        if node.is_error or node.is_missing:
            yield node, "does not parse"
        if node.type in ("null_coalesce_expression", "ternary_expression", "pipeline_chain_tail"):
            yield node, "an operator of PowerShell 7"
        if node.type == "assignment_operator" and "??" in text(node):
            yield node, "??= of PowerShell 7"
        if node.type in ("member_access", "element_access", "invocation_expression"):
            for child in node.children:
                if text(child) in ("?.", "?["):
                    yield node, "?. of PowerShell 7"
        if node.type == "foreach_parameter" or (node.type == "clean_block"):
            yield node, "not in 5.1"


def old_cmdlets(root):
    for node, name, pairs in commands(root):
        low = name.lower()
        if low in NOT_IN_51:
            yield node, f"{name} is not in 5.1"
        for parameter, _ in pairs:
            if parameter in PARAMETERS_NOT_IN_51.get(low, set()) | PARAMETERS_NOT_IN_51["*"]:
                yield node, f"{name} {parameter} is not in 5.1"
        if low == "join-path" and sum(1 for parameter, _ in pairs if parameter == "") > 2:
            yield node, "Join-Path takes two parts in 5.1"


def literal_paths(root):
    for node, name, pairs in commands(root):
        low = name.lower()
        given = dict((parameter, value) for parameter, value in pairs)
        if low in WILDCARD and "-literalpath" not in given:
            paths = [given[key] for key in ("-path", "-filepath", "") if key in given]
            if not paths or not all(is_constant(path, root) for path in paths):
                yield node, f"{name} without -LiteralPath"
        if low == "new-item" and not is_constant(given.get("-path", given.get("")), root):
            yield node, "New-Item has no -LiteralPath: [IO.Directory]::CreateDirectory"


def should_process(root):
    source = text(root)
    changing = [node for node, name, _ in commands(root) if name.lower() in CHANGES]
    if changing and "param(" in source.replace(" (", "(") and re.search(r"^param\(", source, re.M):
        if "SupportsShouldProcess" not in source:
            yield changing[0], "a script that changes the machine without SupportsShouldProcess"
        elif "$PSCmdlet.ShouldProcess(" not in source:
            yield changing[0], "SupportsShouldProcess, but nothing asks $PSCmdlet.ShouldProcess"


def requirements(root):
    source = text(root)
    if not re.search(r"^#Requires -Version 5\.1$", source, re.M):
        yield root, "no #Requires -Version 5.1"
    if "Set-StrictMode -Version Latest" not in source:
        yield root, "no Set-StrictMode"
    if re.search(r"^param\(", source, re.M) and "$ErrorActionPreference = 'Stop'" not in source:
        yield root, "no $ErrorActionPreference = 'Stop'"
    if "[CmdletBinding(" not in source and re.search(r"^param\(", source, re.M):
        yield root, "no [CmdletBinding]"


def native_status(root):
    lines = text(root).splitlines()
    for node, name, _ in commands(root):
        invoked = any(child.type == "command_invocation_operator" and text(child) == "&" for child in node.children)
        # Calling a function or a block through a string or a variable is not a native program.
        native = name.lower().endswith(".exe") or (invoked and re.fullmatch(r"\$(judge|tool)(\.\w+)?", name))
        first = node.end_point[0] + 1
        if native and not any("$LASTEXITCODE" in line for line in lines[node.start_point[0]:first + 3]):
            yield node, f"the exit status of {name} is not looked at"


def encodings(root):
    for node, name, _ in commands(root):
        if name.lower() in ENCODED:
            yield node, f"{name}: encoding differs between versions; use [IO.File]"
    for node in walk(root):
        if node.type == "redirection" and not re.search(r"\$null|&1", text(node)):
            yield node, "> writes UTF-16 in 5.1; use [IO.File]"


def forbidden(root):
    for node, name, _ in commands(root):
        if name.lower() in FORBIDDEN:
            yield node, f"{name}: an alias, or unsafe, or in need of a person"


def scoped_names(root):
    for node in walk(root):
        if node.type == "expandable_string_literal":
            found = re.search(r"(?<!`)\$(?!(?:env|script|global|using|null):)[A-Za-z_]\w*:", text(node))
            if found:
                yield node, f"{found.group()} in a string is read as a scope: write ${{name}}:"


def json_depth(root):
    for node, name, pairs in commands(root):
        if name.lower() == "convertto-json" and "-depth" not in dict(pairs):
            yield node, "ConvertTo-Json cuts at depth 2 without -Depth"


def ascii_only(root):
    if not text(root).isascii():
        yield root, "not ASCII: 5.1 reads a file without a mark in the machine's code page"


def automatic_names(root):
    for node in walk(root):
        target = node.type in ("assignment_expression", "script_parameter")
        if target and re.match(r"\$(event|sender|args|input|matches|host|pid|error|profile|home)\b", text(node).strip(),
                               re.I):
            yield node, "the name of an automatic variable"


# Rule -> (function, lines that it must find, lines that it must accept).
RULES = {
    "operators of PowerShell 7": (old_syntax, ["$a ?? 3", "a && b", "$x ? 1 : 2", "$a ??= 1", "${a}?.b"],
                                  ["$x = if ($a) { 1 } else { 2 }", "Where-Object { $_ }"]),
    "cmdlets and parameters of PowerShell 7": (
        old_cmdlets, ["Get-Error", "1..3 | ForEach-Object -Parallel { 1 }", "Join-Path a b c",
                      "$x | ConvertFrom-Json -AsHashtable", "Split-Path -LeafBase $x"],
        ["Join-Path $a 'b'", "Split-Path -Path $x -Parent"]),
    "-LiteralPath for whatever a user names": (
        literal_paths, ["Copy-Item $a $b", "Get-Item -Path $x", "Test-Path $x", "Get-AuthenticodeSignature -FilePath $d",
                        "Remove-Item \"$x\\y\"", "New-Item -ItemType Directory -Path $x",
                        "$k = 'a'\n$k = $b\nGet-Item $k", "Get-ChildItem -Path (Join-Path $a 'b')"],
        ["Copy-Item -LiteralPath $a -Destination $b", "Get-Item -Path 'HKLM:\\a'", "$k = 'HKLM:\\a'\nNew-Item -Path $k"]),
    "-WhatIf where the machine is changed": (
        should_process, ["[CmdletBinding()]\nparam(\n$a)\nRemove-Item -LiteralPath $a",
                         "[CmdletBinding(SupportsShouldProcess)]\nparam(\n$a)\nRemove-Item -LiteralPath $a"],
        ["[CmdletBinding(SupportsShouldProcess)]\nparam(\n$a)\nif ($PSCmdlet.ShouldProcess($a, 'x')) { Remove-Item -LiteralPath $a }"]),
    "what a script begins with": (
        requirements, ["Set-StrictMode -Version Latest", "#Requires -Version 5.1\n$a = 1",
                       "#Requires -Version 5.1\n[CmdletBinding()]\nparam(\n$a)\nSet-StrictMode -Version Latest"],
        ["#Requires -Version 5.1\n[CmdletBinding()]\nparam(\n$a)\nSet-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'"]),
    "exit status of native programs": (
        native_status, ["& sc.exe query x\n$a = 1\n$b = 2\n$c = 3\n$d = 4", "& $judge guard $x"],
        ["& sc.exe query x\nif ($LASTEXITCODE -ne 0) { throw 'x' }", "& $Action $command"]),
    "encodings": (encodings, ["$x | Out-File -LiteralPath a", "$x > file.txt", "Set-Content -LiteralPath a -Value b"],
                  ["[IO.File]::WriteAllLines($p, $x)", "$x > $null"]),
    "aliases, prompts and code from text": (
        forbidden, ["iex $x", "gci $x", "$a | % { $_ }", "Read-Host 'x'", "Write-Host x", "Get-WmiObject x"],
        ["Invoke-Command $x", "Get-CimInstance -ClassName x"]),
    "names before a colon in a string": (scoped_names, ['throw "$path: x"'], ['throw "${path}: x"', '"$env:TEMP\\a"']),
    "depth of JSON": (json_depth, ["$x | ConvertTo-Json"], ["$x | ConvertTo-Json -Depth 9"]),
    "ASCII": (ascii_only, ["# \u00e4"], ["# a"]),
    "automatic variables": (automatic_names, ["$event = 1", "$input = 2"], ["$events = 1"]),
}


def findings(source):
    root = PARSER.parse(source.encode()).root_node
    for rule, (check, _, _) in RULES.items():
        for node, why in check(root):
            yield node.start_point[0] + 1, rule, why


def try_rules():
    failed = False
    for rule, (check, bad, good) in RULES.items():
        for lines, wanted in [(one, True) for one in bad] + [(one, False) for one in good]:
            found = bool(list(check(PARSER.parse(lines.encode()).root_node)))
            if found != wanted:
                print(f"rule \"{rule}\" {'misses' if wanted else 'finds'}: {lines!r}")
                failed = True
    return failed


def main():
    failed = try_rules()
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            found = list(findings(file.read()))
        for line, rule, why in found:
            print(f"{name}:{line}: {why} ({rule})")
        failed = failed or bool(found)
    print(f"{len(RULES)} rules, {len(sys.argv) - 1} scripts{', failed' if failed else ': nothing found'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
