import unittest

from orch_sdk import fake
from orch_sdk.admission import Denied
from plugin import OWNER, {{Pascal}}


class Test(unittest.TestCase):
    def test_namespaces_need_an_owner(self):
        host = fake.Admission({{Pascal}}())
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        with self.assertRaises(Denied) as denied:
            host.create(namespace)
        self.assertEqual((denied.exception.code, OWNER in str(denied.exception)), (403, True))
        namespace["metadata"]["labels"] = {OWNER: "me"}
        self.assertEqual(host.create(namespace), namespace)


if __name__ == "__main__":
    unittest.main()
