"""The SDK itself: python3 -m unittest discover sdk/python/tests, with sdk/python in PYTHONPATH."""

import unittest

from orch_sdk import admission, controller, fake, scheduler
from orch_sdk.controller import ApiError, Kind
from orch_sdk.nodeset import NodeSet
from orch_sdk.objects import Pod, Taint
from orch_sdk.patch import applied, diff
from orch_sdk.quantity import milli, parse, whole

CONFIG_MAP = Kind("v1", "ConfigMap")


class NodeSets(unittest.TestCase):
    def test_every_bit_of_a_word_is_kept(self):
        members = [0, 31, 32, 63, 64, 4999]
        nodes = NodeSet(members)
        self.assertEqual(list(nodes), members)
        self.assertEqual(NodeSet.from_words(nodes.words()), nodes)
        self.assertEqual(NodeSet([63]).words(), [1 << 63])
        self.assertEqual(list(nodes - NodeSet([31, 4999])), [0, 32, 63, 64])
        self.assertEqual(list(nodes & NodeSet([63, 5000])), [63])
        nodes.discard(4999)
        nodes.add(5)
        self.assertEqual((len(nodes), 5 in nodes, 4999 in nodes, bool(NodeSet())), (6, True, False, False))


class Quantities(unittest.TestCase):
    def test_they_are_exact_and_rounded_up(self):
        self.assertEqual([milli("100m"), milli("1.5"), milli(2), milli("0.1")], [100, 1500, 2000, 100])
        self.assertEqual([whole("1Ki"), whole("1.5Gi"), whole("2e3"), whole("1E")], [1024, 1610612736, 2000, 10**18])
        self.assertEqual(whole("1m"), 1)
        self.assertRaises(ValueError, parse, "much")


class Objects(unittest.TestCase):
    def test_a_pod_requests_what_upstream_counts(self):
        def container(cpu, **more):
            return {"resources": {"requests": {"cpu": cpu, "memory": "1Ki"}}, **more}

        spec = {
            "containers": [container("100m"), container("200m")],
            "initContainers": [container("50m", restartPolicy="Always"), container("1")],
            "overhead": {"cpu": "10m"},
        }
        self.assertEqual(Pod.parse({"spec": spec}).requests(), {"cpu": 1060, "memory": 3072})

    def test_tolerations(self):
        pod = Pod.parse({"spec": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]}})
        self.assertTrue(pod.tolerates(Taint("a", "b", "NoSchedule")))
        self.assertFalse(pod.tolerates(Taint("a", "", "NoExecute")))
        self.assertFalse(pod.tolerates(Taint("b", "", "NoSchedule")))


class Patches(unittest.TestCase):
    def test_a_patch_made_of_a_difference_makes_the_difference(self):
        before = {"metadata": {"labels": {"a/b": "1", "gone": "x"}}, "list": [1, 2], "one": 1}
        after = {"metadata": {"labels": {"a/b": "2"}}, "list": [1], "one": True, "new": None}
        self.assertIs(applied(before, diff(before, after))["one"], True)
        self.assertEqual(applied(before, diff(before, after)), after)
        self.assertEqual(diff(after, dict(after)), [])
        self.assertRaises(ValueError, applied, {}, [{"op": "replace", "path": "/a", "value": 1}])


class Policies(unittest.TestCase):
    def test_a_policy_takes_part_where_it_overrides(self):
        class Ranks(scheduler.Policy):
            def rank(self, pod):
                return 1

        self.assertEqual(Ranks().points(), {"queue"})

    def test_a_change_must_be_declared(self):
        class Changes(admission.Check):
            def describe(self):
                return admission.Description([])

            def review(self, request):
                return admission.Admitted({"changed": True}, ["careful"])

        host = fake.Admission(Changes())
        self.assertRaises(AssertionError, host.create, {"metadata": {}})
        host.description.mutates = True
        self.assertEqual(host.create({"metadata": {}}), {"changed": True})
        self.assertEqual(host.warnings, ["careful", "careful"])


class Clusters(unittest.TestCase):
    def test_versions_status_and_finalizers_are_kept(self):
        held = {"namespace": "n", "name": "a", "finalizers": ["x"]}
        cluster = fake.Cluster({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
        read = cluster.object(CONFIG_MAP, "n", "a")
        cluster.update({**read, "data": {"key": "value"}})
        with self.assertRaises(ApiError) as stale:
            cluster.update({**read, "data": {}})
        self.assertTrue(stale.exception.is_conflict)
        cluster.update_status({**cluster.object(CONFIG_MAP, "n", "a"), "data": {}, "status": {"ready": True}})
        self.assertEqual(cluster.object(CONFIG_MAP, "n", "a")["data"], {"key": "value"})
        owned = {"namespace": "n", "name": "owned", "ownerReferences": [controller.owner_reference(read)]}
        cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned})
        cluster.delete(CONFIG_MAP, "n", "a")
        self.assertTrue(controller.is_being_deleted(cluster.object(CONFIG_MAP, "n", "a")))
        cluster.patch(CONFIG_MAP, "n", "a", {"metadata": {"finalizers": None}})
        self.assertEqual(cluster.list(CONFIG_MAP), [])
        cluster.fail_next("create", ApiError(403, "Forbidden", "no"))
        self.assertRaises(ApiError, cluster.create, read)

    def test_lists_are_selected(self):
        def pod(name, app):
            metadata = {"namespace": "n", "name": name, "labels": {"app": app}}
            return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}

        cluster = fake.Cluster(pod("a", "web"), pod("b", "db"))

        def names(*selection):
            return [one["metadata"]["name"] for one in cluster.list(Kind("v1", "Pod"), *selection)]

        self.assertEqual(names("n", "app in (web, api)"), ["a"])
        self.assertEqual(names("n", "app!=web,!other"), ["b"])
        self.assertEqual(names("", "", "metadata.name=b"), ["b"])
        self.assertEqual(names("elsewhere"), [])

    def test_metrics_are_kept_by_their_labels(self):
        cluster = fake.Cluster()
        cluster.count("made_total", kind="site", by="me")
        cluster.count("made", 2, by="me", kind="site")
        cluster.gauge("ready", 2)
        cluster.observe("took_seconds", 0.5)
        made = 'made_total{by="me",kind="site"}'
        self.assertEqual(cluster.metrics, {made: 3, "ready": 2, "took_seconds_count": 1, "took_seconds_sum": 0.5})
        cluster.forget("made", kind="site", by="me")
        cluster.forget("took_seconds")
        self.assertEqual(cluster.metrics, {"ready": 2})

    def test_conditions_keep_their_time_while_they_hold(self):
        status = {}
        controller.set_condition(status, "Ready", True, "Up", "", 1, 0)
        controller.set_condition(status, "Ready", True, "Up", "", 2, 5000)
        self.assertEqual(status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z")
        self.assertEqual(status["conditions"][0]["observedGeneration"], 2)
        self.assertEqual((controller.split_key("a/b"), controller.split_key("b")), (("a", "b"), ("", "b")))


if __name__ == "__main__":
    unittest.main()
