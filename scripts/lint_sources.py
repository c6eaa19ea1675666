#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of docs/DEVELOPMENT.md that no compiler checks: which component may include which, what
stays inside pkcs11/, platform conditions, banned functions, banned words, file sizes, license lines,
source files that no build file lists. One finding a line: file:line: rule. Called by scripts/lint.sh;
reads the files that git tracks or would add."""

import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A folder of ekmsql may include itself and the folders after it.
EKMSQL = "statements eval model provider engine sql base".split()
# Component -> what its quoted includes may begin with. A *_private.h stays in its component.
INCLUDES = {
    **{
        f"tools/ekmsql/{folder}/": ("ekm/sqlcp.h", *(f"tools/ekmsql/{below}/" for below in EKMSQL[i:]))
        for i, folder in enumerate(EKMSQL)
    },
    "core/": ("core/",),
    "pkcs11/": ("core/", "pkcs11/"),
    "ekm/": ("core/", "pkcs11/", "ekm/"),
    "cmk/": ("core/", "pkcs11/", "cmk/"),
    "module/": ("core/", "pkcs11/", "ekm/", "cmk/", "module/"),
    "tools/p11ekm/": ("core/", "pkcs11/", "cmk/", "module/", "tools/p11ekm/"),
    "tools/ekmsql/": ("ekm/sqlcp.h", "tools/ekmsql/"),
    "tools/p11trace/": ("core/", "ekm/sqlcp.h", "tools/p11trace/"),
    "tools/accept/": ("ekm/sqlcp.h", "tools/ekmsql/base/host.h", "tools/accept/"),
}
# The layers of the token layer, lowest first: the folders of pkcs11/. A file includes headers of its own
# layer and of the layers before it, and the public headers, pkcs11/*.h. A file outside pkcs11/ includes
# the public headers only.
LAYERS = (
    "pkcs11/base/", "pkcs11/module/", "pkcs11/slot/", "pkcs11/session/", "pkcs11/login/",
    "pkcs11/recovery/", "pkcs11/group/", "pkcs11/keys/", "pkcs11/ops/", "pkcs11/probe/",
)
# Angle includes of a library -> the only folders that may have them.
LIBRARIES = {
    "p11-kit/": ("pkcs11/", "tests/", "bench/"),
    "openssl/": ("core/", "pkcs11/", "cmk/", "tools/", "tests/", "bench/"),
    "jansson.h": ("tools/p11ekm/", "tests/"),
    "sqlcipher/": ("tools/ekmsql/",),
}
# Components that are loaded into the process of a host.
LIBRARY_COMPONENTS = ("core/", "pkcs11/", "ekm/", "cmk/", "module/", "tools/p11trace/")
OURS = LIBRARY_COMPONENTS + ("tools/p11ekm/",)

BANNED = (
    "strcpy strncpy strcat strncat stpcpy sprintf vsprintf gets strtok alloca system popen rand srand "
    "random atoi atol atoll atof tmpnam tempnam mktemp wcscpy wcscat"
).split()
# Not thread-safe, or dependent on the locale. Test programs may call them.
BANNED_OUTSIDE_TESTS = "sscanf asctime ctime gmtime localtime setlocale strerror".split()
# A library must not call these in the process of its host.
HOST = "abort exit _exit quick_exit atexit assert signal sigaction setenv putenv puts printf".split()
ALLOCATION = "malloc calloc realloc free strdup strndup".split()
PLATFORM = re.compile(
    r"^\s*#\s*(?:el)?if.*\b(_?_?WIN(?:32|64)(?:__)?|_MSC_VER|__MINGW\w*|__linux__|__APPLE__|__unix__|"
    r"__CYGWIN__|__x86_64__|_M_X64)\b"
)
PTHREADS = re.compile(r"\b(pthread_\w+|PTHREAD_\w+)\b")
CRYPTOKI = re.compile(r"\b(C_[A-Z][A-Za-z]+|CK_[A-Z0-9_]+|CK[AFGKMORSUZ]_[A-Z0-9_]+)\b")
CALLED = re.compile(r"->(C_[A-Z]\w+)")
IN_TABLE = re.compile(r"\bX\((C_\w+)")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

# Words that readers stumble over. There is a plain word for each.
WORDS = re.compile(
    r"\b(anew|whoever|for (?:its|their|the) sake|in peace|gone on with|(?:back|front)[ -]?doors?|keepers?|askers?|"
    r"daily bread|heeds)\b", re.IGNORECASE
)
# Folders that may still contain these words. To enforce the rule, remove the folder here.
WORDS_NOT_YET = ()
# The list itself, and its test.
WORDS_EXEMPT = ("scripts/lint_sources.py", "tests/lint/test_lint.py")

MAX_LINES, MAX_MEDIAN, MAX_HEADER = 500, 200, 150
# Interfaces that another party defines.
LONG_HEADERS = {"ekm/sqlcp.h"}
# Files over these limits that are still to be split. To enforce a limit, remove the file here.
NOT_YET_SPLIT = set()

findings = []


def report(path, line, rule):
    findings.append(f"{path}:{line}: {rule}")


def tracked_files():
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    names = (name for name in listing.stdout.splitlines() if (ROOT / name).is_file())
    return sorted(set(names))


def without_comments_and_strings(text):
    """The same text with blanks for the contents of comments, strings and characters; lines are kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def matches(names):
    return re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")


