# SPDX-License-Identifier: Apache-2.0
"""p11ekm doctor: each fault is produced, and must be reported by name with a fix."""

import datetime
import os
import pathlib
import pwd
import re
import resource

import common


class Doctor(common.TokenCase):
    def doctor(self, status, *arguments, **options):
        run = self.cli("doctor", "--json", *arguments, **options)
        self.assertEqual(run.status, status, str(run))
        return run.json()["checks"]

    def found(self, check, state, text, *arguments, **options):
        """The fault is the expected one, names the cause, and has a fix."""
        status = 1 if state == "FAIL" else 0
        lines = [line for line in self.doctor(status, *arguments, **options)
                 if line["check"] == check and line["state"] == state]
        self.assertTrue(any(re.search(text, line["text"]) for line in lines), str(lines))
        for line in lines:
            self.assertNotEqual(line["fix"], "")

    def test_healthy(self):
        self.set_keys(audit=str(self.directory / "audit.jsonl"))
        run = self.ok("doctor")
        self.assertNotIn("FAIL", run.out)
        self.assertIn("round trip", run.out)
        lines = self.doctor(0)
        self.assertEqual({line["state"] for line in lines} - {"WARN"}, {"ok"})
        self.assertEqual(self.ok("key", "list", "--json").json()["keys"], [])

    def test_which_way_oaep_is_done(self):
        # SoftHSM 2.6 does not support OAEP with SHA-256.
        self.assertIn("encrypted with oaep-sha1, decrypted", self.ok("doctor").out)
        self.set_keys(rsa_raw="yes")
        self.assertIn("encrypted with oaep-sha256 over raw RSA, decrypted", self.ok("doctor").out)

    def test_retired_key_in_use_today(self):
        log = self.directory / "provider.log"
        self.set_keys(log=str(log), audit=str(self.directory / "audit.jsonl"))
        self.ok("key", "create", "busy", "--algorithm", "AES_256")
        self.ok("key", "retire", "busy", "--yes", "busy")
        self.doctor(0)
        day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        line = 'T00:00:01.000000Z warning p11ekm[1]: key "busy" on token "x" is retired and still decrypts\n'
        with open(log, "a") as file:
            file.write("2020-01-01" + line)
        self.doctor(0)
        with open(log, "a") as file:
            file.write(day + line)
        self.found("keys", "FAIL", "busy.*is retired, and a running server decrypted with it today")
        self.ok("key", "restore", "busy")
        self.doctor(0)

    def test_column_master_key_is_hidden(self):
        self.set_keys(audit=str(self.directory / "audit.jsonl"))
        self.ok("cmk", "create", "ae-1", "--algorithm", "RSA_2048")
        texts = [line["text"] for line in self.doctor(0) if line["check"] == "uses"]
        self.assertTrue(any('"ae-1" is hidden from SQL Server' in text for text in texts), str(texts))
        self.set_keys(ekm_keys="ae-*", audit=str(self.directory / "audit.jsonl"))
        self.found("uses", "WARN", '"ae-1" may sign and unwrap, and ekm_keys lets SQL Server use it')
        fixes = [line["fix"] for line in self.doctor(0) if line["check"] == "uses"]
        self.assertIn("take it off ekm_keys if a client uses it as a column master key", fixes)

    def test_key_of_all_uses_is_doubted_where_the_server_uses_the_token(self):
        self.set_keys(audit="none")
        self.ok("cmk", "create", "IMPORTED", "--algorithm", "RSA_2048")
        self.assertNotIn("WARN", [line["state"] for line in self.doctor(0) if line["check"] == "uses"])
        self.create("cells", "AES_256")
        line, = [line for line in self.doctor(0) if line["check"] == "uses" and "2071" in line["text"]]
        self.assertEqual(line["state"], "WARN")
        self.assertEqual(line["text"], 'key "IMPORTED" may sign and unwrap: SQL Server is refused it (2071),'
                         ' and a database under it does not open')
        self.assertEqual(line["fix"], "if SQL Server uses it: ekm_keys = IMPORTED in the token's section;"
                         " if it is a column master key: nothing")

    def test_several_tokens_are_named(self):
        text = pathlib.Path(self.conf).read_text()
        section = text[text.index("[token hsm]"):].replace("[token hsm]", "[token columns]")
        self.write("p11ekm.conf", text + "\n" + section)
        line, = [line for line in self.doctor(1) if line["state"] == "FAIL"]
        self.assertEqual(line["fix"], "give --token ALIAS for each of: hsm, columns")

    def test_account_is_refused_once(self):
        line, = [line for line in self.doctor(1, "--account", "x") if line["state"] == "FAIL"]
        self.assertIn("--account is for Windows", line["text"])
        self.assertEqual(line["fix"], "run sudo -u x p11ekm doctor")

    def test_pin_file_of_the_service_stays_its_own(self):
        if os.geteuid() != 0:
            self.skip("only root can give a file away")
        os.chown(self.pin_file, pwd.getpwnam("nobody").pw_uid, -1)
        line, = [line for line in self.doctor(1) if line["check"] == "PIN" and line["state"] == "FAIL"]
        self.assertEqual(line["fix"], "run p11ekm as that user (sudo -u nobody p11ekm ...), or give a PIN"
                         " file of your own by --pin-file")

    def test_trail_of_another_account_is_not_taken_from_it(self):
        if os.geteuid() != 0:
            self.skip("only root can give a file away")
        audit = self.write("audit.jsonl", "")
        os.chown(audit, pwd.getpwnam("nobody").pw_uid, -1)
        self.set_keys(audit=audit)
        line, = [line for line in self.doctor(1) if line["check"] == "audit"]
        self.assertEqual(line["fix"], "run p11ekm as that user (sudo -u nobody p11ekm ...)")

    def test_no_configuration(self):
        os.unlink(self.conf)
        self.found("configuration", "FAIL", re.escape(self.conf))

    def test_configuration_writable_by_others(self):
        os.chmod(self.conf, 0o666)
        self.found("configuration", "FAIL", "UNSAFE_FILE")

    def test_unknown_key_in_configuration(self):
        self.set_keys(modul="/x")
        self.found("configuration", "FAIL", "modul.*CONFIG_INVALID")

    def test_module_missing(self):
        self.set_keys(module="/nonexistent/lib.so")
        self.found("module file", "FAIL", "/nonexistent/lib.so")

    def test_module_that_others_may_write(self):
        copy = self.write("copy.so", "")
        pathlib.Path(copy).write_bytes(pathlib.Path(common.MODULE).read_bytes())
        os.chmod(copy, 0o777)
        self.set_keys(module=copy)
        self.found("module file", "FAIL", "UNSAFE_FILE")

    def test_module_that_is_none(self):
        self.set_keys(module=self.write("text.so", "no library", 0o755))
        self.found("module", "FAIL", "MODULE_LOAD")

    def test_module_that_wants_one_call_at_a_time(self):
        run = self.ok("doctor")
        self.assertNotIn("one at a time", run.out)
        copy = self.write("p11-kit-client.so", "", 0o755)
        pathlib.Path(copy).write_bytes(pathlib.Path(common.MODULE).read_bytes())
        self.set_keys(module=copy)
        self.assertIn("one at a time", self.ok("doctor").out)
        self.set_keys(serialize="no")
        self.found("module", "WARN", "threads at once")
        self.set_keys(serialize="yes", module=common.MODULE)
        self.assertIn("one at a time", self.ok("doctor").out)

    def test_token_gone(self):
        text = pathlib.Path(self.conf).read_text()
        self.write("p11ekm.conf", re.sub(r"(?m)^(token\s*=\s*)soft", r"\1gone", text))
        self.found("token", "FAIL", r'hsm.*token = gone.*there are: "soft".*TOKEN_NOT_FOUND')
        line, = [line for line in self.doctor(1) if line["state"] == "FAIL"]
        self.assertEqual(line["fix"], "correct 'token' in [token hsm], or IDENTITY")

    def test_pin_file_readable_by_others(self):
        os.chmod(self.pin_file, 0o644)
        self.found("PIN", "FAIL", "UNSAFE_FILE")

    def test_wrong_pin(self):
        self.write("pin", "4321\n")
        self.found("login", "FAIL", "AUTH_FAILED")

    def test_no_pin_source(self):
        text = pathlib.Path(self.conf).read_text()
        self.write("p11ekm.conf", re.sub(r"(?m)^\s*pin_file\s*=.*$", "", text))
        self.found("PIN", "WARN", "none is known")

    def test_audit_not_writable(self):
        self.set_keys(audit=str(self.directory / "missing/audit"), audit_failure="refuse")
        self.found("audit", "FAIL", "missing/audit")
        self.set_keys(audit=str(self.directory / "missing/audit"), audit_failure="warn")
        self.found("audit", "WARN", "missing/audit")

    def test_log_not_writable(self):
        self.set_keys(log=str(self.directory / "missing/log"))
        self.found("log", "FAIL", "missing/log")

    def test_doctor_leaves_no_log_behind(self):
        log = self.directory / "p11ekm.log"
        audit = self.directory / "audit.jsonl"
        self.set_keys(audit=str(audit), log=str(log))
        self.assertIn("ok", {line["state"] for line in self.doctor(0) if line["check"] == "log"})
        self.assertEqual([log.exists(), audit.exists()], [False, False])
        self.write("pin", "4321\n")
        self.doctor(1)
        self.assertEqual([log.exists(), audit.exists()], [False, False])

    def test_audit_of_each_account_is_found_and_none_is_made(self):
        mine = self.directory / f"audit-{pwd.getpwuid(os.geteuid()).pw_name}.jsonl"
        self.set_keys(audit=str(self.directory / "audit-%u.jsonl"))
        texts = [line["text"] for line in self.doctor(0) if line["check"] == "audit"]
        self.assertEqual(texts, [f"{mine} can be made: it is not there yet"])
        self.assertFalse(mine.exists())
        self.ok("key", "create", "k", "--algorithm", "AES_256")
        self.assertIn("CreateKey", mine.read_text())
        os.chmod(self.write("audit-other.jsonl", ""), 0o666)
        self.found("audit", "FAIL", "audit-other.jsonl.*writable by others")

    def test_memory_that_cannot_be_locked(self):
        if os.environ.get("P11EKM_SANITIZE"):
            self.skip("the sanitizers replace mlock")
        if os.geteuid() == 0:
            # Root may lock any amount; without the capability the limit applies.
            options = {"preexec_fn": drop_ipc_lock}
        else:
            options = {"preexec_fn": no_locked_memory}
        self.found("memory", "WARN", "refused to lock", **options)

    def test_one_token_for_both_uses(self):
        self.create("tde", "RSA_2048")
        self.assertIn("keys for EKM only", self.ok("doctor").out)
        self.ok("cmk", "create", "cmk")
        self.found("uses", "WARN", "1 column master key of Always Encrypted and 1 key for EKM")

    def test_next_step_is_the_text_s_own(self):
        os.chmod(self.pin_file, 0o644)
        line, = [line for line in self.doctor(1) if line["state"] == "FAIL"]
        self.assertEqual(line["fix"], f"chmod 600 '{self.pin_file}'")
        self.assertNotIn("chmod", line["text"])
        error = self.cli("key", "list", "--json").json()["error"]
        self.assertEqual(error["next"], f"chmod 600 '{self.pin_file}'")
        self.assertNotIn("next:", self.fails("UNSAFE_FILE", "key", "list").err)

    def test_extractable_key(self):
        self.create("loose", "AES_256", "--extractable")
        self.found("keys", "WARN", "loose.*extractable")

    def test_creation_forbidden(self):
        self.set_keys(create="no")
        for state in ("skip", "ok"):
            tried = [line for line in self.doctor(0) if line["check"] == "round trip"]
            self.assertEqual([line["state"] for line in tried], [state, state])
            if state == "skip":
                self.set_keys(create="yes")
                self.create("there", "RSA_2048")
                self.create("there-too", "AES_256")
                self.set_keys(create="no")
        self.assertRegex(tried[0]["text"], '"there": encrypted with oaep-sha1, decrypted')
        self.assertRegex(tried[1]["text"], '"there-too": encrypted, decrypted')


def no_locked_memory():
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))


def drop_ipc_lock():
    """Removes CAP_IPC_LOCK (14) from the capabilities after exec, then sets the limit to 0."""
    import ctypes
    pr_capbset_drop, cap_ipc_lock = 24, 14
    if ctypes.CDLL(None).prctl(pr_capbset_drop, cap_ipc_lock, 0, 0, 0) != 0:
        raise OSError("prctl")
    no_locked_memory()


if __name__ == "__main__":
    common.main()
