# SPDX-License-Identifier: Apache-2.0
"""p11ekm cmk and cek: keys of Always Encrypted, T-SQL, files for the exchange between DBA and
security administrator, interrupted rotation. Signatures are checked by openssl, not by our
code."""

import hashlib
import json
import pathlib
import re
import subprocess

import common


class Master(common.TokenCase):
    def setUp(self):
        super().setUp()
        self.path = self.ok("cmk", "create", "cmk-a", "--algorithm", "RSA_2048", "--json").json()["path"]

    def file(self, name):
        return str(self.directory / name)

    def value(self, cek, cmk="CMK_A", key="cmk-a", *more):
        return self.ok("cek", "create", cek, "--key", key, "--cmk", cmk, "--json", *more).json()

    def public_key(self, name):
        """The public key as a PEM file, made by openssl from modulus and exponent."""
        key = self.ok("key", "show", name, "--json").json()
        text = (f"asn1=SEQUENCE:spki\n[spki]\nalgorithm=SEQUENCE:algorithm\nkey=BITWRAP,SEQUENCE:key\n"
                f"[algorithm]\noid=OID:rsaEncryption\nparameter=NULL\n[key]\n"
                f"n=INTEGER:0x{key['modulus']}\ne=INTEGER:0x{key['exponent']}\n")
        generated = subprocess.run(
            ["openssl", "asn1parse", "-genconf", self.write("asn1", text), "-noout", "-out",
             self.file("public.der")], check=True, capture_output=True)
        self.assertEqual(generated.returncode, 0)
        return self.file("public.der")

    def assert_signed(self, name, message, signature):
        self.write("message", "")
        pathlib.Path(self.file("message")).write_bytes(message)
        pathlib.Path(self.file("signature")).write_bytes(signature)
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", self.public_key(name), "-keyform", "DER",
             "-signature", self.file("signature"), self.file("message")],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Cmk(Master):
    def test_create_and_list(self):
        self.assertEqual(self.path, "pkcs11:token=soft;object=cmk-a")
        can = self.ok("key", "show", "cmk-a", "--json").json()["can"]
        self.assertLessEqual({"decrypt", "sign", "unwrap"}, set(can))
        self.create("plain", "AES_256")
        listed = self.ok("cmk", "list", "--json").json()["keys"]
        self.assertEqual([(k["name"], k["path"]) for k in listed], [("cmk-a", self.path)])
        self.fails("INVALID_ARGUMENT", "cmk", "create", "x", "--algorithm", "AES_256", status=2)

    def test_sql_with_signature_that_openssl_accepts(self):
        sql = self.ok("cmk", "sql", "cmk-a", "--cmk", "My]CMK", "--enclave").out
        self.assertIn("CREATE COLUMN MASTER KEY [My]]CMK] WITH (", sql)
        self.assertIn("KEY_STORE_PROVIDER_NAME = N'PKCS11_KEY_STORE'", sql)
        self.assertIn(f"KEY_PATH = N'{self.path}'", sql)
        signature = bytes.fromhex(re.search(r"SIGNATURE = 0x([0-9a-f]+)\)", sql).group(1))
        message = ("pkcs11_key_store" + self.path.lower() + "true").encode("utf-16-le")
        self.assert_signed("cmk-a", message, signature)

    def test_sql_without_enclave_and_to_a_file(self):
        out = self.file("cmk.sql")
        self.ok("cmk", "sql", self.path, "--cmk", "CMK_A", "--output", out)
        self.assertNotIn("SIGNATURE", pathlib.Path(out).read_text())
        self.fails("IO", "cmk", "sql", self.path, "--cmk", "CMK_A", "--output", out)
        self.fails("NOT_FOUND", "cmk", "sql", "nobody", "--cmk", "CMK_A")

    def test_verify(self):
        sql = self.ok("cmk", "sql", "cmk-a", "--cmk", "C", "--enclave").out
        signature = re.search(r"SIGNATURE = (0x[0-9a-f]+)\)", sql).group(1)
        row = {"cmk": "C", "provider": "PKCS11_KEY_STORE", "path": self.path, "signature": signature}
        self.ok("cmk", "verify", self.write("good", json.dumps([row])))
        row["signature"] = signature[:-2] + ("00" if signature[-2:] != "00" else "01")
        run = self.cli("cmk", "verify", self.write("bad", json.dumps(row)), "--json")
        self.assertEqual(run.status, 1, str(run))
        self.assertEqual(run.json()["results"][0]["result"], "SIGNATURE_INVALID")