def component_of(name):
    return next((component for component in INCLUDES if name.startswith(component)), None)


def layer_of(name):
    return next((layer for layer in LAYERS if (name + "/").startswith(layer)), None)


def layers_reached(header, seen):
    """The layers whose headers `header` includes, directly or through headers that are in no layer."""
    if layer_of(header):
        return {layer_of(header)}
    if header in seen or not header.startswith("pkcs11/") or not (ROOT / header).is_file():
        return set()
    seen.add(header)
    found = (INCLUDE.match(line) for line in (ROOT / header).read_text(encoding="utf-8").splitlines())
    return set().union(*(layers_reached(match.group(2), seen) for match in found if match))


def check_layer(name, number, target):
    """Checks the order of LAYERS."""
    layer = layer_of(name)
    if layer is None and name.startswith("pkcs11/") and name.endswith(".c"):
        return
    if layer is None and name.startswith("pkcs11/") and name.endswith("_private.h"):
        return
    for reached in sorted(layers_reached(target, set())):
        if layer is None:
            report(name, number, f'"{target}" brings in {reached}, which is private to pkcs11/')
        elif LAYERS.index(reached) > LAYERS.index(layer):
            report(name, number, f'"{target}" brings {reached} into {layer}, a lower layer')


def check_include(name, number, line):
    match = INCLUDE.match(line)
    if not match:
        return
    quote, target = match.groups()
    component = component_of(name)
    if quote == "<":
        for library, places in LIBRARIES.items():
            if target.startswith(library) and not name.startswith(places):
                report(name, number, f"<{target}> belongs to {', '.join(places)}")
        return
    if component is None:
        return
    if not target.startswith(INCLUDES[component]):
        report(name, number, f'{component} may not include "{target}"')
    elif target.endswith("_private.h") and not target.startswith(component):
        report(name, number, f'"{target}" is private to its component')
    else:
        check_layer(name, number, target)


def check_code(name, number, line):
    rules = [(BANNED_CALL, "is banned")]
    if not name.startswith(("tests/", "bench/")):
        rules.append((SHARED_CALL, "is banned outside tests"))
    if name.startswith(LIBRARY_COMPONENTS) and not name.startswith("core/platform"):
        rules.append((HOST_CALL, "must not be called in the process of a host"))
    if name.startswith(OURS) and not name.startswith("core/"):
        rules.append((ALLOCATION_CALL, "outside core/: use core_calloc, core_strdup, core_free"))
    for pattern, rule in rules:
        for match in pattern.finditer(line):
            report(name, number, f"{match.group(1)}() {rule}")
    if component_of(name) and not name.startswith("pkcs11/"):
        for match in CRYPTOKI.finditer(line):
            report(name, number, f"{match.group(1)} outside pkcs11/")
    # thread_posix.c describes the calling thread's stack.
    if name.startswith(OURS) and not name.startswith(("core/platform", "tools/p11trace/thread_")):
        for match in PTHREADS.finditer(line):
            report(name, number, f"{match.group(1)} outside core/platform*: use core/lock.h")
    allowed = name.startswith(("core/platform", "pkcs11/module/loader", "tests/", "bench/")) or (
        # Headers that hosts compile, too; and the format attribute, which mingw spells differently.
        name in ("ekm/sqlcp.h", "cmk/p11ekm_cmk.h", "core/status.h")
    )
    if PLATFORM.match(line) and not allowed:
        report(name, number, "platform condition outside core/platform* and pkcs11/module/loader*")


