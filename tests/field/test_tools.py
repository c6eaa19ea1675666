# SPDX-License-Identifier: Apache-2.0
"""Field faults of the command line and of files: inputs of exactly the buffer's size, missing
files, directories that others may write, a new machine, an installation in any directory."""

import json
import os
import pathlib
import pty
import resource
import select
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import common  # noqa: E402

EKMSQL = os.environ.get("P11EKM_EKMSQL", str(common.ROOT / "out/bin/ekmsql"))
LIBRARY = os.environ.get("P11EKM_LIBRARY", str(common.ROOT / "out/lib/libp11ekm.so"))


class Inputs(common.TokenCase):
    """Input from a descriptor, a prompt or a file may be as long as its buffer, and longer."""

    def with_descriptor(self, data, *arguments):
        """One run that reads `data` from descriptor 9; a crash is a negative status."""
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        # 0 to 2 are open: the copy gets the number that the arguments name.
        os.dup2(read, 9)
        try:
            return self.cli(*arguments, pass_fds=(9,))
        finally:
            os.close(9)
            os.close(read)

    def test_cek_of_any_length_is_taken_or_refused(self):
        self.ok("cmk", "create", "cmk", "--algorithm", "RSA_2048")
        for length, status, name in ((32, 0, ""), (64, 0, ""), (255, 1, "DATA_LENGTH"),
                                     (256, 1, "DATA_LENGTH"), (257, 1, "FORMAT"), (4096, 1, "FORMAT")):
            run = self.with_descriptor(b"a" * length, "cek", "import", "C", "--key", "cmk", "--cmk",
                                       "C", "--cek-fd", "9")
            self.assertEqual(run.status, status, f"{length}: {run}")
            self.assertIn(name, run.err)

    def test_pin_on_a_descriptor_longer_than_its_room_is_not_cut(self):
        self.assertEqual(self.with_descriptor(b"1234\n", "key", "list", "--pin-fd", "9").status, 0)
        # The PIN itself is right: a cut at 256 bytes would drop the rest of the line instead of
        # refusing it.
        run = self.with_descriptor(b"1234\n" + b"#" * 252, "key", "list", "--pin-fd", "9")
        self.assertEqual(run.status, 1, str(run))
        self.assertIn("p11ekm: FORMAT: --pin-fd: longer than 256 bytes", run.err)

    def typed(self, length):
        """Types a PIN at a terminal; returns the output and the wait status, None if it hangs."""
        environment = dict(self.environment, TERM="dumb")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(common.CLI, [common.CLI, "--conf", self.conf, "key", "list"], environment)
        printed = b""
        end = time.monotonic() + 20
        said = False
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                printed += os.read(terminal, 4096)
            except OSError:
                break
            if b"PIN of" in printed and not said:
                said = True
                os.write(terminal, b"9" * length + b"\n")
        else:
            os.kill(pid, 9)
        os.close(terminal)
        return printed.decode(errors="replace"), os.waitpid(pid, 0)[1]

    def test_typed_pin_of_any_length_ends(self):
        text = pathlib.Path(self.conf).read_text()
        self.write("p11ekm.conf", text.replace("pin_file = ", "#pin_file = "))
        for length in (255, 256, 257, 300):
            printed, status = self.typed(length)
            self.assertTrue(os.WIFEXITED(status), f"{length}: {status} {printed}")
            self.assertEqual(os.WEXITSTATUS(status), 1, f"{length}: {printed}")
            self.assertRegex(printed, "p11ekm: (AUTH_FAILED|PIN_SOURCE|FORMAT)", str(length))

    def test_number_of_a_descriptor_that_is_none(self):
        for number in ("", "x", "-1", "99999999999999999999", "3x"):
            run = self.cli("key", "list", "--pin-fd", number)
            self.assertEqual(run.status, 2, str(run))


