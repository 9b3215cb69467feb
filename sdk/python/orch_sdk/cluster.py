"""An API in memory for controllers' tests.

It keeps what controllers lean on: uids, versions and their conflicts, generated names, generations,
the split between an object and its status, finalizers and owner references. It checks no schema and
no permission.
"""

import copy
import re
from dataclasses import dataclass

from .controller import Api, ApiError, Kind, rfc3339
from .patch import applied, merged


@dataclass
class Recorded:
    """An Event as a controller recorded it; `regarding` is `namespace/name`."""

    regarding: str
    event_type: str
    reason: str
    message: str


class Cluster(Api):
    def __init__(self, *objects):
        self._objects, self._revision, self._failures = {}, 0, []
        self._now_ms = 1_795_262_400_000
        self.events = []
        #: The controller's own metrics: `made_total{kind="site"}`; of histograms `…_count` and `…_sum`.
        self.metrics = {}
        #: What was written: `create Pod default/web`, `status Pod default/web`.
        self.writes = []
        for object in objects:
            self.put(object)

    # What tests do.

    def put(self, object):
        """Stores an object as it is, its status included."""
        return copy.deepcopy(self._store(self._completed(copy.deepcopy(object))))

    def advance_ms(self, millis):
        self._now_ms += millis

    def fail_next(self, verb, error):
        """Makes the next call of this verb (`create`, `update`, …) fail."""
        self._failures.append((verb, error))

    def take_writes(self):
        writes, self.writes = self.writes, []
        return writes

    def object(self, kind, namespace, name):
        """As `get`, for one that must be there."""
        found = self.get(kind, namespace, name)
        if found is None:
            raise AssertionError(f"there is no {kind.kind} {namespace}/{name}")
        return found

    # What controllers do.

    def get(self, kind, namespace, name, live=False):
        self._may_fail("get")
        return copy.deepcopy(self._objects.get((kind.api_version, kind.kind, namespace, name)))

    def list(self, kind, namespace="", labels="", fields=""):
        self._may_fail("list")
        return [
            copy.deepcopy(object)
            for key, object in sorted(self._objects.items())
            if key[:2] == (kind.api_version, kind.kind)
            and namespace in ("", key[2])
            and _matches_labels(object["metadata"].get("labels") or {}, labels)
            and _matches_fields(object, fields)
        ]

    def dependents(self, owner_uid):
        self._may_fail("dependents")
        return [
            copy.deepcopy({part: object[part] for part in ("apiVersion", "kind", "metadata")})
            for object in self._objects.values()
            if owner_uid in _owners(object)
        ]

    def create(self, object):
        self._may_fail("create")
        object = self._completed(copy.deepcopy(object))
        if _key(object) in self._objects:
            name = object["metadata"]["name"]
            raise ApiError(409, "AlreadyExists", f'{object["kind"]} "{name}" already exists')
        object.pop("status", None)
        self._note("create", object)
        return copy.deepcopy(self._store(object))

    def update(self, object, subresource=""):
        self._may_fail("update")
        before = self._current(_key(object))
        version = object["metadata"].get("resourceVersion")
        if version and version != before["metadata"]["resourceVersion"]:
            raise ApiError(
                409, "Conflict",
                f'Operation cannot be fulfilled on {object["kind"]} "{object["metadata"]["name"]}": the object has '
                "been modified; please apply your changes to the latest version and try again",
            )  # fmt: skip
        return self._write(subresource or "update", before, object, subresource)

    def patch(self, kind, namespace, name, body, patch_type="merge", subresource=""):
        self._may_fail("patch")
        key = (kind.api_version, kind.kind, namespace, name)
        if patch_type == "apply" and key not in self._objects:
            return self.create(body)
        before = self._current(key)
        after = applied(before, body) if patch_type == "json" else merged(before, body)
        return self._write("patch", before, after, subresource)

    def delete(self, kind, namespace, name, options=None):
        self._may_fail("delete")
        object = self._current((kind.api_version, kind.kind, namespace, name))
        self._note("delete", object)
        if not object["metadata"].get("finalizers"):
            self._remove(object)
        elif not object["metadata"].get("deletionTimestamp"):
            object["metadata"]["deletionTimestamp"] = rfc3339(self._now_ms)
            self._store(object)

    def delete_collection(self, kind, namespace, options=None):
        for object in self.list(kind, namespace):
            self.delete(kind, namespace, object["metadata"]["name"], options)

    def event(self, regarding, event_type, reason, message):
        metadata = regarding["metadata"]
        namespace = metadata.get("namespace")
        name = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
        self.events.append(Recorded(name, event_type, reason, message))

    def count(self, metric, by=1, /, **labels):
        self._add(_total(metric), by, labels)

    def gauge(self, metric, value, /, **labels):
        self.metrics[_sample(metric, labels)] = value

    def observe(self, metric, value, /, **labels):
        self._add(f"{metric}_count", 1, labels)
        self._add(f"{metric}_sum", value, labels)

    def forget(self, metric, /, **labels):
        for name in (metric, _total(metric), f"{metric}_count", f"{metric}_sum"):
            self.metrics.pop(_sample(name, labels), None)

    def _add(self, name, by, labels):
        sample = _sample(name, labels)
        self.metrics[sample] = self.metrics.get(sample, 0) + by

    def now_ms(self):
        return self._now_ms

    # How it keeps things.

    def _may_fail(self, verb):
        for place, (scripted, error) in enumerate(self._failures):
            if scripted == verb:
                del self._failures[place]
                raise error

    def _note(self, verb, object):
        namespace = object["metadata"].get("namespace")
        name = object["metadata"]["name"]
        self.writes.append(f"{verb} {object['kind']} {namespace + '/' if namespace else ''}{name}")

    def _next_revision(self):
        self._revision += 1
        return self._revision

    def _completed(self, object):
        metadata, number = object.setdefault("metadata", {}), self._next_revision()
        if not metadata.get("name"):
            metadata["name"] = f"{metadata.get('generateName', '')}{number:05}"
        metadata.setdefault("uid", f"uid-{number}")
        metadata.setdefault("creationTimestamp", rfc3339(self._now_ms))
        metadata.setdefault("generation", 1)
        return object

    def _store(self, object):
        object["metadata"]["resourceVersion"] = str(self._next_revision())
        self._objects[_key(object)] = object
        return object

    def _current(self, key):
        if key not in self._objects:
            raise ApiError(404, "NotFound", f'{key[1]} "{key[3]}" not found')
        return self._objects[key]

    def _write(self, verb, before, wanted, subresource):
        after = copy.deepcopy(before if subresource == "status" else wanted)
        status = (wanted if subresource == "status" else before).get("status")
        after.pop("status", None)
        if status is not None:
            after["status"] = copy.deepcopy(status)
        for kept in ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"):
            if kept in before["metadata"]:
                after["metadata"][kept] = before["metadata"][kept]
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        if after == before:
            return copy.deepcopy(before)
        self._note(verb, after)
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            self._remove(after)
            return after
        return copy.deepcopy(self._store(after))

    def _remove(self, object):
        """Background propagation, at once: the fake has no garbage collector."""
        del self._objects[_key(object)]
        for dependent in self.dependents(object["metadata"]["uid"]):
            if len(_owners(dependent)) == 1 and _key(dependent) in self._objects:
                metadata = dependent["metadata"]
                kind = Kind(dependent["apiVersion"], dependent["kind"])
                current = self._objects[_key(dependent)]
                if current["metadata"].get("finalizers"):
                    self.delete(kind, metadata.get("namespace", ""), metadata["name"])
                else:
                    self._remove(current)



