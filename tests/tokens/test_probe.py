# SPDX-License-Identifier: Apache-2.0
"""What p11ekm reports about a token: `probe --json` agrees with the golden file of this token
and version (golden/TOKEN-VERSION.json, with the module's version), or the difference is shown;
nothing is WRONG; no key is left over. What the token is known not to support is refused with
its name by doctor and by key creation, too.

    test_probe.py P11EKM TOKEN              (under with-token)
    test_probe.py --write P11EKM TOKEN      makes the golden file"""

import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

GOLDEN = pathlib.Path(__file__).parent / "golden"
SKIPPED = 77

# By token: (command, texts that its output must contain, in any order). These are limits of the
# tokens.
REFUSALS = {
    "tpm2": (
        (("doctor",), ("CKM_RSA_PKCS_KEY_PAIR_GEN is offered from 1024 to 3072 bits, not 4096",
                       "CKM_DES3_KEY_GEN is not offered", "TRIPLE_DES_3KEY",
                       "the token makes no temporary keys")),
        (("key", "create", "new", "--algorithm", "RSA_4096"),
         ("CKM_RSA_PKCS_KEY_PAIR_GEN from 1024 to 3072, not 4096",)),
        (("key", "create", "new", "--algorithm", "AES_256"),
         ("CKM_AES_KEY_GEN, 256 bits, CKA_TOKEN true", "CKR_FUNCTION_NOT_SUPPORTED")),
        (("key", "create", "new", "--algorithm", "TRIPLE_DES_3KEY"),
         ("does not offer CKM_DES3_KEY_GEN",)),
    ),
    "opencryptoki": ((("doctor",), ("all that the provider uses are offered",)),),
}


def quoted(value):
    """Escapes characters that have a meaning in the configuration."""
    return "".join("\\" + c if c in "\\\"'`$#" else c for c in value)


class Token:
    def __init__(self, program, directory):
        self.program = program
        self.directory = pathlib.Path(directory)
        self.conf = self.write("conf", self.configuration())
        self.pin = self.write("pin", os.environ["PIN"] + "\n")

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    @staticmethod
    def configuration():
        get = os.environ.get
        lines = [f"module = {quoted(get('MODULE'))}", "log = none", "audit = none", get("CONF_EXTRA", "")]
        if get("INIT_ARGS"):
            lines.append(f"init_args = {quoted(get('INIT_ARGS'))}")
        return "\n".join([*lines, "[token test]", f"token = {quoted(get('TOKEN'))}", ""])

    def run(self, *words):
        return subprocess.run(
            [self.program, "--conf", self.conf, *words, "--pin-file", self.pin],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def json(self, *words):
        done = self.run("--json", *words)
        if done.returncode != 0:
            sys.exit(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def compare(kind, found):
    """0, 1, or 77 if this version has no golden file."""
    name = f"{kind}-{json.loads(found)['library_version']}.json"
    others = sorted(GOLDEN.glob(f"{kind}-*.json"))
    of_version = GOLDEN / name in others
    if not others:
        print(f"SKIPPED golden: none for {kind}; test_probe.py --write makes it")
        return SKIPPED
    golden = GOLDEN / name if of_version else others[-1]
    lines = list(difflib.unified_diff(golden.read_text().splitlines(), found.splitlines(),
                                      f"golden/{golden.name}", "this token", lineterm="", n=4))
    print("\n".join(lines))
    if not of_version:
        print(f"SKIPPED golden: {name} is not there; above: against {golden.name}")
        return SKIPPED
    return 1 if lines else 0


def sound(found):
    """Checks for every token."""
    document = json.loads(found)
    wrong = [check["name"] for check in document["checks"] if check["result"] == "WRONG"]
    rsa = [one for one in document["mechanisms"] if one["name"] == "CKM_RSA_PKCS"]
    print(f"{len(document['checks'])} checks, wrong: {wrong}, {len(document['mechanisms'])} mechanisms")
    return document["checks"] and not wrong and len(rsa) == 1 and rsa[0]["max"] >= 2048


def nothing_left(token):
    names = [key["name"] for key in json.loads(token.json("key", "list"))["keys"]]
    print(f"{len(names)} keys on the token: {names}")
    return not any(name.startswith("p11ekm-") or name == "new" for name in names)


def refused_by_name(token, kind):
    good = True
    for words, texts in REFUSALS.get(kind, ()):
        done = token.run(*words)
        for text in texts:
            if text not in done.stdout + done.stderr:
                print(f"FAILED: {' '.join(words)} does not say: {text}\n{done.stdout}{done.stderr}")
                good = False
    return good


def main():
    write = sys.argv[1] == "--write"
    program, kind = sys.argv[-2:]
    with tempfile.TemporaryDirectory() as directory:
        token = Token(program, directory)
        found = token.json("probe")
        if write:
            version = json.loads(found)["library_version"]
            (GOLDEN / f"{kind}-{version}.json").write_text(found)
        result = compare(kind, found)
        good = [sound(found), nothing_left(token), refused_by_name(token, kind), nothing_left(token)]
    return result if all(good) else 1


sys.exit(main())
