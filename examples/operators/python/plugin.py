"""An operator: a Website becomes a ConfigMap of its pages, a Deployment that serves them, and a Service.

All sites of a namespace are listed in its ConfigMap `websites`, which no single site owns: that is
what the finalizer is for.
"""

import manifests
from orch_sdk import export
from orch_sdk.controller import (
    ApiError, Controller, Description, Interest, Kind, Metric, Watch, has_finalizer, is_being_deleted, set_condition, split_key,
)  # fmt: skip

WEBSITE = Kind("example.orch.dev/v1", "Website")
CONFIG_MAP = Kind("v1", "ConfigMap")
FINALIZER = "example.orch.dev/website"
LIST = "websites"
CHANGES = "website_changes_total"
READY = "website_ready_replicas"


class Conflict(Exception):
    """An object of the wanted name belongs to somebody else."""


@export
class WebsiteOperator(Controller):
    def describe(self):
        owned = [
            Watch(Interest(api_version, kind, fields), owner="Website")
            for api_version, kind, fields in [
                ("v1", "ConfigMap", ["metadata.ownerReferences", "data"]),
                ("v1", "Service", ["metadata.ownerReferences", "spec"]),
                ("apps/v1", "Deployment", ["metadata.ownerReferences", "spec", "status.readyReplicas"]),
            ]
        ]
        site = Interest(WEBSITE.api_version, WEBSITE.kind, ["spec", "metadata.generation", "metadata.deletionTimestamp"])
        metrics = [
            Metric(CHANGES, "counter", "Objects of websites that were created or put right."),
            Metric(READY, "gauge", "Replicas of a website that are ready."),
        ]
        return Description([Watch(site), *owned], concurrency=2, metrics=metrics)

    def reconcile(self, api, key):
        namespace, name = split_key(key)
        site = api.get(WEBSITE, namespace, name)
        if site is None:
            api.forget(READY, namespace=namespace, website=name)
            return
        if is_being_deleted(site):
            self.let_go(api, site)
            return
        if not has_finalizer(site, FINALIZER):
            finalizers = [*site["metadata"].get("finalizers", []), FINALIZER]
            site = api.patch(WEBSITE, namespace, name, {"metadata": {"finalizers": finalizers}})
        try:
            made = [ensure(api, site, wanted) for wanted in manifests.objects_of(site)]
            self.enlist(api, site)
        except Conflict as conflict:
            api.event(site, "Warning", "Conflict", str(conflict))
            self.tell(api, site, 0, "Conflict", str(conflict))
            return
        ready, wanted = made[1].get("status", {}).get("readyReplicas", 0), site["spec"].get("replicas", 1)
        reason = "Available" if ready >= wanted else "Progressing"
        self.tell(api, site, ready, reason, f"{ready} of {wanted} replicas are ready")

    def tell(self, api, site, ready, reason, message):
        """Writes the status, when it differs."""
        metadata, before = site["metadata"], site.get("status", {})
        api.gauge(READY, ready, namespace=metadata["namespace"], website=metadata["name"])
        generation = metadata["generation"]
        conditions = [dict(one) for one in before.get("conditions", [])]
        status = {"observedGeneration": generation, "readyReplicas": ready, "conditions": conditions}
        set_condition(status, "Ready", reason == "Available", reason, message, generation, api.now_ms())
        if status != before:
            api.update_status({**site, "status": status})

    def enlist(self, api, site):
        metadata = site["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        entry = {name: f"http://{name}.{namespace}.svc"}
        known = api.get(CONFIG_MAP, namespace, LIST)
        if known is None:
            metadata = {"name": LIST, "namespace": namespace}
            api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": entry})
        elif known.get("data", {}).get(name) != entry[name]:
            api.patch(CONFIG_MAP, namespace, LIST, {"data": entry})

    def let_go(self, api, site):
        if not has_finalizer(site, FINALIZER):
            return
        metadata = site["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            api.patch(CONFIG_MAP, namespace, LIST, {"data": {name: None}})
        except ApiError as error:
            if not error.is_not_found:
                raise
        others = [one for one in metadata["finalizers"] if one != FINALIZER]
        api.patch(WEBSITE, namespace, name, {"metadata": {"finalizers": others or None}})


def ensure(api, site, wanted):
    """Makes an object what it should be; returns it as it is then."""
    kind, metadata = Kind(wanted["apiVersion"], wanted["kind"]), wanted["metadata"]
    found = api.get(kind, metadata["namespace"], metadata["name"])
    if found is None:
        made = api.create(wanted)
        api.event(site, "Normal", "Created", f"{kind.kind} {metadata['name']}")
        api.count(CHANGES, kind=kind.kind, change="created")
        return made
    owners = found["metadata"].get("ownerReferences", [])
    if not any(owner.get("controller") and owner["uid"] == site["metadata"]["uid"] for owner in owners):
        raise Conflict(f"{kind.kind} {metadata['name']} belongs to somebody else")
    if manifests.is_as_wanted(wanted, found):
        return found
    put_right = api.update(manifests.corrected(wanted, found))
    api.count(CHANGES, kind=kind.kind, change="put-right")
    return put_right
