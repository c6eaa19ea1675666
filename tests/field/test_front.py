# SPDX-License-Identifier: Apache-2.0
"""The C API of the built library while another process changes keys on the token, and while
something that it needs is missing. The other process is p11ekm."""

import ctypes
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import common  # noqa: E402

OK, NOT_FOUND, INVALID, POLICY = 0, 4, 6, 2071


class Library:
    """p11ekm_cmk.h by ctypes."""

    def __init__(self, path):
        self.c = ctypes.CDLL(path)

    @staticmethod
    def text(size=512):
        return ctypes.create_string_buffer(size)

    def open(self, conf, token=None, pin=None):
        store, message = ctypes.c_void_p(), self.text()
        code = self.c.p11ekm_cmk_open(conf.encode(), token, pin, ctypes.c_size_t(len(pin or b"")),
                                      ctypes.byref(store), message, ctypes.c_size_t(512))
        return code, store, message.value.decode()

    def close(self, store):
        self.c.p11ekm_cmk_close(store)

    def call(self, name, store, *arguments, room=4096):
        """A call with a result: the code, the bytes, the message."""
        out, length, message = self.text(room), ctypes.c_size_t(room), self.text()
        code = getattr(self.c, "p11ekm_cmk_" + name)(store, *arguments, out, ctypes.byref(length), message,
                                                     ctypes.c_size_t(512))
        return code, out.raw[: length.value], message.value.decode()

    def generate(self, store, path):
        return self.call("generate", store, path, b"RSA_OAEP", ctypes.c_uint(0))

    def encrypt(self, store, path, cek=b"k" * 32):
        return self.call("encrypt", store, path, b"RSA_OAEP", cek, ctypes.c_size_t(32))

    def sign(self, store, path):
        return self.call("sign", store, path, 1)

    def decrypt(self, store, path, ecek):
        return self.call("decrypt", store, path, b"RSA_OAEP", ecek, ctypes.c_size_t(len(ecek)))

    def rewrap(self, store, old, new, ecek):
        return self.call("rewrap", store, old, new, b"RSA_OAEP", ctypes.c_uint(0), ecek,
                         ctypes.c_size_t(len(ecek)))


class Front(common.TokenCase):
    """One token serves all tests; each has its own keys and configurations."""

    fixture = None
    serial = 0

    def setUp(self):
        if Front.fixture is None:
            super().setUp()
            self._cleanups.clear()  # the token stays: tearDownModule removes it
            os.environ["SOFTHSM2_CONF"] = self.environment["SOFTHSM2_CONF"]
            Front.fixture = self.directory, self.environment, self.conf
        top, self.environment, self.conf = Front.fixture
        self.environment = dict(self.environment)
        self.text = pathlib.Path(self.conf).read_text()
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=top))
        self.library = Library(os.environ["P11EKM_LIBRARY"])
        Front.serial += 1

    def key(self, letter="k"):
        """A new master key: its name and its path."""
        name = f"{letter}{Front.serial}"
        path = self.ok("cmk", "create", name, "--algorithm", "RSA_2048", "--json").json()["path"]
        return name, path.encode()

    def configure(self, **keys):
        """A configuration of this test, with these keys at its beginning."""
        lines = [line for line in self.text.splitlines() if line.split("=")[0].strip() not in keys]
        head = [f"{name} = {value}" for name, value in keys.items()]
        self.written = f"own-{len(list(self.directory.iterdir()))}.conf"  # contexts are shared by path
        return self.write(self.written, "\n".join(head + lines) + "\n")

    def opened(self, **keys):
        code, store, message = self.library.open(self.configure(**keys))
        self.assertEqual(code, OK, message)
        self.addCleanup(self.library.close, store)
        return store


