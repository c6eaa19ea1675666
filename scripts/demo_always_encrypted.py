# SPDX-License-Identifier: Apache-2.0
"""The last part of scripts/demo, run by tests/drivers/run.sh: an application with Microsoft's ODBC
driver reads and writes encrypted columns through the module, against the simulated server."""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/drivers"))

import certificate  # noqa: E402
import environment  # noqa: E402
import harness  # noqa: E402
from scenario import SELECT, SSN, Key  # noqa: E402


class Demo(harness.DriverCase):
    """Uses the harness for one client and one server."""

    client = [str(environment.client())]

    def runTest(self):
        """The harness needs the name of a test."""


def proved(claim, truth):
    print(f"[{'proved' if truth else 'FAILED'}] {claim}")
    if not truth:
        sys.exit(1)


def main():
    with tempfile.TemporaryDirectory(prefix="p11ekm-demo-ae-") as name:
        directory = pathlib.Path(name)
        demo = Demo()
        Demo.certificate = certificate.make(directory)
        Demo.keystore = environment.make_tool_keystore(directory)
        Demo.keystore.create("cmk1")
        value = Demo.keystore.create_cek("cmk1")["value"]
        encrypted = bytes.fromhex(value.removeprefix("0x"))
        Demo.key = Key(Demo.keystore.decrypt("cmk1", encrypted), encrypted)
        stored = Demo.key.scenario()["tables"]["people"]["rows"][0]
        print(f"The server stores:      {stored[1][:60]}...")
        rows = demo.run_client(Demo.key, SELECT)
        print(f"The application reads:  {rows[0]}")
        proved("the driver opened the column through the module and the token", SSN in rows[0])
        proved("what the server stores does not hold the text",
               SSN.encode("utf-16-le").hex() not in "".join(cell or "" for cell in stored))
        demo.run_client(Demo.key, harness.INSERT, *harness.NEW_ROW)
        sent = demo.inserted[0]
        print(f"The application writes: {harness.NEW_ROW[1]}")
        print(f"The server receives:    {sent[1].value.hex()[:60]}...")
        proved("the server has got ciphertext only",
               "zä-€".encode("utf-16-le") not in b"".join(p.value or b"" for p in sent))
        refusal = demo.run_client(Demo.key, SELECT, configure=False, load=False, status=1)
        print(f"Without the module:     {refusal[-1][:100]}")
        proved("an application without the module reads nothing", SSN not in "\n".join(refusal))


main()
