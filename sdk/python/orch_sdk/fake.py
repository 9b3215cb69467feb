"""Fake hosts for tests without Wasm: they drive a plugin as the host does, and record what it does."""

from .admission import Request
from .cni import Sandbox as _Sandbox
from .cluster import Cluster, Recorded
from .directory import Directory
from .nodeset import NodeSet
from .objects import Node, Pod
from .patch import applied
from .scheduler import Normalization

__all__ = ["Admission", "Cluster", "Directory", "Recorded", "Sandbox", "Scheduler", "node", "pod"]


def node(name, labels=None, allocatable=None, taints=None, unschedulable=False):
    """A Node as JSON would have it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels or {}},
        "spec": {"unschedulable": unschedulable, "taints": taints or []},
        "status": {"allocatable": allocatable or {"cpu": "4", "memory": "16Gi", "pods": "110"}},
    }


def pod(name, labels=None, requests=None, **spec):
    """A Pod as JSON would have it; further arguments are fields of its spec."""
    container = {"name": "main", "image": "example", "resources": {"requests": requests or {}}}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


class Scheduler:
    """Nodes and pods by name, and one policy's opinion of them."""

    def __init__(self, policy, config=None):
        self.policy, self.indexes = policy, {}
        self.description = policy.describe()
        policy.configure(config or {})

    def node(self, source, **parts):
        """Adds or changes a node: an object, or a name and the parts that `fake.node` takes."""
        source = node(source, **parts) if isinstance(source, str) else source
        index = self.indexes.setdefault(source["metadata"]["name"], len(self.indexes))
        self.policy.node_changed(index, Node.parse(source))

    def remove_node(self, name):
        self.policy.node_gone(self.indexes.pop(name))

    def place(self, source, node):
        """Assigns a pod to a node."""
        placed = Pod.parse(source)
        self.policy.pod_changed(placed.metadata.uid, self.indexes[node], placed)

    def remove_pod(self, source):
        self.policy.pod_gone(Pod.parse(source).metadata.uid)

    def rejected(self, source):
        """The reason for each node that is not feasible, by name."""
        names = {index: name for name, index in self.indexes.items()}
        all_nodes = NodeSet(names)
        reasons = {}
        for rejection in self.policy.filter(Pod.parse(source), all_nodes) or []:
            for index in rejection.nodes & all_nodes:
                reasons.setdefault(names[index], rejection.reason)
        return reasons

    def feasible(self, source):
        rejected = self.rejected(source)
        return [name for name in self.indexes if name not in rejected]

    def scores(self, source):
        """The feasible nodes' scores by name, normalized as the host does."""
        feasible = {self.indexes[name]: name for name in self.feasible(source)}
        raw = self.policy.score(Pod.parse(source), NodeSet(feasible))
        if len(raw) != len(feasible):
            raise AssertionError(f"{len(raw)} scores for {len(feasible)} nodes")
        by_name = {feasible[index]: score for index, score in zip(sorted(feasible), raw, strict=True)}
        return _normalized(by_name, self.description.normalization)


def _normalized(scores, how):
    highest = max(scores.values(), default=0)
    if how is Normalization.NONE:
        return scores
    if how is Normalization.HIGHEST:
        return {name: score * 100 // highest if highest else 0 for name, score in scores.items()}
    return {name: 100 - (score * 100 // highest if highest else 0) for name, score in scores.items()}


class Admission:
    """Sends requests to one check."""

    def __init__(self, check, config=None):
        self.check, self.warnings = check, []
        self.description = check.describe()
        check.configure(config or {})

    def review(self, operation, object=None, old_object=None, **fields):
        """The object as it would be stored; raises `Denied`. Warnings gather in `warnings`."""
        metadata = (object or old_object or {}).get("metadata", {})
        request = Request.parse(
            {
                "operation": operation,
                "object": object,
                "oldObject": old_object,
                "name": metadata.get("name", ""),
                "namespace": metadata.get("namespace", ""),
                **fields,
            }
        )
        admitted = self.check.review(request)
        if admitted is None:
            return object
        self.warnings += admitted.warnings
        patch = admitted.patch(request)
        if patch and not self.description.mutates:
            raise AssertionError("the check changes objects, but its description does not say `mutates`")
        return applied(object, patch)

    def create(self, object, **fields):
        return self.review("CREATE", object, **fields)

    def update(self, old_object, object, **fields):
        return self.review("UPDATE", object, old_object, **fields)

    def delete(self, old_object, **fields):
        return self.review("DELETE", None, old_object, **fields)


class Sandbox(_Sandbox):
    """Records what is asked of it, as `calls`: `("add_address", "node", "10.0.0.1/32")`."""

    def __init__(self):
        self.calls = []

    def add_veth(self, node_name, sandbox_name, mtu=0):
        self.calls.append(("add_veth", node_name, sandbox_name, mtu))

    def remove_veth(self, node_name):
        self.calls.append(("remove_veth", node_name))

    def add_address(self, side, cidr):
        self.calls.append(("add_address", side, cidr))

    def add_route(self, side, route):
        self.calls.append(("add_route", side, route))

    def add_neighbour(self, ip):
        self.calls.append(("add_neighbour", ip))

    def set_sysctl(self, side, key, value):
        self.calls.append(("set_sysctl", side, key, value))
