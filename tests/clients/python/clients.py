"""Drives a host with the Python client, unmodified. KUBECONFIG names the host."""

import base64
import time
import unittest
import uuid

from kubernetes import client, config, dynamic, watch
from kubernetes.client import ApiException
from kubernetes.stream import stream

IMAGE = "example.orch.dev/hello:1"
PATIENCE = 60


def eventually(what, ask):
    """Asks until the answer is true; what it said last is in the failure."""
    deadline = time.monotonic() + PATIENCE
    while True:
        last = ask()
        if last is True:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: {last}")
        time.sleep(0.05)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        config.load_kube_config()
        cls.core = client.CoreV1Api()
        cls.namespace = "python-" + uuid.uuid4().hex[:8]
        cls.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=cls.namespace)))

    @classmethod
    def tearDownClass(cls):
        cls.core.delete_namespace(cls.namespace)

    def test_verbs(self):
        body = client.V1ConfigMap(
            metadata=client.V1ObjectMeta(generate_name="map-", labels={"app": "verbs"}),
            data={"key": "1"},
            binary_data={"bytes": base64.b64encode(b"\x00\xff").decode()},
        )
        created = self.core.create_namespaced_config_map(self.namespace, body)
        name = created.metadata.name
        self.assertTrue(name.startswith("map-"))
        created.data["key"] = "2"
        self.core.replace_namespaced_config_map(name, self.namespace, created)
        patched = self.core.patch_namespaced_config_map(name, self.namespace, {"data": {"patched": "1"}})
        self.assertEqual(patched.data, {"key": "2", "patched": "1"})
        self.core.patch_namespaced_config_map(
            name, self.namespace, [{"op": "remove", "path": "/data/patched"}]
        )
        listed = self.core.list_namespaced_config_map(self.namespace, label_selector="app=verbs", limit=5)
        self.assertEqual([item.data for item in listed.items], [{"key": "2"}])
        deleted = self.core.delete_namespaced_config_map(name, self.namespace)
        told = deleted if isinstance(deleted, dict) else deleted.to_dict()
        self.assertEqual(told["status"], "Success")
        with self.assertRaises(ApiException) as missing:
            self.core.read_namespaced_config_map(name, self.namespace)
        self.assertEqual((missing.exception.status, missing.exception.reason), (404, "Not Found"))
        with self.assertRaises(ApiException) as stale:
            self.core.create_namespaced_config_map(self.namespace, {"metadata": {"name": "No Name"}})
        self.assertEqual(stale.exception.status, 422)

    def test_apply(self):
        resources = dynamic.DynamicClient(client.ApiClient()).resources
        maps = resources.get(api_version="v1", kind="ConfigMap")

        def apply(data, manager, **options):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}
            return maps.server_side_apply(
                body=body, namespace=self.namespace, field_manager=manager, **options
            )

        apply({"a": "1"}, "one")
        with self.assertRaises(ApiException) as conflict:
            apply({"a": "2"}, "two")
        self.assertEqual(conflict.exception.status, 409)
        forced = apply({"a": "2"}, "two", force_conflicts=True)
        self.assertEqual(forced.data.a, "2")

    def test_watch(self):
        start = self.core.list_namespaced_secret(self.namespace).metadata.resource_version
        self.core.create_namespaced_secret(
            self.namespace, client.V1Secret(metadata=client.V1ObjectMeta(name="seen"), string_data={"a": "b"})
        )
        self.core.delete_namespaced_secret("seen", self.namespace)
        watcher, seen = watch.Watch(), []
        for event in watcher.stream(
            self.core.list_namespaced_secret, self.namespace, resource_version=start, timeout_seconds=PATIENCE
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                watcher.stop()
        self.assertEqual(seen, [("ADDED", "seen"), ("DELETED", "seen")])

    def test_custom_resources(self):
        group = f"{self.namespace}.example.com"
        names = {"plural": "tables", "singular": "table", "kind": "Table", "listKind": "TableList"}
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        definitions = client.ApiextensionsV1Api()
        definitions.create_custom_resource_definition({
            "metadata": {"name": f"tables.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        })

        def established():
            found = definitions.read_custom_resource_definition(f"tables.{group}").status
            conditions = {item.type: item.status for item in found.conditions or []}
            return conditions.get("Established") == "True" or conditions

        eventually("the definition", established)
        objects = client.CustomObjectsApi()
        table = {"apiVersion": f"{group}/v1", "kind": "Table", "metadata": {"name": "one"}, "legs": 4}
        place = (group, "v1", self.namespace, "tables")
        objects.create_namespaced_custom_object(*place, table)
        objects.patch_namespaced_custom_object(*place, "one", {"legs": 3})
        self.assertEqual(objects.list_namespaced_custom_object(*place)["items"][0]["legs"], 3)
        definitions.delete_custom_resource_definition(f"tables.{group}")

    def test_logs_and_exec(self):
        container = client.V1Container(name="web", image=IMAGE)
        self.core.create_namespaced_pod(
            self.namespace,
            client.V1Pod(
                metadata=client.V1ObjectMeta(name="web"), spec=client.V1PodSpec(containers=[container])
            ),
        )

        def running():
            status = self.core.read_namespaced_pod("web", self.namespace).status
            return status.phase == "Running" or status

        def logged():
            log = self.core.read_namespaced_pod_log("web", self.namespace)
            return "web serves on 8080" in log or log

        eventually("the pod", running)
        eventually("its log", logged)
        session = stream(
            self.core.connect_get_namespaced_pod_exec, "web", self.namespace,
            command=["sh", "-c", "read line; echo said $line; echo wrong >&2; exit 7"],
            stdin=True, stdout=True, stderr=True, _preload_content=False,
        )
        session.write_stdin("this\n")
        session.run_forever(timeout=PATIENCE)
        self.assertEqual(session.read_stdout(), "said this\n")
        self.assertEqual(session.read_stderr(), "wrong\n")
        self.assertEqual(session.returncode, 7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
