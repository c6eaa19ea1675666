#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of scripts/lint_sources.py (layers, sizes, words, source lists), scripts/lint_commits.py and
scripts/cycles and scripts/thread-safety on small trees with known faults."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))


def script(name, path):
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module
    loader.exec_module(module)
    return module


lint = script("lint_sources", SCRIPTS / "lint_sources.py")
cycles = script("cycles", SCRIPTS / "cycles")
commits = script("lint_commits", SCRIPTS / "lint_commits.py")


class Tree(unittest.TestCase):
    """A test with a temporary source tree."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.names = set()
        for module in (lint, cycles):
            patch = mock.patch.object(module, "ROOT", self.root)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(lint, "findings", [])
        patch.start()
        self.addCleanup(patch.stop)

    def put(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.names.add(name)

    def includes(self, name, *headers):
        self.put(name, "".join(f'#include "{header}"\n' for header in headers))


class Layers(Tree):
    def found(self, name):
        lint.findings.clear()
        lint.check_c(name, (self.root / name).read_text())
        return lint.findings

    def setUp(self):
        super().setUp()
        self.put("pkcs11/token.h")
        self.put("pkcs11/base/base.h")
        self.includes("pkcs11/slot/slot.h", "pkcs11/base/base.h")
        self.includes("pkcs11/shared_private.h", "pkcs11/slot/slot.h")

    def test_lower_layer_and_public_header_are_allowed(self):
        self.includes("pkcs11/ops/rsa.c", "pkcs11/base/base.h", "pkcs11/slot/slot.h", "pkcs11/token.h", "core/log.h")
        self.assertEqual(self.found("pkcs11/ops/rsa.c"), [])

    def test_higher_layer_is_refused(self):
        self.includes("pkcs11/base/rv.c", "pkcs11/slot/slot.h")
        self.assertEqual(len(self.found("pkcs11/base/rv.c")), 1)

    def test_higher_layer_through_other_header_is_refused(self):
        self.includes("pkcs11/base/rv.c", "pkcs11/shared_private.h")
        self.assertEqual(len(self.found("pkcs11/base/rv.c")), 1)
        self.includes("pkcs11/session/pool.c", "pkcs11/shared_private.h")
        self.assertEqual(self.found("pkcs11/session/pool.c"), [])

    def test_file_in_no_layer_may_use_all(self):
        self.includes("pkcs11/keys.c", "pkcs11/slot/slot.h")
        self.assertEqual(self.found("pkcs11/keys.c"), [])

    def test_public_header_and_other_component_are_refused(self):
        self.includes("pkcs11/key.h", "pkcs11/base/base.h")
        self.assertEqual(len(self.found("pkcs11/key.h")), 1)
        self.includes("ekm/keys.c", "pkcs11/slot/slot.h")
        self.assertEqual(len(self.found("ekm/keys.c")), 1)


class Sizes(unittest.TestCase):
    def test_limits(self):
        sizes = {"core/a.c": 500, "core/b.c": 501, "core/a.h": 150, "core/b_private.h": 151, "ekm/sqlcp.h": 198}
        self.assertEqual([name for name, _, _ in lint.size_findings(sizes)], ["core/b.c", "core/b_private.h"])


class Words(Tree):
    def found(self, name, text):
        lint.findings.clear()
        lint.check_words(name, text)
        return lint.findings

    def test_banned_words_are_refused(self):
        for text in ("made anew", "Whoever has the PIN", "the back door", "a front-door", "the keepers", "for its sake"):
            with self.subTest(text):
                self.assertEqual(len(self.found("docs/x.md", text)), 1)

    def test_phrase_over_two_lines_is_refused(self):
        self.assertEqual(self.found("tools/x.c", "/* One\n * left in\n * peace. */")[0][:12], "tools/x.c:2:")
        self.assertEqual(len(self.found("scripts/x", "# the back\n# door")), 1)

    def test_plain_words_are_accepted(self):
        text = "back up the door; a bookkeeper, in pieces; back and forth; heed the gatekeeper"
        self.assertEqual(self.found("docs/x.md", text), [])

    def test_folder_not_yet_enforced_is_accepted(self):
        with mock.patch.object(lint, "WORDS_NOT_YET", ("core/",)):
            self.assertEqual(self.found("core/x.c", "anew"), [])
            self.assertEqual(len(self.found("ekm/x.c", "anew")), 1)


class SourceLists(Tree):
    def found(self, names, text):
        lint.findings.clear()
        lint.check_listed(names, {"CMakeLists.txt": text})
        return lint.findings

    def test_listed_source_is_accepted(self):
        self.assertEqual(self.found(["core/a.c"], "add_library(x\n    a.c\n)"), [])

    def test_source_that_is_not_listed_is_refused(self):
        self.assertEqual(len(self.found(["core/a.c"], "add_library(x\n    ba.c\n)")), 1)

    def test_glob_and_top_level_directory_are_refused(self):
        self.assertEqual(len(self.found([], "file(GLOB sources *.c)")), 1)
        self.assertEqual(len(self.found([], "set(x ${CMAKE_SOURCE_DIR}/x)")), 1)
        self.assertEqual(self.found([], "set_property(GLOBAL PROPERTY x ${PROJECT_SOURCE_DIR})"), [])


class Commits(unittest.TestCase):
    def test_subjects(self):
        for subject in ("core: move the journal", "Add a license", "tools, docs: x", "tests/field: y"):
            self.assertEqual(list(commits.faults(subject)), [], subject)
        for subject in ("core: move the journal.", "move the journal", "core: " + "x" * 67, "core:x"):
            self.assertEqual(len(list(commits.faults(subject))), 1, subject)


class Cycles(Tree):
    def run_script(self, *arguments):
        """(exit status, output) of the script on the tree."""
        output = io.StringIO()
        with mock.patch.object(lint, "tracked_files", lambda: sorted(self.names)), \
                mock.patch.object(sys, "argv", ["cycles", *arguments]), contextlib.redirect_stdout(output):
            status = cycles.main()
        return status, output.getvalue()

    def compile(self, name, defines, uses=()):
        """Writes a file with one function that calls others, and its object file as CMake names
        it."""
        calls = " ".join(f"{used}();" for used in uses)
        self.put(name, "".join(f"void {used}(void);\n" for used in uses) + f"void {defines}(void) {{ {calls} }}\n")
        component = cycles.component_of(name)
        target = self.root / "build" / component / "CMakeFiles/t.dir" / (os.path.relpath(name, component) + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-c", "-o", target, self.root / name], check=True)

    def test_components_of_graph(self):
        graph = cycles.Graph()
        for source, target in ("ab", "bc", "ca", "cd", "de", "fg", "gf", "hh"):
            graph.add(source, target, "")
        self.assertEqual(graph.cycles(), [["a", "b", "c"], ["f", "g"]])

    def test_no_cycle_passes(self):
        self.compile("core/a.c", "a", ["b"])
        self.compile("core/b.c", "b")
        status, output = self.run_script(str(self.root / "build"))
        self.assertEqual(status, 0)
        self.assertIn("core: clean (2 .c files", output)

    def test_call_cycle_fails(self):
        self.compile("core/a.c", "a", ["b"])
        self.compile("core/b.c", "b", ["a"])
        status, output = self.run_script("--brief", str(self.root / "build"))
        self.assertEqual(status, 1)
        self.assertIn("core/a.c -> core/b.c: b\n", output)
        self.assertEqual(self.run_script(str(self.root / "build"), "ekm")[0], 0)

    def test_allowed_cycle_passes(self):
        self.compile("tools/ekmsql/sql/parse.c", "a", ["b"])
        self.compile("tools/ekmsql/sql/parse_parts.c", "b", ["a"])
        with mock.patch.object(cycles, "NOT_YET", ()):
            status, output = self.run_script(str(self.root / "build"))
            self.assertEqual(status, 0)
            self.assertIn("allowed", output)
            self.compile("tools/ekmsql/sql/parse.c", "a", ["c"])
            self.compile("tools/ekmsql/sql/lexer.c", "c", ["b"])
            self.assertEqual(self.run_script(str(self.root / "build"))[0], 1)

    def test_component_not_yet_enforced_passes(self):
        self.compile("pkcs11/a.c", "a", ["b"])
        self.compile("pkcs11/b.c", "b", ["a"])
        with mock.patch.object(cycles, "NOT_YET", ("pkcs11",)):
            status, output = self.run_script(str(self.root / "build"))
        self.assertEqual(status, 0)
        self.assertIn("pkcs11: 1 found, not enforced yet", output)
        with mock.patch.object(cycles, "NOT_YET", ()):
            self.assertEqual(self.run_script(str(self.root / "build"))[0], 1)

    def test_call_to_higher_layer_fails(self):
        self.compile("pkcs11/base/rv.c", "a", ["b"])
        self.compile("pkcs11/ops/rsa.c", "b")
        with mock.patch.object(cycles, "NOT_YET", ()):
            status, output = self.run_script(str(self.root / "build"))
        self.assertEqual(status, 1)
        self.assertIn("call to a higher layer: pkcs11/base/rv.c -> pkcs11/ops/rsa.c: b", output)

    def test_include_cycle_of_folders_fails_without_build(self):
        self.includes("tools/p11ekm/x/a.c", "tools/p11ekm/y/a.h")
        self.includes("tools/p11ekm/y/b.c", "tools/p11ekm/x/b.h")
        self.put("tools/p11ekm/y/a.h")
        self.put("tools/p11ekm/x/b.h")
        status, output = self.run_script(str(self.root))
        self.assertEqual(status, 1)
        self.assertIn("include cycle of folders, 2: tools/p11ekm/x tools/p11ekm/y", output)
        self.assertIn("SKIPPED", output)


@unittest.skipUnless(shutil.which("clang-14"), "clang-14 is not installed")
class ThreadSafety(unittest.TestCase):
    HEAD = """
        #include "core/lock.h"
        static struct table { core_lock lock; int count; } table;
        static struct table table CORE_GUARDED_BY(table.lock) = {.lock = CORE_LOCK_INIT};
        typedef struct item { core_mutex lock; int uses CORE_GUARDED; } item;
        static int count_locked(void) CORE_REQUIRES(table.lock) { return table.count; }
        int count(void);
        int uses(item *i);
        int count(void) { int n = 0; %s return n; }
        int uses(item *i) { int n = 0; %s return n; }
        """

    def check(self, count="", uses=""):
        """(exit status, output) of scripts/thread-safety on a file with two functions."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "locks.c"
            path.write_text(self.HEAD % (count, uses or "(void)i;"))
            done = subprocess.run([SCRIPTS / "thread-safety", path], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def assert_refused(self, text, **bodies):
        status, output = self.check(**bodies)
        self.assertEqual(status, 1, output)
        self.assertIn(text, output)

    def test_locks_held_passes(self):
        status, output = self.check(
            "core_lock_acquire(&table.lock); n = count_locked() + table.count; core_lock_release(&table.lock);",
            "core_mutex_lock(&i->lock); n = i->uses; core_mutex_unlock(&i->lock);")
        self.assertEqual(status, 0, output)

    def test_locked_function_without_lock_fails(self):
        self.assert_refused("calling function 'count_locked' requires holding mutex 'table.lock'",
                            count="n = count_locked();")

    def test_guarded_variable_without_lock_fails(self):
        self.assert_refused("reading variable 'table' requires holding mutex 'table.lock'", count="n = table.count;")

    def test_guarded_member_without_lock_fails(self):
        self.assert_refused("reading variable 'uses' requires holding any mutex", uses="n = i->uses;")

    def test_lock_still_held_at_return_fails(self):
        self.assert_refused("still held at the end of function",
                            count="core_lock_acquire(&table.lock); n = count_locked();")

    def test_lock_taken_twice_fails(self):
        self.assert_refused("acquiring mutex 'i->lock' that is already held",
                            uses="core_mutex_lock(&i->lock); core_mutex_lock(&i->lock); core_mutex_unlock(&i->lock);")


if __name__ == "__main__":
    unittest.main()
