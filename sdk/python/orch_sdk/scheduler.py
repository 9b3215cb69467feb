"""Scheduling policies. A node is known by an index; answers about nodes are sets of indexes.

Derive from `Policy`, describe what is read and where the policy takes part, keep what is needed of
nodes and pods in `sync`'s functions, and answer. Nothing may be remembered from one question to the
next. An exception is an answer too: it fails the call with its text.
"""

from dataclasses import dataclass, field
from enum import Enum

from .interest import Interest
from .nodeset import NodeSet
from .objects import Node, Pod

__all__ = [
    "Advice", "Description", "Eviction", "Interest", "Node", "NodeSet", "Normalization", "Patch",
    "Permission", "Pod", "PodRejected", "Policy", "Rejection", "Scope",
]  # fmt: skip


class Scope(Enum):
    """What the answer for one node depends on."""

    #: The pod, the node and the pods on it: the host keeps answers until one of these changes.
    NODE = "node"
    #: Also other nodes, pods elsewhere or other objects.
    CLUSTER = "cluster"


class Normalization(Enum):
    """What the host makes of raw scores."""

    #: They are 0 to 100 already.
    NONE = "none"
    #: The highest becomes 100, the others in proportion.
    HIGHEST = "highest"
    #: As HIGHEST, then subtracted from 100: fewer is better.
    HIGHEST_REVERSED = "highest-reversed"


#: Extension points, by the function of `Policy` that answers there.
POINTS = {
    "filter": "filter",
    "score": "score",
    "rank": "queue",
    "propose": "preemption",
    "reserve": "reserve",
    "permit": "permit",
    "pre_bind": "pre-bind",
}


@dataclass
class Description:
    #: What is kept resident through `sync`.
    interests: list = field(default_factory=list)
    #: What is read of the pod to be placed; an empty list sends all of it.
    pod: list = field(default_factory=lambda: ["metadata.namespace"])
    filter_scope: Scope = Scope.NODE
    score_scope: Scope = Scope.NODE
    normalization: Normalization = Normalization.NONE
    #: Used where the Plugin object names none.
    weight: int = 1
    order: int = 0


@dataclass
class Rejection:
    """One reason, as a user reads it after a count (`Insufficient cpu`), and the nodes it rules out."""

    reason: str
    nodes: NodeSet
    #: Evicting pods could not help.
    unresolvable: bool = False


class PodRejected(Exception):
    """Raised by `filter`: the pod can go nowhere, whatever the node. The text is the reason."""


@dataclass
class Eviction:
    """Pods (by uid) that may have to leave a node, those to be spared first coming first."""

    node: int
    victims: list


class NotEligible(Exception):
    """Raised by `propose`: the pod may not preempt. The text is the reason."""


@dataclass
class Permission:
    """Allowed, unless it waits (milliseconds) or is rejected (a reason)."""

    wait: int = 0
    rejected: str = ""


@dataclass
class Patch:
    """A write the host makes for the policy before the pod is bound."""

    api_version: str
    kind: str
    namespace: str
    name: str
    body: str
    subresource: str = ""
    #: `json`, `merge`, `strategic` or `apply`.
    patch_type: str = "merge"


@dataclass
class Advice:
    patches: list = field(default_factory=list)
    #: False: asked again when something changed, until `timeout_ms` have passed.
    ready: bool = True
    timeout_ms: int = 0


class Policy:
    """A scheduling policy. It takes part at the extension points whose functions it overrides; those
    from `rank` on need `witWorld: scheduler-full` in `orch-plugin.yaml`."""

    def describe(self):
        return Description()

    def configure(self, config):
        """`spec.config`. An exception refuses the plugin: name the field."""

    def node_changed(self, index, node):
        """The node (a `Node`) at this index is new, or changed."""

    def node_gone(self, index):
        pass

    def pod_changed(self, uid, node, pod):
        """A `Pod` assigned to the node at this index is new, or changed."""

    def pod_gone(self, uid):
        pass

    def object_changed(self, object):
        """An object of any other kind of interest, as a dict."""

    def object_gone(self, identity):
        pass

    def filter(self, pod, nodes):
        """`Rejection`s for those of `nodes` that are not feasible for the `Pod`."""
        return []

    def score(self, pod, nodes):
        """One number for each of `nodes`, in ascending order of index."""
        return [0] * len(nodes)

    def rank(self, pod):
        """A place in the queue: higher goes first."""
        return 0

    def propose(self, pod, nodes):
        """`Eviction`s that might make room."""
        return []

    def choose(self, pod, candidates):
        """The position of the `Eviction` to carry out; None: nobody is evicted."""
        return None

    def reserve(self, pod, node):
        """Holds what the pod will use; an exception sends it back to the queue."""

    def unreserve(self, pod, node):
        pass

    def permit(self, pod, node):
        return Permission()

    def pre_bind(self, pod, node):
        return Advice()

    def points(self):
        """The extension points whose functions are overridden."""
        own = type(self)
        return {point for name, point in POINTS.items() if getattr(own, name) is not getattr(Policy, name)}