class Cek(Master):
    def test_create_makes_an_ecek_of_the_known_form(self):
        row = self.value("CEK_1")
        blob = bytes.fromhex(row["value"][2:])
        path = self.path.encode("utf-16-le")
        self.assertEqual(blob[0], 1)
        self.assertEqual(int.from_bytes(blob[1:3], "little"), len(path))
        self.assertEqual(int.from_bytes(blob[3:5], "little"), 256)
        self.assertEqual(blob[5 : 5 + len(path)], path)
        self.assertEqual(len(blob), 5 + len(path) + 512)
        self.assert_signed("cmk-a", blob[:-256], blob[-256:])
        self.assertNotEqual(row["value"], self.value("CEK_1")["value"])

    def test_verify_good_and_tampered(self):
        good, bad = self.value("CEK_1"), self.value("CEK_2")
        bad["value"] = bad["value"][:40] + ("0" if bad["value"][40] != "0" else "1") + bad["value"][41:]
        self.ok("cek", "verify", self.write("good", json.dumps([good])))
        run = self.cli("cek", "verify", self.write("both", json.dumps([good, bad])), "--json")
        self.assertEqual(run.status, 1, str(run))
        self.assertEqual([r["result"] for r in run.json()["results"]], ["OK", "SIGNATURE_INVALID"])

    def test_import_is_the_key_it_was(self):
        known = hashlib.sha256(b"known key").digest()
        pathlib.Path(self.file("cek")).write_bytes(known)
        pathlib.Path(self.file("hex")).write_text(known.hex() + "\n")
        for name in ("cek", "hex"):
            with open(self.file(name), "rb") as key:
                row = self.ok("cek", "import", "CEK_3", "--key", "cmk-a", "--cmk", "CMK_A", "--json",
                              f"--cek-fd={key.fileno()}", pass_fds=(key.fileno(),)).json()
            ciphertext = bytes.fromhex(row["value"][2:])[-512:-256]
            pathlib.Path(self.file("ciphertext")).write_bytes(ciphertext)
            key_id = self.ok("key", "show", "cmk-a", "--json").json()["id"]
            decrypted = subprocess.run(
                ["pkcs11-tool", "--module", common.MODULE, "--login", "--pin", common.PIN, "--id",
                 key_id, "--decrypt", "-m", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA-1",
                 "-i", self.file("ciphertext")],
                env=self.environment, capture_output=True, check=True).stdout
            self.assertEqual(decrypted, known)

    def test_import_refuses_other_lengths(self):
        for text in ("", "00", "z" * 64, "0" * 62):
            with open(self.write("cek", text), "rb") as key:
                self.fails("DATA_LENGTH", "cek", "import", "C", "--key", "cmk-a", "--cmk", "M",
                           f"--cek-fd={key.fileno()}", pass_fds=(key.fileno(),))

    def test_sql_needs_no_token(self):
        row = self.value("CEK 'x'")
        self.environment.pop("P11EKM_CONF")
        sql = self.ok("cek", "sql", self.write("v", json.dumps(row))).out
        self.assertIn("CREATE COLUMN ENCRYPTION KEY [CEK 'x'] WITH VALUES", sql)
        self.assertIn(f"(COLUMN_MASTER_KEY = [CMK_A], ALGORITHM = N'RSA_OAEP', ENCRYPTED_VALUE = {row['value']});", sql)

    def test_files_as_windows_tools_save_them(self):
        row = json.dumps([self.value("CEK_1"), self.value("CEK_2")])
        broken = "\r\n".join(row[at : at + 500] for at in range(0, len(row), 500))
        for name, content in (("utf16", b"\xff\xfe" + broken.encode("utf-16-le")),
                              ("utf8", b"\xef\xbb\xbf" + broken.encode())):
            pathlib.Path(self.file(name)).write_bytes(content)
            self.assertEqual(self.ok("cek", "verify", self.file(name)).out.count("ok "), 2)

    def test_files_that_are_none(self):
        for text in ("", "x", "[]", "{}", '{"cek":1}', '[{"cek":"a"}', "[1]", '"text"', "{" * 5000):
            self.fails("FORMAT", "cek", "sql", self.write("bad", text))
        row = self.value("C")
        self.fails("FORMAT", "cek", "sql", self.write("bad", json.dumps({**row, "value": "0xzz"})))
        for name in ("C]\nGO\n:!! id\n", "C\x1b[2J", "C\x7f", "C\x9b", "C\u2028"):
            bad = self.fails("FORMAT", "cek", "sql", self.write("bad", json.dumps({**row, "cek": name})))
            self.assertIn('"cek" holds a control character', bad.err)
        self.fails("IO", "cek", "sql", self.file("missing"))