def check_c(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        check_include(name, number, line)
    for number, line in enumerate(without_comments_and_strings(text).splitlines(), 1):
        if not line.lstrip().startswith("#") or PLATFORM.match(line):
            check_code(name, number, line)


def median_of(lengths):
    return statistics.median(list(lengths) or [0])


def size_findings(sizes):
    """(name, lines, rule) of each file of `sizes`, a table name -> lines, that is too long."""
    for name, lines in sorted(sizes.items()):
        header = name.endswith(".h")
        limit = MAX_HEADER if header else MAX_LINES
        if lines > limit and name not in LONG_HEADERS:
            yield name, lines, f"a {'header' if header else 'file'} longer than {limit} lines"


def check_sizes(sizes):
    for name, lines, rule in size_findings(sizes):
        if name not in NOT_YET_SPLIT:
            report(name, lines, rule)
    lengths = [lines for name, lines in sizes.items() if name.endswith(".c")]
    if median_of(lengths) > MAX_MEDIAN:
        report("*.c", 0, f"the median is {median_of(lengths)} lines, over {MAX_MEDIAN}")
    return len(lengths), median_of(lengths)


def check_table():
    """A function that is called in a module must be in loader_table.c, because a module may lack it."""
    sources = sorted((ROOT / "pkcs11").rglob("*.c"))
    table = set(IN_TABLE.findall((ROOT / "pkcs11/module/loader_table.c").read_text()))
    for path in sources:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for function in set(CALLED.findall(line)) - table:
                report(path.relative_to(ROOT), number, f"{function} is not in loader_table.c")


def check_listed(c_files, build_files):
    """Each of the .c files must be listed in a build file: `build_files` is a table name -> text."""
    listed = set(re.findall(r"[\w.-]+\.c\b", "\n".join(build_files.values())))
    for name in c_files:
        if name.rpartition("/")[2] not in listed:
            report(name, 1, "is listed in no CMakeLists.txt or *.cmake")
    for name, text in build_files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\bGLOB(_RECURSE)?\b", line):
                report(name, number, "list the files instead of GLOB")
            if re.search(r"\bCMAKE_(SOURCE|BINARY)_DIR\b", line):
                report(name, number, "that is the directory of the top-level project: use PROJECT_* or CMAKE_CURRENT_*")


def check_words(name, text):
    if name.startswith(WORDS_NOT_YET) or name in WORDS_EXEMPT:
        return
    # A phrase may continue on the next line, with the mark of a comment before it.
    joined = re.sub(r"\n[ \t]*(?:\*|#|--|//)?[ \t]*", lambda match: "\n" + " " * (len(match.group()) - 1), text)
    words = WORDS.pattern.replace(" ", r"\s+").replace(r"[\s+-]?", r"[\s-]*")
    for match in re.finditer(words, joined, re.IGNORECASE):
        number = joined.count("\n", 0, match.start()) + 1
        report(name, number, f'"{" ".join(match.group().split())}": use a plain word')


def text_of(path):
    """The text of a file, or None if it is not text."""
    data = path.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_script(path):
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def main():
    sizes, build_files = {}, {}
    for name in tracked_files():
        path = ROOT / name
        words = text_of(path)
        if words is not None:
            check_words(name, words)
        c_source = name.endswith((".c", ".h"))
        source = c_source or name.endswith((".py", ".cmake", "CMakeLists.txt", ".sh", ".sql", ".ps1", ".cs", ".java", ".go", ".js", ".rs"))
        if not source and not is_script(path):
            continue
        text = path.read_text(encoding="utf-8", errors="strict")
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:3]):
            report(name, 1, "no SPDX-License-Identifier: Apache-2.0 at the top")
        if not name.startswith("scripts/lint"):
            for number, line in enumerate(text.splitlines(), 1):
                if TODO.search(line):
                    report(name, number, "unfinished work belongs in an issue, not in a comment")
        if name.endswith((".cmake", "CMakeLists.txt")):
            build_files[name] = text
        if c_source:
            sizes[name] = len(text.splitlines())
            check_c(name, text)
    check_listed([name for name in sizes if name.endswith(".c")], build_files)
    check_table()
    count, median = check_sizes(sizes)
    print("\n".join(findings) if findings else f"sources: clean ({count} .c files, median {median:g} lines)")
    return 1 if findings else 0


BANNED_CALL, SHARED_CALL = matches(BANNED), matches(BANNED_OUTSIDE_TESTS)
HOST_CALL, ALLOCATION_CALL = matches(HOST), matches(ALLOCATION)
if __name__ == "__main__":
    sys.exit(main())