class MissingFiles(common.TokenCase):
    """A missing file is never "Not Found" (4), and the log names the missing file."""

    def provider(self, statement, **keys):
        self.set_keys(log=str(self.directory / "log"), **keys)
        run = subprocess.run(
            [EKMSQL, "-S", str(self.directory / "server"), "-Q", statement], capture_output=True,
            text=True, check=False, env=self.environment, timeout=100, stdin=subprocess.DEVNULL)
        log = self.directory / "log"
        return run.stdout + run.stderr, log.read_text() if log.exists() else ""

    def setUp(self):
        super().setUp()
        self.provider("EXEC sp_configure 'show advanced options', 1; RECONFIGURE;"
                      "EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;"
                      f"CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '{LIBRARY}';"
                      "CREATE CREDENTIAL C WITH IDENTITY = 'hsm', SECRET = '' "
                      "FOR CRYPTOGRAPHIC PROVIDER P; ALTER LOGIN sa ADD CREDENTIAL C")
        (self.directory / "log").unlink(missing_ok=True)

    OPEN = ("CREATE ASYMMETRIC KEY K FROM PROVIDER P WITH PROVIDER_KEY_NAME = 'k', "
            "CREATION_DISPOSITION = OPEN_EXISTING")

    def test_pin_file_missing_is_2065_and_logged(self):
        os.unlink(self.pin_file)
        out, log = self.provider(self.OPEN)
        self.assertIn("2065", out)
        self.assertNotIn("code: 4.", out)
        self.assertIn(f"PIN_SOURCE: {self.pin_file}: no such file", log)

    def test_module_missing_is_2052_and_logged(self):
        out, log = self.provider(self.OPEN, module="/usr/lib/nope.so")
        self.assertIn("2052", out)
        self.assertNotIn("code: 4.", out)
        self.assertIn("MODULE_LOAD: /usr/lib/nope.so: no such file", log)

    def test_key_missing_is_4(self):
        self.assertIn("code: 4.", self.provider(self.OPEN)[0])

    def test_names_on_the_command_line(self):
        self.fails("PIN_SOURCE", "key", "list", "--pin-file", "/nope")
        self.fails("IO", "cek", "sql", "/nope")
        os.unlink(self.pin_file)
        self.fails("PIN_SOURCE", "key", "list")
        self.set_keys(module="/nope/module.so")
        self.fails("MODULE_LOAD", "token", "list")
        self.fails("CONFIG_MISSING", "--conf", "/nope.conf", "token", "list")
        run = self.cli("--json", "--conf", "/nope.conf", "token", "list")
        self.assertEqual(run.json()["error"]["next"], "run p11ekm init, or set P11EKM_CONF")


class Directories(common.TokenCase):
    """A user who may write a directory can replace the files in it."""

    def test_configuration_below_a_directory_of_others_is_refused(self):
        middle = self.directory / "middle"
        (middle / "own").mkdir(parents=True)
        conf = middle / "own/p11ekm.conf"
        conf.write_text(pathlib.Path(self.conf).read_text())
        self.ok("--conf", str(conf), "token", "list")
        middle.chmod(0o777)
        run = self.fails("UNSAFE_FILE", "--conf", str(conf), "token", "list")
        self.assertIn(f"chmod go-w '{middle}'", run.err)
        run = self.fails("UNSAFE_FILE", "--conf", "p11ekm.conf", "token", "list", cwd=conf.parent)
        self.assertIn(str(middle), run.err)
        middle.chmod(0o1777)
        self.ok("--conf", str(conf), "token", "list")

    def test_pin_file_below_a_directory_of_others_is_refused(self):
        loose = self.directory / "loose"
        loose.mkdir()
        pin = loose / "pin"
        pin.write_text(common.PIN)
        pin.chmod(0o600)
        self.ok("key", "list", "--pin-file", str(pin))
        loose.chmod(0o777)
        self.fails("UNSAFE_FILE", "key", "list", "--pin-file", str(pin))
        text = pathlib.Path(self.conf).read_text()
        self.write("p11ekm.conf", text.replace(self.pin_file, str(pin)))
        self.fails("UNSAFE_FILE", "key", "list")