class Rotate(Master):
    def setUp(self):
        super().setUp()
        self.ok("cmk", "create", "cmk-b", "--algorithm", "RSA_2048")
        self.rows = [self.value(f"CEK_{i}") for i in range(4)]
        self.export = self.write("export", json.dumps(self.rows))

    def rotate(self, *more, export=None):
        return ("cmk", "rotate", export or self.export, "--to-cmk", "CMK_B", "--from", "cmk-a",
                "--to", "cmk-b", "--output", self.file("new"), "--add", self.file("add.sql"),
                "--drop", self.file("drop.sql"), *more)

    def check_result(self, names):
        made = [json.loads(line) for line in pathlib.Path(self.file("new")).read_text().splitlines()]
        self.assertEqual([(row["cek"], row["cmk"]) for row in made], [(n, "CMK_B") for n in names])
        self.assertEqual({row["path"] for row in made}, {"pkcs11:token=soft;object=cmk-b"})
        self.ok("cek", "verify", self.file("new"))
        add, drop = (pathlib.Path(self.file(n)).read_text() for n in ("add.sql", "drop.sql"))
        for row in made:
            self.assertIn(f"ALTER COLUMN ENCRYPTION KEY [{row['cek']}] ADD VALUE\n"
                          f"(COLUMN_MASTER_KEY = [CMK_B], ALGORITHM = N'RSA_OAEP', "
                          f"ENCRYPTED_VALUE = {row['value']});", add)
            self.assertIn(f"ALTER COLUMN ENCRYPTION KEY [{row['cek']}] DROP VALUE "
                          f"(COLUMN_MASTER_KEY = [CMK_A]);", drop)
        return made

    def test_inside_the_token(self):
        out = self.ok(*self.rotate()).out
        self.check_result([f"CEK_{i}" for i in range(4)])
        for name in ("cmk-a", "cmk-b"):  # both keys are shown, with what distinguishes them
            thumbprint = self.ok("key", "show", name, "--json").json()["thumbprint"]
            self.assertIn(f'"{name}", thumbprint {thumbprint}\n     pkcs11:token=soft;object={name}\n', out)

    def test_software_only_when_asked_for(self):
        self.ok(*self.rotate("--software"))
        self.check_result([f"CEK_{i}" for i in range(4)])

    def test_cut_short_and_gone_on_with(self):
        bad = json.loads(json.dumps(self.rows))
        bad[2]["value"] = bad[2]["value"][:-2] + ("00" if bad[2]["value"][-2:] != "00" else "01")
        run = self.fails("SIGNATURE_INVALID", *self.rotate(export=self.write("bad", json.dumps(bad))))
        self.assertIn("CEK_2", run.err)
        first = pathlib.Path(self.file("new")).read_text()
        self.assertEqual(len(first.splitlines()), 2)
        self.assertFalse(pathlib.Path(self.file("add.sql")).exists())
        pathlib.Path(self.file("new")).write_text(first + '{"cek":"CEK_2","cmk":"CM')
        run = self.ok(*self.rotate("--json"))
        self.assertEqual((run.json()["rewrapped"], run.json()["resumed"]), (2, 2))
        for end, name in (("from", "cmk-a"), ("to", "cmk-b")):
            key = self.ok("key", "show", name, "--json").json()
            self.assertEqual(run.json()[end], {"name": name, "thumbprint": key["thumbprint"],
                                               "path": f"pkcs11:token=soft;object={name}"})
        self.check_result([f"CEK_{i}" for i in range(4)])
        self.assertTrue(pathlib.Path(self.file("new")).read_text().startswith(first))

    def test_output_of_another_rotation(self):
        other = json.dumps(self.value("CEK_0", "OTHER")) + "\n"
        self.write("new", other)
        self.fails("FORMAT", *self.rotate())
        self.assertEqual(pathlib.Path(self.file("new")).read_text(), other)

    def test_two_master_keys_in_the_export(self):
        mixed = self.write("mixed", json.dumps([*self.rows, self.value("CEK_9", "OTHER")]))
        self.fails("KEY_AMBIGUOUS", *self.rotate(export=mixed))
        self.ok(*self.rotate("--from-cmk", "CMK_A", export=mixed))
        self.check_result([f"CEK_{i}" for i in range(4)])

    def test_same_name(self):
        command = [word if word != "CMK_B" else "CMK_A" for word in self.rotate()]
        self.fails("INVALID_ARGUMENT", *command, status=2)

    def test_from_the_windows_store(self):
        """An export of MSSQL_CNG_STORE: another path, and the signature of a hash of a hash."""
        for row in self.rows:
            row.update(provider="MSSQL_CNG_STORE", path="Some KSP/cmk-a")
            blob = bytes.fromhex(row["value"][2:])
            row["value"] = "0x" + (blob[:-256] + self.sign(hashlib.sha256(blob[:-256]).digest())).hex()
        export = self.write("cng", json.dumps(self.rows))
        self.fails("SIGNATURE_INVALID", *self.rotate(export=export))
        self.set_keys(accept_double_hash="yes")
        self.ok(*self.rotate(export=export))
        self.set_keys(accept_double_hash="no")
        self.check_result([f"CEK_{i}" for i in range(4)])

    def sign(self, message):
        """RSASSA-PKCS1-v1_5 with SHA-256 over the message, by pkcs11-tool."""
        pathlib.Path(self.file("tbs")).write_bytes(message)
        key_id = self.ok("key", "show", "cmk-a", "--json").json()["id"]
        subprocess.run(
            ["pkcs11-tool", "--module", common.MODULE, "--login", "--pin", common.PIN, "--id", key_id,
             "--sign", "-m", "SHA256-RSA-PKCS", "-i", self.file("tbs"), "-o", self.file("sig")],
            env=self.environment, capture_output=True, check=True)
        return pathlib.Path(self.file("sig")).read_bytes()


if __name__ == "__main__":
    common.main()
