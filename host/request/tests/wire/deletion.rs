use serde_json::json;

use crate::fixture::{Answer, Api, config_map, pod};

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.post(&path, &object).await.expect(201);
    let held = api.delete(&format!("{path}/a")).await.expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    api.get(&format!("{path}/a")).await.expect(200);
    let none = json!({ "metadata": { "finalizers": null } });
    api.patch(&format!("{path}/a"), "merge", &none).await.expect(200);
    assert_eq!(api.get(&format!("{path}/a")).await.code, 404);
}

#[tokio::test]
async fn a_bound_pod_gets_its_grace() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    let mut bound = pod("bound");
    bound["spec"]["nodeName"] = "n1".into();
    bound["spec"]["terminationGracePeriodSeconds"] = 20.into();
    api.post(&path, &bound).await.expect(201);
    let object = format!("{path}/bound");
    let ending = api.delete(&object).await.expect(200);
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 20);
    let shorter = api.delete_with(&object, json!({ "gracePeriodSeconds": 5 })).await.expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let longer = api.delete_with(&object, json!({ "gracePeriodSeconds": 60 })).await.expect(200);
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 5);
    api.delete_with(&object, json!({ "gracePeriodSeconds": 0 })).await.expect(200);
    assert_eq!(api.get(&object).await.code, 404);
    // Without a node there is nobody to wait for.
    api.post(&path, &pod("free")).await.expect(201);
    api.delete(&format!("{path}/free")).await.expect(200);
    assert_eq!(api.get(&format!("{path}/free")).await.code, 404);
}

#[tokio::test]
async fn propagation_is_left_to_the_collector() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        api.post(&path, &config_map(&name)).await.expect(201);
        let options = json!({ "propagationPolicy": policy });
        let held = api.delete_with(&format!("{path}/{name}"), options).await.expect(200);
        assert_eq!(held["metadata"]["finalizers"], json!([finalizer]));
    }
    let wrong = api.delete_with(&format!("{path}/x"), json!({ "propagationPolicy": "Later" })).await;
    assert_eq!(wrong.code, 422);
}

#[tokio::test]
async fn events_own_nothing_and_go_at_once() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let event =
        json!({ "metadata": { "name": "e" }, "involvedObject": { "kind": "Pod", "namespace": namespace } });
    api.post(&path, &event).await.expect(201);
    let foreground = json!({ "propagationPolicy": "Foreground" });
    let gone = api.delete_with(&format!("{path}/e"), foreground).await.expect(200);
    assert_eq!(gone["status"], "Success");
    assert_eq!(api.get(&format!("{path}/e")).await.code, 404);
}

#[tokio::test]
async fn preconditions_are_checked() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    api.post(&path, &config_map("a")).await.expect(201);
    let other = json!({ "preconditions": { "uid": "other" } });
    let refused = api.delete_with(&format!("{path}/a"), other).await;
    assert_eq!(refused.code, 409);
    assert!(
        refused.message().contains("the UID in the precondition (other) does not match the UID in record")
    );
    let selector = format!("{path}?labelSelector=app%3Dnone");
    api.delete(&selector).await.expect(200);
    api.get(&format!("{path}/a")).await.expect(200);
    api.delete(&path).await.expect(200);
    assert_eq!(api.get(&format!("{path}/a")).await.code, 404);
}

#[tokio::test]
async fn a_namespace_ends_when_it_is_finalized() {
    let api = Api::start().await;
    let name = api.namespace().await;
    let path = format!("/api/v1/namespaces/{name}");
    let ending = api.delete(&path).await.expect(200);
    assert_eq!(ending["status"]["phase"], "Terminating");
    let mut object = api.get(&path).await.expect(200);
    object["spec"]["finalizers"] = json!([]);
    api.put(&format!("{path}/finalize"), &object).await.expect(200);
    assert_eq!(api.get(&path).await.code, 404);
}

#[tokio::test]
async fn a_pod_without_a_node_is_shown_going() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    api.post(&path, &pod("free")).await.expect(201);
    let object = format!("{path}/free");
    let dry =
        api.delete_with(&object, json!({ "gracePeriodSeconds": -1, "dryRun": ["All"] })).await.expect(200);
    assert_eq!(dry["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(dry["metadata"]["generation"], 2);
    api.get(&object).await.expect(200);
}

#[tokio::test]
async fn who_does_not_say_what_becomes_of_a_jobs_pods_is_warned() {
    let api = Api::start().await;
    let path = format!("/apis/batch/v1/namespaces/{}/jobs/none", api.namespace().await);
    let warned = |answer: &Answer| answer.headers.get("warning").is_some();
    assert!(warned(&api.delete(&path).await));
    assert!(!warned(&api.delete_with(&path, json!({ "propagationPolicy": "Orphan" })).await));
}

/// A pod on a node, running and ready.
async fn running(api: &Api, pods: &str, name: &str) {
    let mut pod = pod(name);
    pod["metadata"]["labels"] = json!({ "app": "web" });
    pod["spec"]["nodeName"] = "n".into();
    api.post(pods, &pod).await.expect(201);
    let status =
        json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    api.patch(&format!("{pods}/{name}/status"), "merge", &status).await.expect(200);
}

#[tokio::test]
async fn evictions_spend_what_a_budget_allows() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    for name in ["a", "b"] {
        running(&api, &pods, name).await;
    }
    let budget = json!({ "metadata": { "name": "web" }, "spec": { "minAvailable": 1,
        "selector": { "matchLabels": { "app": "web" } } } });
    api.post(&budgets, &budget).await.expect(201);
    let evict = |name: &str, query: &str| {
        let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
        let (api, path) = (&api, format!("{pods}/{name}/eviction{query}"));
        async move { api.post(&path, &eviction).await }
    };
    let cause = |answer: &Answer| {
        answer.body["details"]["causes"][0]["message"].as_str().unwrap_or_default().to_owned()
    };
    let unseen = evict("a", "").await;
    assert_eq!((unseen.code, unseen.headers["retry-after"].to_str().unwrap()), (429, "10"));
    assert_eq!(cause(&unseen), "The disruption budget web is still being processed by the server.");
    let seen = json!({ "status": { "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2 } });
    api.patch(&format!("{budgets}/web/status"), "merge", &seen).await.expect(200);
    evict("a", "?dryRun=All").await.expect(201);
    let untouched = api.get(&format!("{pods}/a")).await.expect(200);
    assert!(untouched["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(api.get(&format!("{budgets}/web")).await.expect(200)["status"]["disruptionsAllowed"], 1);
    evict("a", "").await.expect(201);
    let going = api.get(&format!("{pods}/a")).await.expect(200);
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let conditions = going["status"]["conditions"].as_array().unwrap();
    let target = conditions.iter().find(|condition| condition["type"] == "DisruptionTarget").unwrap();
    assert_eq!(
        (&target["reason"], &target["message"]),
        (&json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting"))
    );
    let spent = api.get(&format!("{budgets}/web")).await.expect(200)["status"].clone();
    assert_eq!(spent["disruptionsAllowed"], 0);
    assert!(spent["disruptedPods"]["a"].is_string());
    let refused = evict("b", "").await;
    assert_eq!(
        (refused.code, &*cause(&refused)),
        (429, "The disruption budget web does not allow evicting pods currently")
    );
    let second = json!({ "metadata": { "name": "also" }, "spec": { "minAvailable": 1, "selector": {} } });
    api.post(&budgets, &second).await.expect(201);
    let two = evict("b", "").await;
    assert!(two.message().starts_with("This pod has more than one PodDisruptionBudget"), "{}", two.text);
}
