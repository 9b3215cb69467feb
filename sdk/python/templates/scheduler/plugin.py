"""Ranks nodes by the label `example.com/rank`, and keeps pods off those that have none."""

from orch_sdk import export
from orch_sdk.scheduler import Description, Interest, NodeSet, Normalization, Policy, Rejection

RANK = "example.com/rank"


@export
class {{Pascal}}(Policy):
    def __init__(self):
        self.ranks = {}

    def describe(self):
        return Description(
            interests=[Interest("v1", "Node", ["metadata.labels"])],
            normalization=Normalization.HIGHEST,
        )

    def node_changed(self, index, node):
        self.node_gone(index)
        if RANK in node.labels:
            self.ranks[index] = int(node.labels[RANK])

    def node_gone(self, index):
        self.ranks.pop(index, None)

    def filter(self, pod, nodes):
        unranked = nodes - NodeSet(self.ranks)
        return [Rejection(f"node(s) had no label {RANK}", unranked, unresolvable=True)]

    def score(self, pod, nodes):
        return [self.ranks.get(node, 0) for node in nodes]