def _total(counter):
    return counter.removesuffix("_total") + "_total"


def _sample(name, labels):
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name


def _key(object):
    metadata = object["metadata"]
    return (object["apiVersion"], object["kind"], metadata.get("namespace", ""), metadata["name"])


def _owners(object):
    return [owner["uid"] for owner in object["metadata"].get("ownerReferences") or []]


def _matches_labels(labels, selector):
    terms = [term.strip() for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    return all(_matches_label(labels, term) for term in terms)


def _matches_label(labels, term):
    if among := re.fullmatch(r"(\S+)\s+(notin|in)\s*\(([^)]*)\)", term):
        key, how, values = among.groups()
        found = labels.get(key) in [value.strip() for value in values.split(",")]
        return found if how == "in" else not found
    if "!=" in term:
        key, value = term.split("!=")
        return labels.get(key) != value
    if "=" in term:
        key, value = re.split("==?", term, maxsplit=1)
        return labels.get(key) == value
    return term[1:] not in labels if term.startswith("!") else term in labels


def _matches_fields(object, selector):
    for term in filter(None, selector.split(",")):
        path, operator, value = re.fullmatch(r"([^!=]+)(!=|==?)(.*)", term).groups()
        found = object
        for step in path.split("."):
            found = found.get(step, "") if isinstance(found, dict) else ""
        if (str(found) == value) == (operator == "!="):
            return False
    return True
