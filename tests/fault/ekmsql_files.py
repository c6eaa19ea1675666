# SPDX-License-Identifier: Apache-2.0
"""File operations of ekmsql that fail. Required: what was stored before is still there, what
was reported as done is done, a backup file is the old one or the new one, and the next
statement works.

    ekmsql_files.py EKMSQL FAKES FILE_FAULTS.so [short|long|all]"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FAULTS = ("EIO", "ENOSPC", "EACCES", "EINTR", "EMFILE", "half", "full disk")
SHORT = ("EIO", "half", "full disk")
SECONDS = 60
EKMSQL, FAKES, PRELOAD = sys.argv[1:4]
BRIEF = "short" in sys.argv[4:]
MOST = 14 if BRIEF else 0 if "all" in sys.argv[4:] else 300

PREPARE = """
EXEC sp_configure 'show advanced options', 1; RECONFIGURE;
EXEC sp_configure 'EKM provider enabled', 1; RECONFIGURE;
CREATE CRYPTOGRAPHIC PROVIDER P FROM FILE = '{fakes}/fake.so';
CREATE CREDENTIAL c WITH IDENTITY='token', SECRET='1234' FOR CRYPTOGRAPHIC PROVIDER P;
CREATE CREDENTIAL c2 WITH IDENTITY='token', SECRET='1234' FOR CRYPTOGRAPHIC PROVIDER P;
ALTER LOGIN sa ADD CREDENTIAL c;
GO
CREATE ASYMMETRIC KEY K FROM PROVIDER P WITH ALGORITHM=RSA_2048, PROVIDER_KEY_NAME='tde';
CREATE LOGIN L FROM ASYMMETRIC KEY K;
ALTER LOGIN L ADD CREDENTIAL c2;
CREATE DATABASE D;
GO
USE D;
CREATE TABLE t(id INT, word NVARCHAR(40));
INSERT INTO t VALUES (1, N'kept-since-before');
GO
USE D;
CREATE DATABASE ENCRYPTION KEY WITH ALGORITHM = AES_256 ENCRYPTION BY SERVER ASYMMETRIC KEY K;
GO
USE master;
BACKUP DATABASE D TO DISK = '{work}/instance/old.bak' WITH INIT
"""

# A statement to run under a fault, and a query with the answer that proves it was executed.
STATEMENTS = (
    ("INSERT INTO t VALUES (2, N'new-in-here')", "SELECT word FROM t", "new-in-here"),
    ("ALTER DATABASE D SET ENCRYPTION ON",
     "SELECT encryption_state FROM sys.dm_database_encryption_keys", "3"),
    ("BACKUP DATABASE D TO DISK = '{work}/instance/old.bak' WITH INIT", "SELECT word FROM t", "kept"),
    ("BACKUP DATABASE D TO DISK = '{work}/instance/new.bak' WITH INIT", "SELECT word FROM t", "kept"),
    ("RESTORE DATABASE D FROM DISK = '{work}/instance/old.bak' WITH REPLACE", "SELECT word FROM t",
     "kept"),
    ("CREATE DATABASE E", "SELECT name FROM sys.databases", "E"),
)


def database_of(statement):
    return "D" if statement.startswith("INSERT") else "master"


class Torture:
    def __init__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="p11ekm-files-"))
        self.instance, self.saved = self.work / "instance", self.work / "saved"
        self.environment = {**os.environ, "FAKE_KEYS": str(self.work / "token")}
        self.runs = self.refused = self.failures = self.crashes = self.lost = self.hangs = 0
        self.distinct = set()

    def run(self, text, database="master", nth=None, fault="none"):
        """Runs ekmsql: exit status, output, number of file operations and the name of the
        failed one."""
        report = self.work / "report"
        report.unlink(missing_ok=True)
        environment = dict(self.environment)
        if nth is not None:
            environment["LD_PRELOAD"] = PRELOAD
            environment["FILE_FAULTS"] = f"{self.instance} {nth} {fault}: {report}"
            environment["ASAN_OPTIONS"] = "verify_asan_link_order=0:detect_leaks=0"
        try:
            done = subprocess.run(
                [EKMSQL, "-S", str(self.instance), "-b", "-d", database],
                input=text.format(work=self.work, fakes=FAKES), env=environment,
                capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None, "", 0, ""
        told = report.read_text() if report.exists() else ""
        calls = int(told.split("=")[1].split()[0]) if told else 0
        return done.returncode, done.stdout + done.stderr, calls, told.partition("hit=")[2].strip()

    def complain(self, statement, what, output=""):
        self.failures += 1
        print(f"FAILED {statement}: {what}\n{output}", flush=True)

    def save(self):
        shutil.copytree(self.instance, self.saved)

    def restore(self):
        shutil.rmtree(self.instance)
        shutil.copytree(self.saved, self.instance)

    def check_backup(self, name, about):
        """A backup file that exists can be restored."""
        path = self.instance / name
        if not path.exists():
            return name != "old.bak"
        status, output, _, _ = self.run(
            f"RESTORE DATABASE F FROM DISK = '{path}' WITH REPLACE\nGO\nUSE F;\nSELECT word FROM t")
        if status == 0 and "kept-since-before" in output:
            return True
        self.complain(about, f"{name} cannot be restored", output)
        return False

    def check(self, statement, query, expected, about, done):
        status, output, _, _ = self.run("SELECT word FROM t", "D")
        if status != 0 or "kept-since-before" not in output:
            self.lost += 1
            self.complain(about, "what was stored before is gone", output)
            return
        status, output, _, _ = self.run(query, "D")
        if done and (status != 0 or expected not in output):
            self.complain(about, "it was said to be done, and is not", output)
        if not self.check_backup("old.bak", about) or not self.check_backup("new.bak", about):
            self.lost += 1
        if not done:
            status, output, _, _ = self.run(statement, database_of(statement))
            if status != 0 and "already" not in output:
                self.complain(about, "the next run fails", output)

    def one(self, row, nth, fault):
        statement, query, expected = row
        about = f"{statement[:40]}; file operation {nth} gives {fault}"
        status, output, _, hit = self.run(statement, database_of(statement), nth, fault)
        about += f" ({hit})"
        self.runs += 1
        self.distinct.add((hit, fault))
        if status is None:
            self.hangs += 1
            self.complain(about, "hangs")
        elif status < 0 or status > 2:
            self.crashes += 1
            self.complain(about, f"crashed: {status}", output)
        elif status != 0:
            self.refused += 1
            if not output.strip():
                self.complain(about, "no text")
        self.check(statement, query, expected, about, status == 0)
        self.restore()

    def statement(self, row):
        status, output, calls, _ = self.run(row[0], database_of(row[0]), 0)
        if status != 0:
            self.complain(row[0], "fails without a fault", output)
        self.restore()
        if calls == 0:
            return False
        faults = SHORT if BRIEF else FAULTS
        total = calls * len(faults)
        most = min(MOST or total, total)
        for i in range(most):
            at = i * total // most
            self.one(row, 1 + at // len(faults), faults[(i if most < total else at) % len(faults)])
        print(f"{row[0][:40]}: {calls} file operations, {most} runs", flush=True)
        return True

    def all(self):
        status, output, _, _ = self.run(PREPARE)
        if status != 0:
            self.complain("set-up", "fails", output)
            return 1
        self.save()
        for row in STATEMENTS:
            if not self.statement(row):
                print("SKIPPED: file operations of ekmsql: this system has no way to fail them")
                return 77
        print(f"{self.runs} runs, {len(self.distinct)} distinct faults, {self.refused} refused, "
              f"{self.crashes} crashes, {self.hangs} hangs, {self.lost} losses, "
              f"{self.failures} failures")
        return 1 if self.failures or not self.runs else 0


torture = Torture()
try:
    code = torture.all()
finally:
    shutil.rmtree(torture.work)
sys.exit(code)
