import unittest

from orch_sdk import fake
from orch_sdk.controller import ApiError, Kind
from plugin import WEBSITE, WebsiteOperator

DEPLOYMENT = Kind("apps/v1", "Deployment")


def website(name="hello", **spec):
    metadata = {"name": name, "namespace": "web"}
    spec = {"pages": {"index.html": "hi"}, "replicas": 2, **spec}
    return {"apiVersion": WEBSITE.api_version, "kind": WEBSITE.kind, "metadata": metadata, "spec": spec}


class Test(unittest.TestCase):
    def setUp(self):
        self.cluster, self.operator = fake.Cluster(website()), WebsiteOperator()
        self.operator.reconcile(self.cluster, "web/hello")

    def condition(self):
        return self.cluster.object(WEBSITE, "web", "hello")["status"]["conditions"][0]

    def test_it_is_ready_when_its_replicas_are(self):
        self.assertEqual((self.condition()["status"], self.condition()["reason"]), ("False", "Progressing"))
        since = self.condition()["lastTransitionTime"]
        self.cluster.advance_ms(60_000)
        deployment = self.cluster.object(DEPLOYMENT, "web", "hello")
        self.cluster.update_status({**deployment, "status": {"readyReplicas": 2}})
        self.operator.reconcile(self.cluster, "web/hello")
        self.assertEqual((self.condition()["status"], self.condition()["reason"]), ("True", "Available"))
        self.assertNotEqual(self.condition()["lastTransitionTime"], since)

    def test_a_change_reaches_the_deployment_and_is_observed(self):
        self.cluster.patch(WEBSITE, "web", "hello", {"spec": {"replicas": 3}})
        self.operator.reconcile(self.cluster, "web/hello")
        self.assertEqual(self.cluster.object(DEPLOYMENT, "web", "hello")["spec"]["replicas"], 3)
        self.assertEqual(self.cluster.metrics['website_changes_total{change="put-right",kind="Deployment"}'], 1)
        site = self.cluster.object(WEBSITE, "web", "hello")
        self.assertEqual(site["status"]["observedGeneration"], site["metadata"]["generation"])
        self.cluster.take_writes()
        self.operator.reconcile(self.cluster, "web/hello")
        self.assertEqual(self.cluster.take_writes(), [])

    def test_deletion_cleans_up_though_the_list_is_gone(self):
        self.cluster.delete(Kind("v1", "ConfigMap"), "web", "websites")
        self.cluster.delete(WEBSITE, "web", "hello")
        self.operator.reconcile(self.cluster, "web/hello")
        self.assertIsNone(self.cluster.get(WEBSITE, "web", "hello"))
        self.assertIsNone(self.cluster.get(DEPLOYMENT, "web", "hello"))

    def test_a_failed_write_is_an_error_to_be_retried(self):
        self.cluster.patch(WEBSITE, "web", "hello", {"spec": {"replicas": 3}})
        self.cluster.fail_next("update", ApiError(409, "Conflict", "stale"))
        self.assertRaises(ApiError, self.operator.reconcile, self.cluster, "web/hello")
        self.operator.reconcile(self.cluster, "web/hello")
        self.assertEqual(self.cluster.object(DEPLOYMENT, "web", "hello")["spec"]["replicas"], 3)


if __name__ == "__main__":
    unittest.main()
