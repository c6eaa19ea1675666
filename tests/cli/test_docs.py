# SPDX-License-Identifier: Apache-2.0
"""The documents match the code: each provider code is in TROUBLESHOOTING.md with its name, and
the links between documents resolve."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import common


class Documents(unittest.TestCase):
    def test_each_code_is_explained(self):
        source = (common.ROOT / "core/status.h").read_text()
        codes = re.findall(r"^    X\((\w+), (\d+), ", source, re.M)
        self.assertGreater(len(codes), 40)
        text = (common.ROOT / "docs/TROUBLESHOOTING.md").read_text()
        missing = [name for name, code in codes if name != "OK" and f"| {code} | {name} |" not in text]
        self.assertEqual(missing, [])

    def test_links(self):
        broken = []
        documents = [common.ROOT / "README.md", *(common.ROOT / "docs").glob("**/*.md")]
        for document in documents:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
                if not (document.parent / target).exists():
                    broken.append(f"{document.name}: {target}")
        self.assertEqual(broken, [])

    def test_vendors_configurations(self):
        """p11ekm can read each sample in vendors.md: doctor accepts the configuration."""
        text = (common.ROOT / "docs/vendors.md").read_text()
        samples = re.findall(r"^( +)(module = .*\n(?:\1.*\n)+)", text, re.M)
        self.assertEqual(len(samples), text.count("**Module**"))
        with tempfile.TemporaryDirectory() as directory:
            conf = pathlib.Path(directory) / "sample.conf"
            for indent, sample in samples:
                conf.write_text("".join(line.removeprefix(indent) + "\n" for line in sample.splitlines()))
                conf.chmod(0o600)
                run = subprocess.run([common.CLI, "--conf", str(conf), "--json", "doctor"], check=False,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                states = {c["check"]: c["state"] for c in json.loads(run.stdout)["checks"]}
                self.assertEqual(states["configuration"], "ok", sample + run.stdout.decode())


if __name__ == "__main__":
    unittest.main()
