import unittest

from orch_sdk import fake
from plugin import RANK, {{Pascal}}


class Test(unittest.TestCase):
    def test_ranked_nodes_are_taken_in_order_of_rank(self):
        host = fake.Scheduler({{Pascal}}())
        host.node("a", labels={RANK: "1"})
        host.node("b")
        host.node("c", labels={RANK: "7"})
        pod = fake.pod("web")
        self.assertEqual(host.rejected(pod), {"b": f"node(s) had no label {RANK}"})
        self.assertEqual(host.scores(pod), {"a": 14, "c": 100})


if __name__ == "__main__":
    unittest.main()
