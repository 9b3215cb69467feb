"""Controllers: what they watch, how a change becomes a key, and what they do about a key.

A controller is level-triggered: `reconcile` looks at the world as it is. It may be stopped at any
call and started again elsewhere; all it needs to know is in the API.
"""

from dataclasses import dataclass, field

from .interest import Interest

__all__ = [
    "Api", "ApiError", "Controller", "Description", "Interest", "Kind", "Metric", "Watch",
    "has_finalizer", "is_being_deleted", "key_of", "owner_reference", "set_condition", "split_key",
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    api_version: str
    kind: str


@dataclass
class Watch:
    """A change of such an object reconciles: the key of the controlling owner of kind `owner`, or
    what `keys` answers where `mapped`, or its own key."""

    interest: Interest
    owner: str = ""
    mapped: bool = False


@dataclass
class Metric:
    """A metric of the controller's own: see `Api.count`, `Api.gauge` and `Api.observe`."""

    name: str
    #: `counter`, `gauge` or `histogram`.
    kind: str
    help: str = ""
    #: Upper bounds of a histogram's buckets; empty: for durations in seconds.
    buckets: list = field(default_factory=list)


@dataclass
class Description:
    watches: list = field(default_factory=list)
    #: How many different keys may be reconciled at once, each on an instance of its own.
    concurrency: int = 1
    #: What is said of metrics beforehand; any may be left out.
    metrics: list = field(default_factory=list)


class ApiError(Exception):
    """A failed call: Kubernetes' Status in short. `code` is the HTTP status."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    @property
    def is_not_found(self):
        return self.code == 404

    @property
    def is_conflict(self):
        return self.code == 409 and self.reason == "Conflict"


class Api:
    """The API as the plugin's own service account sees it. Objects are dicts. Reads come from the
    host's watch cache unless they are `live`. The component and `fake.Cluster` implement it."""

    def get(self, kind, namespace, name, live=False):
        """The object, or None."""
        raise NotImplementedError

    def list(self, kind, namespace="", labels="", fields=""):
        """An empty namespace: all of them. Selectors in kubectl's syntax."""
        raise NotImplementedError

    def dependents(self, owner_uid):
        """apiVersion, kind and metadata of whatever names this uid as an owner."""
        raise NotImplementedError

    def create(self, object):
        raise NotImplementedError

    def update(self, object, subresource=""):
        """`metadata.resourceVersion`, when set, must match."""
        raise NotImplementedError

    def update_status(self, object):
        return self.update(object, "status")

    def patch(self, kind, namespace, name, body, patch_type="merge", subresource=""):
        raise NotImplementedError

    def apply(self, object):
        """Server-side apply, as the plugin's own field manager."""
        metadata = object["metadata"]
        kind = Kind(object["apiVersion"], object["kind"])
        return self.patch(kind, metadata.get("namespace", ""), metadata["name"], object, "apply")

    def delete(self, kind, namespace, name, options=None):
        raise NotImplementedError

    def delete_collection(self, kind, namespace, options=None):
        raise NotImplementedError

    def event(self, regarding, event_type, reason, message):
        """`event_type`: `Normal` or `Warning`."""
        raise NotImplementedError

    def count(self, metric, by=1, /, **labels):
        """Adds to a counter of the plugin's own: `plugin_METRIC_total` on the host's `/metrics`, with
        the plugin's name and these labels. The host drops what cannot be taken and says why in the
        plugin's log: see `orch:controller`'s interface `metrics`."""

    def gauge(self, metric, value, /, **labels):
        """Sets a gauge: `plugin_METRIC`."""

    def observe(self, metric, value, /, **labels):
        """Adds a value to a histogram: `plugin_METRIC_bucket`, `…_sum` and `…_count`."""

    def forget(self, metric, /, **labels):
        """Takes out the samples with just these labels: what they are about is gone."""

    def now_ms(self):
        """Milliseconds since the epoch."""
        raise NotImplementedError


class Controller:
    def describe(self):
        raise NotImplementedError("describe says what is watched")

    def configure(self, config):
        """`spec.config`. An exception refuses the plugin: name the field."""

    def keys(self, watch, change, object, before):
        """For `mapped` watches: keys to reconcile. `watch` is its place in the description, `change`
        `added`, `modified` or `deleted`, `before` the object as it was when modified."""
        return []

    def reconcile(self, api, key):
        """Brings the world nearer to what the API asks for. Returns None, or after how many
        milliseconds to look again though nothing changed. An exception is retried with back-off."""


def split_key(key):
    """`namespace/name` taken apart; the namespace is empty for cluster-scoped objects."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def key_of(object):
    metadata = object["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]


def owner_reference(owner):
    """Makes `owner` the controller of what carries it: it goes when the owner goes."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_being_deleted(object):
    return bool(object["metadata"].get("deletionTimestamp"))


def has_finalizer(object, finalizer):
    return finalizer in (object["metadata"].get("finalizers") or [])


def set_condition(status, type, is_true, reason, message, generation, now_ms):
    """Sets a condition of `status`; its transition time moves only when its truth does."""
    value = {True: "True", False: "False", None: "Unknown"}[is_true]
    conditions = status.setdefault("conditions", [])
    known = next((one for one in conditions if one["type"] == type), None)
    if known is None:
        known = {"type": type}
        conditions.append(known)
    if known.get("status") != value:
        known["lastTransitionTime"] = rfc3339(now_ms)
    known.update(status=value, reason=reason, message=message, observedGeneration=generation)


def rfc3339(now_ms):
    """As Kubernetes writes times: whole seconds, UTC."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(now_ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
