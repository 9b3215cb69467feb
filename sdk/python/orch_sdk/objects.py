"""Thin views of Kubernetes objects: what policies read, by name; the rest stays in `raw`.

Fields outside a plugin's interests read as empty.
"""

import json
from dataclasses import dataclass, field

from . import quantity


def parsed(source):
    """JSON text, or an object that is one already."""
    return json.loads(source) if isinstance(source, (str, bytes)) else source


@dataclass(frozen=True)
class OwnerReference:
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False

    @classmethod
    def parse(cls, raw):
        return cls(
            raw.get("apiVersion", ""), raw.get("kind", ""), raw.get("name", ""), raw.get("uid", ""),
            bool(raw.get("controller")),
        )


@dataclass
class Metadata:
    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict = field(default_factory=dict)
    annotations: dict = field(default_factory=dict)
    owners: list = field(default_factory=list)

    @classmethod
    def parse(cls, raw):
        raw = raw or {}
        return cls(
            raw.get("name", ""), raw.get("namespace", ""), raw.get("uid", ""),
            raw.get("labels") or {}, raw.get("annotations") or {},
            [OwnerReference.parse(owner) for owner in raw.get("ownerReferences") or []],
        )


@dataclass(frozen=True)
class Taint:
    key: str = ""
    value: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Toleration:
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint):
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


@dataclass
class Node:
    metadata: Metadata
    unschedulable: bool
    taints: list
    #: Resource name to quantity as written.
    allocatable: dict
    raw: dict

    @classmethod
    def parse(cls, source):
        raw = parsed(source)
        spec, status = raw.get("spec") or {}, raw.get("status") or {}
        taints = [
            Taint(taint.get("key", ""), taint.get("value", ""), taint.get("effect", ""))
            for taint in spec.get("taints") or []
        ]
        return cls(
            Metadata.parse(raw.get("metadata")), bool(spec.get("unschedulable")), taints,
            status.get("allocatable") or {}, raw,
        )

    @property
    def name(self):
        return self.metadata.name

    @property
    def labels(self):
        return self.metadata.labels


@dataclass
class Pod:
    metadata: Metadata
    node_name: str
    node_selector: dict
    tolerations: list
    priority: int
    raw: dict

    @classmethod
    def parse(cls, source):
        raw = parsed(source)
        spec = raw.get("spec") or {}
        tolerations = [
            Toleration(
                one.get("key", ""), one.get("operator") or "Equal", one.get("value", ""), one.get("effect", "")
            )
            for one in spec.get("tolerations") or []
        ]
        return cls(
            Metadata.parse(raw.get("metadata")), spec.get("nodeName", ""), spec.get("nodeSelector") or {},
            tolerations, spec.get("priority") or 0, raw,
        )

    @property
    def name(self):
        return self.metadata.name

    @property
    def labels(self):
        return self.metadata.labels

    def tolerates(self, taint):
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def requests(self):
        """What the scheduler counts for it, by resource: CPU in thousandths, all else in units.

        Containers and sidecars add up; an init container counts with the sidecars started before it,
        and only where that is more; overhead comes on top.
        """
        spec = self.raw.get("spec") or {}
        total = {}
        for container in spec.get("containers") or []:
            _add(total, _requests(container))
        sidecars, highest = {}, {}
        for container in spec.get("initContainers") or []:
            needs = dict(sidecars)
            _add(needs, _requests(container))
            if container.get("restartPolicy") == "Always":
                sidecars = needs
            for resource, amount in needs.items():
                highest[resource] = max(highest.get(resource, 0), amount)
        _add(total, sidecars)
        for resource, amount in highest.items():
            total[resource] = max(total.get(resource, 0), amount)
        _add(total, _counted(spec.get("overhead")))
        return total


def _requests(container):
    return _counted((container.get("resources") or {}).get("requests"))


def _counted(resources):
    count = lambda name, amount: quantity.milli(amount) if name == "cpu" else quantity.whole(amount)  # noqa: E731
    return {name: count(name, amount) for name, amount in (resources or {}).items()}


def _add(total, more):
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount
