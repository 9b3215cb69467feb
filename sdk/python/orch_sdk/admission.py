"""Admission checks: a request is let through, changed or refused before it is stored."""

from dataclasses import dataclass, field

from .interest import Interest
from .objects import parsed
from .patch import diff

__all__ = ["Admitted", "Check", "Condition", "Denied", "Description", "Interest", "Request", "Rule"]


@dataclass
class Rule:
    """Which requests are worth a call. `*` matches all; `pods/status` is a sub-resource."""

    #: `CREATE`, `UPDATE`, `DELETE`, `CONNECT`
    operations: list
    resources: list
    api_groups: list = field(default_factory=lambda: [""])


@dataclass
class Description:
    rules: list
    #: Kinds kept resident through `object_changed`.
    interests: list = field(default_factory=list)
    #: `review` may change the object.
    mutates: bool = False


@dataclass
class Condition:
    """What a request must be to matter: all that is said must hold. Resources of the rules that no
    condition names always matter; of several that name one, one must hold."""

    resources: list
    #: Whoever asks is in one of these groups.
    groups: list = field(default_factory=list)
    #: The namespace has a label with one of these keys; `example.com/*`: that begins so.
    namespace_labels: list = field(default_factory=list)


@dataclass
class Reading:
    """What is read of requests: of several that name a resource all count; what none names is sent whole."""

    resources: list
    #: Paths in the AdmissionRequest: `namespace`, `object.spec.containers[*].image`. Its kind, resource,
    #: subResource and operation are always there. What a patch adds to must be named.
    fields: list


@dataclass
class Request:
    """`admission.k8s.io/v1` AdmissionRequest. `object` and `old_object` are None where there is none."""

    operation: str
    resource: dict
    sub_resource: str
    kind: dict
    name: str
    namespace: str
    user: dict
    object: dict
    old_object: dict
    dry_run: bool
    raw: dict

    @classmethod
    def parse(cls, source):
        raw = parsed(source)
        return cls(
            raw["operation"], raw.get("resource") or {}, raw.get("subResource", ""), raw.get("kind") or {},
            raw.get("name", ""), raw.get("namespace", ""), raw.get("userInfo") or {},
            raw.get("object"), raw.get("oldObject"), bool(raw.get("dryRun")), raw,
        )

    def label(self, key):
        metadata = (self.object or {}).get("metadata") or {}
        return (metadata.get("labels") or {}).get(key)


@dataclass
class Admitted:
    #: The object as it is to be stored; None: as it came.
    object: dict = None
    #: Sent to the client as `Warning` headers.
    warnings: list = field(default_factory=list)

    def patch(self, request):
        """RFC 6902, from the object that came to the one to be stored."""
        return [] if self.object is None else diff(request.object, self.object)


class Denied(Exception):
    """Raised by `review`: the Status the client gets."""

    def __init__(self, message, code=403, reason="Forbidden"):
        super().__init__(message)
        self.message, self.code, self.reason = message, code, reason

    @classmethod
    def invalid(cls, message):
        return cls(message, 422, "Invalid")

    @classmethod
    def not_found(cls, message):
        return cls(message, 404, "NotFound")


class Check:
    def describe(self):
        raise NotImplementedError("describe says which requests are reviewed")

    def configure(self, config):
        """`spec.config`. An exception refuses the plugin: name the field."""

    def conditions(self):
        """`Condition`s that spare other requests the call; asked after each `configure`. Needs
        `witWorld: admission-relevance` in `orch-plugin.yaml`."""
        return []

    def reads(self):
        """`Reading`s: what is sent of a request; nothing said: all. Requests that are alike as far as they
        are read may get one answer. Asked after each `configure`. Needs `witWorld: admission-view`."""
        return []

    def object_changed(self, object):
        """An object of interest, current at every `review`."""

    def object_gone(self, identity):
        pass

    def review(self, request):
        """None or an `Admitted`; raises `Denied`. Any other exception is no verdict: what becomes of
        the request then is up to `spec.failurePolicy`."""