class FullDisk(common.TokenCase):
    """A full disk is simulated by a size limit; files below 64 KiB can still be written."""

    FULL = 64 * 1024

    def setUp(self):
        super().setUp()
        self.audit = self.directory / "audit.jsonl"
        self.audit.write_text("{}\n" * (self.FULL // 3 + 1))
        self.audit.chmod(0o600)
        self.set_keys(audit=str(self.audit), audit_failure="refuse")
        self.create("there")
        self.create("gone")
        self.ok("key", "retire", "gone", "--yes", "gone")
        self.before = self.names()

    def names(self):
        return [(key["name"], key["retired"]) for key in self.ok("key", "list", "--json").json()["keys"]]

    def full(self):
        """Runs after fork: no file grows beyond FULL, and writing more is an error, not a signal.
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.FULL, self.FULL))

    def test_no_key_is_made_or_changed_without_its_record(self):
        for arguments in (("key", "create", "new", "--algorithm", "AES_256"),
                          ("cmk", "create", "new", "--algorithm", "RSA_2048"),
                          ("key", "retire", "there", "--yes", "there"), ("key", "restore", "gone"),
                          ("key", "purge", "gone", "--yes", "gone")):
            run = self.cli(*arguments, preexec_fn=self.full)
            self.assertEqual(run.status, 1, str(run))
            self.assertIn("p11ekm: AUDIT: audit: ", run.err)
            self.assertIn("make room", run.err)
            self.assertEqual(self.names(), self.before, str(run))

    def test_policy_warn_goes_on(self):
        self.set_keys(audit=str(self.audit), audit_failure="warn", log="none")
        self.assertEqual(self.cli("key", "create", "new", "--algorithm", "AES_256",
                                  preexec_fn=self.full).status, 0)
        self.assertIn(("new", False), self.names())

    def test_doctor_says_that_nothing_can_be_recorded(self):
        for policy, state in (("refuse", "FAIL"), ("warn", "WARN")):
            self.set_keys(audit=str(self.audit), audit_failure=policy, log="none")
            run = self.cli("doctor", "--json", preexec_fn=self.full)
            line, = [line for line in run.json()["checks"] if line["check"] == "audit"]
            self.assertEqual(line["state"], state, str(line))
            self.assertRegex(line["fix"], "make room")
            self.assertRegex(line["text"], "cannot be written")

    def test_doctor_finds_a_full_disk_where_no_trail_is_yet(self):
        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

        fresh = self.directory / "fresh.jsonl"
        self.set_keys(audit=str(fresh), log="none")
        run = self.cli("doctor", "--json", preexec_fn=full)
        line, = [line for line in run.json()["checks"] if line["check"] == "audit"]
        self.assertEqual((line["state"], line["fix"]), ("FAIL", "make room"), str(line))
        self.assertEqual(list(self.directory.glob("fresh*")), [])

    def test_changes_have_an_intent_before_their_result(self):
        lines = [json.loads(line) for line in self.audit.read_text().splitlines() if line != "{}"]
        found = [(line["operation"], line["key"], line["result"], line["code"]) for line in lines]
        self.assertEqual(found, [
            ("CreateKey", "there", "BEGIN", None), ("CreateKey", "there", "OK", 0),
            ("CreateKey", "gone", "BEGIN", None), ("CreateKey", "gone", "OK", 0),
            ("RetireKey", "gone", "BEGIN", None), ("RetireKey", "gone", "OK", 0)])


class DoctorMakesNothing(common.TokenCase):
    def tree(self):
        return sorted(str(path) for path in self.directory.rglob("*") if "token/" not in str(path))

    def test_doctor_leaves_no_file(self):
        self.set_keys(audit=str(self.directory / "audit.jsonl"), log=str(self.directory / "log"),
                      log_level="debug", audit_failure="refuse")
        before = self.tree()
        text = self.ok("doctor").out
        self.assertIn("audit.jsonl can be made: it is not there yet", text)
        self.assertIn("log can be made: it is not there yet", text)
        self.assertEqual(self.tree(), before)

    def test_doctor_records_that_it_was_there(self):
        audit = pathlib.Path(self.write("audit.jsonl", ""))
        self.set_keys(audit=str(audit), log="none")
        before = self.tree()
        self.assertIn("a record was written", self.ok("doctor").out)
        line, = [json.loads(line) for line in audit.read_text().splitlines()]
        self.assertEqual((line["operation"], line["result"]), ("Doctor", "OK"))
        self.assertEqual(self.tree(), before)  # and no lock file: it would belong to root instead of the service

    def test_directory_of_the_trail_that_others_may_write(self):
        loose = self.directory / "loose"
        loose.mkdir()
        (loose / "audit").touch(0o600)
        loose.chmod(0o777)
        self.set_keys(audit=str(loose / "audit"), log="none")
        self.assertRegex(self.ok("doctor").out, "WARN  audit .*rename the audit trail away")


class WrongUse(common.DirectoryCase):
    def test_wrong_use_is_a_document_wherever_json_stands(self):
        for arguments in (("foo", "--json"), ("--json", "foo"), ("key", "list", "--nope", "--json")):
            run = self.cli(*arguments)
            self.assertEqual(run.status, 2, str(run))
            self.assertEqual(run.json()["error"]["name"], "INVALID_ARGUMENT", str(run))
        self.assertEqual(self.cli("foo", "--", "--json").out, "")


class CleanMachine(common.DirectoryCase):
    """The first command of the README, on a machine without any of its files."""

    def init(self, conf, **options):
        return self.cli("init", "--conf", str(conf), "--module", common.MODULE, "--token", "t",
                        **options)

    def test_init_makes_the_directory_for_all_to_look_into(self):
        directory = self.directory / "p11ekm"
        run = self.init(directory / "p11ekm.conf", umask=0o077)
        self.assertEqual(run.status, 0, str(run))
        self.assertEqual(directory.stat().st_mode & 0o7777, 0o755)
        self.assertEqual((directory / "p11ekm.conf").stat().st_mode & 0o7777, 0o600)

    def test_init_makes_one_directory_only(self):
        run = self.init(self.directory / "a/b/p11ekm.conf")
        self.assertEqual(run.status, 1)
        self.assertIn("make that first", run.err)
        self.assertFalse((self.directory / "a").exists())

    def test_init_makes_nothing_where_others_may_write(self):
        self.directory.chmod(0o777)
        run = self.init(self.directory / "p11ekm/p11ekm.conf")
        self.assertEqual(run.status, 1)
        self.assertIn("UNSAFE_FILE", run.err)
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_a_file_that_is_there_names_its_own_step(self):
        conf = self.write("p11ekm.conf", "mine")
        run = self.init(conf)
        self.assertIn("remove it first", run.err)
        self.assertNotIn("check the path", run.err)

    def test_output_in_a_directory_that_is_missing(self):
        values = ('{"cek":"A","cmk":"M","provider":"P","path":"p","algorithm":"RSA_OAEP",'
                  '"value":"0x01"}')
        export = self.write("values.json", values)
        run = self.cli("cek", "sql", export, "--output", str(self.directory / "no/x"))
        self.assertIn("no such directory; make it first", run.err)


class Installation(common.DirectoryCase):
    @unittest.skipUnless("P11EKM_BUILD" in os.environ and not os.environ.get("P11EKM_SANITIZE"),
                         "needs a whole build; run by ctest")
    def test_pkg_config_finds_an_installation_anywhere(self):
        for name in ("first", "moved"):
            prefix = self.directory / name
            if name == "first":
                subprocess.run(["cmake", "--install", os.environ["P11EKM_BUILD"], "--prefix",
                                str(prefix)], check=True, capture_output=True)
            else:
                (self.directory / "first").rename(prefix)
            found = list(prefix.glob("**/p11ekm.pc"))
            self.assertEqual(len(found), 1)
            run = subprocess.run(["pkg-config", "--cflags", "--libs", "p11ekm"], check=True,
                                 capture_output=True, text=True,
                                 env={**self.environment, "PKG_CONFIG_PATH": str(found[0].parent)})
            include, = [word[2:] for word in run.stdout.split() if word.startswith("-I")]
            library, = [word[2:] for word in run.stdout.split() if word.startswith("-L")]
            self.assertTrue((pathlib.Path(include) / "p11ekm_cmk.h").exists(), run.stdout)
            self.assertTrue(pathlib.Path(library).resolve().is_relative_to(prefix), run.stdout)
            self.assertTrue((pathlib.Path(library) / "libp11ekm.so").exists(), run.stdout)


if __name__ == "__main__":
    common.main()
