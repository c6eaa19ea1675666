# SPDX-License-Identifier: Apache-2.0
"""p11ekm cmk rotate --jobs: the output is that of one job, whatever fails and whenever the run is
killed. If a test depends on time, the fault proxy delays each call of the token."""

import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import test_rotate
from test_rotate import common

COUNT = os.environ.get("P11COUNT", str(common.ROOT / "build/release/lib/libp11count.so"))
JOBS = 4
SLOTS = 2 * JOBS  # values that may be done and not yet written


def secret(i):
    return f"secret {i}".encode()


class Jobs(test_rotate.Rotation):
    rows_made = []

    def values(self, count):
        """An export of `count` values; they are made once for all tests."""
        while len(Jobs.rows_made) < count:
            i = len(Jobs.rows_made)
            Jobs.rows_made.append(self.known(f"CEK_{i:02}", secret=secret(i)))
        return [dict(row) for row in Jobs.rows_made[:count]]

    def configuration(self):
        return pathlib.Path(self.environment["P11EKM_CONF"]).read_text(encoding="utf-8")

    def slow(self, milliseconds=2, plan=""):
        """An environment in which each call of the token is delayed, with its configuration."""
        conf = self.write("slow.conf", self.configuration().replace(common.MODULE, COUNT))
        rules = plan or f"call=* times=0 delay={milliseconds}"
        return {**self.environment, "P11EKM_CONF": conf, "P11COUNT_MODULE": common.MODULE, "P11COUNT_PLAN": rules}

    def start(self, command, environment):
        return subprocess.Popen([common.CLI, *command], env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def lines(self):
        return self.read("out").splitlines(keepends=True) if self.file("out").exists() else []

    def assert_prefix(self, rows, count=None):
        """The output has whole lines of the first rows, in order, each with its key."""
        made = self.rows("out")
        self.assertTrue(self.read("out").endswith(b"\n"))
        if count is not None:
            self.assertEqual(len(made), count)
        for i, (row, old) in enumerate(zip(made, rows)):
            self.assertEqual((row["cek"], row["cmk"]), (old["cek"], "NEW"))
            self.assertEqual(row["replaces"], hashlib.sha256(bytes.fromhex(old["value"][2:])).hexdigest())
            self.assertEqual(self.opened(row), hashlib.sha256(secret(i)).digest())

    def broken(self, rows, *indices):
        """The rows, those of `indices` with a signature that does not verify."""
        for i in indices:
            value = rows[i]["value"]
            rows[i]["value"] = value[:-1] + ("0" if value[-1] != "0" else "1")
        return rows


class Output(Jobs):
    def test_output_is_that_of_one_job(self):
        rows = self.values(16)
        export = self.export("export", *rows)
        found = {}
        for jobs in ("1", str(JOBS), "16"):
            self.fresh_sql()
            run = self.ok(*self.rotate(export, f"out{jobs}", jobs=jobs), "--json").json()
            self.assertEqual((run["rewrapped"], run["resumed"]), (16, 0))
            self.file("out").unlink(missing_ok=True)
            shutil.copy(self.file(f"out{jobs}"), self.file("out"))
            self.assert_prefix(rows, 16)
            found[jobs] = [{**row, "value": ""} for row in self.rows("out")]
            for name in ("add.sql", "drop.sql"):
                sql = self.read(name).decode()
                at = [sql.index(f"[{row['cek']}]") for row in rows]
                self.assertEqual(at, sorted(at))
        self.assertEqual(found["1"], found[str(JOBS)])
        self.assertEqual(found["1"], found["16"])

    def test_more_jobs_than_values(self):
        for count in (1, 3):
            rows = self.values(count)
            self.fresh_sql()
            self.file("out").unlink(missing_ok=True)
            self.ok(*self.rotate(self.export("export", *rows), jobs="16"))
            self.assert_prefix(rows, count)

    def test_wrong_number_is_refused(self):
        export = self.export("export", *self.values(1))
        for jobs in ("0", "65", "-1", "x", "", "1x", " 1", "99999999999999999999"):
            with self.subTest(jobs=jobs):
                run = self.fails("INVALID_ARGUMENT", *self.rotate(export, jobs=jobs), status=2)
                self.assertIn("--jobs", run.err)
        self.assertFalse(self.file("out").exists())

    def test_software_path_has_jobs(self):
        rows = self.values(8)
        self.ok(*self.rotate(self.export("export", *rows), jobs=str(JOBS)), "--software")
        self.assert_prefix(rows, 8)


class Sessions(Jobs):
    """The number of jobs is limited by the number of sessions."""

    def test_jobs_are_lowered_to_max_sessions(self):
        rows = self.values(12)
        export = self.export("export", *rows)
        conf = self.write("few.conf", "max_sessions = 3\n" + self.configuration())
        run = common.Run(self.rotate(export, jobs="8"), {**self.environment, "P11EKM_CONF": conf})
        self.assertEqual(run.status, 0, str(run))
        self.assertIn('p11ekm: --jobs 8: token "soft" has 3 sessions for them (max_sessions); 3 jobs run\n', run.err)
        self.assert_prefix(rows, 12)
        self.fresh_sql()
        run = common.Run(self.rotate(export, jobs="3"), {**self.environment, "P11EKM_CONF": conf})
        self.assertEqual((run.status, run.err), (0, ""), str(run))

    def test_jobs_are_lowered_to_the_token_s_own_limit(self):
        rows = self.values(6)
        environment = self.slow(plan="call=C_GetTokenInfo times=0 max-sessions=3")
        run = common.Run(self.rotate(self.export("export", *rows), jobs=str(JOBS)), environment)
        self.assertEqual(run.status, 0, str(run))
        self.assertIn("has 2 sessions for them", run.err)
        self.assert_prefix(rows, 6)

    def test_sessions_that_the_token_refuses_are_waited_for(self):
        rows = self.values(8)
        environment = self.slow(plan="call=C_OpenSession nth=4 times=0 rv=0xb1")  # CKR_SESSION_COUNT
        run = common.Run(self.rotate(self.export("export", *rows), jobs="8"), environment)
        self.assertEqual(run.status, 0, str(run))
        self.assert_prefix(rows, 8)


class CutShort(Jobs):
    def test_killed_run_is_resumed(self):
        """Killed repeatedly, with a few more lines each time."""
        for number, name in ((signal.SIGKILL, "kill"), (signal.SIGINT, "interrupt")):
            with self.subTest(signal=name):
                rows = self.values(24)
                export = self.export("export", *rows)
                environment = self.slow(1)
                self.fresh_sql()
                self.file("out").unlink(missing_ok=True)
                for least in (1, 6, 14):
                    before = self.read("out") if self.file("out").exists() else b""
                    process = self.start(self.rotate(export, jobs=str(JOBS)), environment)
                    end = time.monotonic() + 60
                    while len(self.lines()) < least and time.monotonic() < end:
                        time.sleep(0.005)
                    process.send_signal(number)
                    self.assertEqual(process.wait(), -number)
                    self.assertTrue(self.read("out").startswith(before))
                    self.assertGreaterEqual(len(self.lines()), least)
                    self.assert_prefix(rows)
                    self.assertFalse(self.file("add.sql").exists())
                done = len(self.lines())
                run = self.ok(*self.rotate(export, jobs=str(JOBS)), "--json").json()
                self.assertEqual((run["rewrapped"], run["resumed"]), (24 - done, done))
                self.assert_prefix(rows, 24)

    def test_one_job_resumes_what_many_began(self):
        rows = self.values(12)
        export = self.export("export", *rows)
        self.ok(*self.rotate(export, jobs=str(JOBS)))
        for first, jobs in ((5, "1"), (5, str(JOBS))):
            whole = self.read("out")
            lines = whole.splitlines(keepends=True)
            self.file("out").write_bytes(b"".join(lines[:first]) + lines[first][:-40])
            self.fresh_sql()
            run = self.ok(*self.rotate(export, jobs=jobs), "--json").json()
            self.assertEqual((run["rewrapped"], run["resumed"]), (12 - first, first))
            self.assert_prefix(rows, 12)

    def test_output_that_cannot_grow_ends_the_run(self):
        rows = self.values(16)
        export = self.export("export", *rows)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

        run = self.fails("IO", *self.rotate(export, jobs=str(JOBS)), preexec_fn=limit)
        self.assertIn("cannot be written", run.err)
        self.assertFalse(self.file("add.sql").exists())
        self.assertFalse(self.file("out.lock").exists())
        whole = self.read("out").rpartition(b"\n")[0].count(b"\n") + 1
        self.assertTrue(1 <= whole < 16)
        run = self.ok(*self.rotate(export, jobs=str(JOBS)), "--json").json()
        self.assertEqual((run["rewrapped"], run["resumed"]), (16 - whole, whole))
        self.assert_prefix(rows, 16)


class Failure(Jobs):
    def test_first_failure_in_the_order_of_rows_is_told(self):
        """A later value may fail earlier: its signature is checked before the previous value is
        wrapped."""
        good = self.values(16)
        for bad in ((7,), (7, 8), (7, 8, 9, 15), (0, 1)):
            with self.subTest(bad=bad):
                self.file("out").unlink(missing_ok=True)
                export = self.export("export", *self.broken(self.values(16), *bad))
                run = self.fails("SIGNATURE_INVALID", *self.rotate(export, jobs=str(JOBS)))
                self.assertIn(f'column encryption key "CEK_{bad[0]:02}"', run.err)
                self.assertEqual(run.err.count("SIGNATURE_INVALID"), 1)
                self.assertEqual(self.file("out").exists(), bad[0] > 0)
                if bad[0] > 0:
                    self.assert_prefix(good, bad[0])
                self.assertFalse(self.file("add.sql").exists())
                self.assertFalse(self.file("out.lock").exists())
        self.file("out").unlink(missing_ok=True)
        self.fails("SIGNATURE_INVALID", *self.rotate(self.export("e", *self.broken(self.values(16), 7)),
                                                     jobs=str(JOBS)))
        self.ok(*self.rotate(self.export("export", *good), jobs=str(JOBS)))
        self.assert_prefix(good, 16)

    def test_other_jobs_stop_soon(self):
        export = self.export("export", *self.broken(self.values(40), 2))
        conf = self.write("audit.conf", f"audit = {self.file('trail')}\n" + self.configuration())
        run = common.Run(self.rotate(export, jobs=str(JOBS)), {**self.environment, "P11EKM_CONF": conf})
        self.assertEqual(run.status, 1, str(run))
        done = self.read("trail").count(b'"RewrapCEK"')
        self.assertTrue(3 <= done <= 3 + SLOTS, str(done))

    def test_token_that_fails_in_the_middle(self):
        rows = self.values(16)
        environment = self.slow(plan="call=C_WrapKey nth=9 times=0 rv=0x30")
        run = common.Run(self.rotate(self.export("export", *rows), jobs=str(JOBS)), environment)
        self.assertEqual(run.status, 1, str(run))
        done = len(self.lines())
        self.assertLess(done, 16)
        if done:
            self.assert_prefix(rows, done)
        self.assertIn(f'column encryption key "CEK_{done:02}"', run.err)
        self.ok(*self.rotate(self.export("export", *rows), jobs=str(JOBS)))
        self.assert_prefix(rows, 16)


def tearDownModule():
    test_rotate.tearDownModule()


if __name__ == "__main__":
    if not os.path.exists(COUNT):
        print("SKIPPED: the fault proxy is not built")
        sys.exit(77)
    common.main()
