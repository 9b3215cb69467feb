import unittest

from orch_sdk import fake
from plugin import {{Pascal}}


class Test(unittest.TestCase):
    def test_namespaces_are_greeted(self):
        cluster = fake.Cluster({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        {{Pascal}}().reconcile(cluster, "shop")
        self.assertEqual([event.message for event in cluster.events], ["hello, shop"])
        {{Pascal}}().reconcile(cluster, "gone")
        self.assertEqual(len(cluster.events), 1)


if __name__ == "__main__":
    unittest.main()
