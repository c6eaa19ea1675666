# SPDX-License-Identifier: Apache-2.0
"""p11ekm probe: two runs agree, and the result matches the known properties of SoftHSM."""

import common


class Probe(common.TokenCase):
    def test_known_answers_of_softhsm(self):
        document = self.ok("probe", "--json").json()
        results = {check["name"]: check["result"] for check in document["checks"]}
        self.assertNotIn("WRONG", results.values())
        self.assertEqual(document["oaep"], {"oaep-sha256": "raw-not-allowed", "oaep-sha1": "token"})
        self.assertIn("yes", results.values())
        names = [mechanism["name"] for mechanism in document["mechanisms"]]
        self.assertIn("CKM_RSA_PKCS_OAEP", names)
        self.assertEqual(names, sorted(names))
        # SoftHSM 2.6 does not support OAEP with SHA-256: a probe that says yes has trusted the
        # list.
        sha256 = [result for name, result in results.items() if "oaep-sha256" in name]
        self.assertTrue(sha256)
        self.assertNotIn("yes", sha256)

    def test_which_way_oaep_is_done(self):
        self.set_keys(rsa_raw="yes")
        self.assertRegex(self.ok("probe").out, r"oaep-sha256 +raw\n +oaep-sha1 +token\n")

    def test_two_runs_and_two_tokens_agree(self):
        first = self.ok("probe").out
        self.assertEqual(first, self.ok("probe").out)
        self.add_token("second")
        second = self.ok("probe", "--token", "second", "--pin-file", self.pin_file).out
        self.assertEqual(first, second)

    def test_leaves_no_key_behind(self):
        self.ok("probe")
        self.assertEqual(self.ok("key", "list", "--json").json()["keys"], [])


if __name__ == "__main__":
    common.main()
