# SPDX-License-Identifier: Apache-2.0
"""The documents keep up with the code: each provider code is in TROUBLESHOOTING.md with its name, and
the links between documents lead somewhere."""

import re
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


if __name__ == "__main__":
    unittest.main()
