# SPDX-License-Identifier: Apache-2.0
"""p11ekm token list, and the ways to name a token."""

import common


class Token(common.TokenCase):
    def test_list(self):
        self.add_token("second")
        text = self.ok("token", "list").out
        self.assertIn("soft", text)
        self.assertIn("second", text)
        tokens = {token["label"]: token for token in self.ok("token", "list", "--json").json()["tokens"]}
        self.assertEqual(tokens["soft"]["alias"], "hsm")
        self.assertIsNone(tokens["second"]["alias"])
        self.assertTrue(tokens["soft"]["initialised"])
        self.assertEqual(tokens["soft"]["state"], "ready")

    def test_uri_of_the_list_names_the_token(self):
        self.add_token("second")
        tokens = self.ok("token", "list", "--json").json()["tokens"]
        uri = next(token["uri"] for token in tokens if token["label"] == "second")
        self.assertTrue(uri.startswith("pkcs11:token=second;"))
        keys = self.ok("key", "list", "--json", "--token", uri, "--pin-file", self.pin_file).json()
        self.assertEqual(keys["token"], "second")

    def test_unknown_and_ambiguous(self):
        run = self.fails("TOKEN_NOT_FOUND", "key", "list", "--token", "nobody",
                         "--pin-file", self.pin_file)
        self.assertIn("nobody", run.err)
        self.add_token("two")
        other = self.directory / "token2"
        self.assertTrue(other.parent.exists())
        self.fails("TOKEN_AMBIGUOUS", "key", "list", "--token", "pkcs11:model=SoftHSM%20v2",
                   "--pin-file", self.pin_file)


if __name__ == "__main__":
    common.main()
