"""The objects of a Website, and what of them is its own."""

from orch_sdk.controller import owner_reference
from orch_sdk.patch import merged

# The first process of a container gets no default signal handlers: it ends when asked to.
SERVE = "httpd -f -p 8080 -h /www & trap 'kill $!; exit 0' TERM; wait"


def objects_of(site):
    metadata, spec = site["metadata"], site["spec"]
    labels = {"example.orch.dev/website": metadata["name"]}

    def made(api_version, kind, **content):
        own = {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(site)],
        }
        return {"apiVersion": api_version, "kind": kind, "metadata": own, **content}

    container = {
        "name": "web",
        "image": spec.get("image", "example.orch.dev/hello:1"),
        "command": ["sh", "-c", SERVE],
        "ports": [{"containerPort": 8080}],
        "volumeMounts": [{"name": "pages", "mountPath": "/www"}],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "volumes": [{"name": "pages", "configMap": {"name": metadata["name"]}}]},
    }
    rollout = {"replicas": spec.get("replicas", 1), "selector": {"matchLabels": labels}, "template": template}
    return [
        made("v1", "ConfigMap", data=spec["pages"]),
        made("apps/v1", "Deployment", spec=rollout),
        made("v1", "Service", spec={"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}),
    ]


def is_as_wanted(wanted, found):
    """Pages exactly; of a spec what is wanted, since the API adds defaults."""
    return wanted.get("data") == found.get("data") and _has(wanted.get("spec"), found.get("spec"))


def corrected(wanted, found):
    object = {**found}
    if "data" in wanted:
        object["data"] = wanted["data"]
    if "spec" in wanted:
        object["spec"] = merged(found["spec"], wanted["spec"])
    return object


def _has(wanted, found):
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_has(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_has, wanted, found))
    return wanted == found