class ChangedKeys(Front):
    def test_retired_key_makes_no_values(self):
        store, (name, path) = self.opened(), self.key()
        other = self.key("o")[1]
        code, old, _ = self.library.generate(store, path)
        self.assertEqual(code, OK)
        self.assertEqual(self.library.sign(store, path)[0], OK)
        self.ok("key", "retire", name, "--yes", name)
        for made in (self.library.generate(store, path), self.library.encrypt(store, path),
                     self.library.sign(store, path), self.library.rewrap(store, path, other, old)):
            self.assertEqual(made[0], NOT_FOUND, made)
        foreign = self.library.generate(store, other)[1]
        self.assertEqual(self.library.rewrap(store, other, path, foreign)[0], NOT_FOUND)
        # A retired key: open stores continue to decrypt.
        self.assertEqual(self.library.decrypt(store, path, old)[0], OK)

    def test_values_are_made_with_the_key_that_has_the_name_now(self):
        store, (name, path) = self.opened(), self.key()
        other = self.key("o")[1]
        foreign = self.library.generate(store, other)[1]
        for made in (self.library.generate, self.library.encrypt, self.library.sign):
            self.assertEqual(made(store, path)[0], OK)
        self.ok("key", "retire", name, "--yes", name)
        self.ok("cmk", "create", name, "--algorithm", "RSA_2048")
        values = [self.library.generate(store, path), self.library.encrypt(store, path),
                  self.library.rewrap(store, other, path, foreign)]
        signature = self.library.sign(store, path)
        # Checked by a process that has never seen the old key.
        rows = [{"cek": f"C{i}", "cmk": "C", "provider": "PKCS11_KEY_STORE", "path": path.decode(),
                 "algorithm": "RSA_OAEP", "value": "0x" + value.hex()}
                for i, (code, value, _) in enumerate(values) if code == OK]
        self.assertEqual(len(rows), 3, values)
        self.ok("cek", "verify", self.write("values", json.dumps(rows)))
        master = {"cmk": "C", "provider": "PKCS11_KEY_STORE", "path": path.decode(),
                  "signature": "0x" + signature[1].hex()}
        self.ok("cmk", "verify", self.write("masters", json.dumps(master)))

    def test_decryption_follows_the_name_to_the_new_key(self):
        store, (name, path) = self.opened(), self.key()
        self.assertEqual(self.library.generate(store, path)[0], OK)
        self.ok("key", "retire", name, "--yes", name)
        self.ok("key", "purge", name, "--yes", name)
        self.ok("cmk", "create", name, "--algorithm", "RSA_2048")
        row = self.ok("cek", "create", "C", "--key", name, "--cmk", "C", "--json").json()
        value = bytes.fromhex(row["value"][2:])
        self.library.generate(store, path)
        self.assertEqual(self.library.decrypt(store, path, value)[0], OK)


class Arguments(Front):
    def test_empty_pin_is_not_taken_for_the_pin_file(self):
        for pin in (b"", b"1234"):
            code, store, message = self.library.open(self.configure(), b"hsm", pin)
            self.library.close(store)
            self.assertEqual(code == OK, pin != b"", message)
        self.assertIsNone(self.library.open(self.configure(), None, b"")[1].value)

    def test_enclave_is_zero_or_one(self):
        store, path = self.opened(), self.key()[1]
        self.assertEqual(self.library.call("sign", store, path, 2)[0], INVALID)
        self.assertEqual(self.library.call("sign", store, path, 0)[0], OK)


class Policy(Front):
    def test_algorithms_bind_column_master_keys(self):
        path = self.key()[1]
        row = self.ok("cek", "create", "C", "--key", path.decode(), "--cmk", "C", "--json").json()
        value = bytes.fromhex(row["value"][2:])
        narrow = self.library.open(self.configure(algorithms="RSA_3072, AES_256"))[1]
        self.addCleanup(self.library.close, narrow)
        for made in (self.library.generate(narrow, path), self.library.encrypt(narrow, path),
                     self.library.sign(narrow, path), self.library.rewrap(narrow, path, path, value),
                     self.library.decrypt(narrow, path, value)):
            self.assertEqual(made[0], POLICY, made)
            self.assertIn("RSA_2048", made[2])
        run = self.fails("POLICY", "cmk", "create", "x", "--algorithm", "RSA_2048", "--conf",
                         str(self.directory / self.written))
        self.assertIn("algorithms", run.err)


class Audit(Front):
    def test_hits_of_the_cache_have_token_key_and_thumbprint(self):
        trail = self.directory / "trail"
        name, path = self.key()
        thumbprint = self.ok("key", "show", name, "--json").json()["thumbprint"]
        store = self.opened(audit=trail, audit_data="yes", cek_cache_entries=8)
        value = self.library.generate(store, path)[1]
        for _ in range(3):
            self.assertEqual(self.library.decrypt(store, path, value)[0], OK)
        records = [json.loads(line) for line in trail.read_text().splitlines()]
        hits = [r for r in records if r["operation"] == "DecryptCEK"]
        self.assertEqual([(r["token"], r["key"], r["thumbprint"]) for r in hits],
                         [("soft", name, thumbprint)] * 3)


class Missing(Front):
    """A missing thing has its own code: 4 is for keys only."""

    def fails_to_open(self, code, part, **keys):
        log = self.directory / "log"
        got, store, message = self.library.open(self.configure(log=log, **keys), b"hsm")
        self.library.close(store)
        self.assertEqual(got, code, message)
        self.assertIn(part, message)
        self.assertIn(part, log.read_text() if log.exists() else "")

    def test_module(self):
        self.fails_to_open(2052, "/nonexistent/module.so", module="/nonexistent/module.so")

    def test_pin_file(self):
        missing = self.directory / "no-pin"
        self.text = self.text.replace(str(pathlib.Path(self.conf).parent / "pin"), str(missing))
        self.fails_to_open(2065, str(missing))


def tearDownModule():
    if Front.fixture is not None:
        shutil.rmtree(Front.fixture[0])


if __name__ == "__main__":
    if os.environ.get("P11EKM_SANITIZE"):
        print("SKIPPED: a library with sanitizers is not loaded into Python")
        sys.exit(77)
    common.main()
