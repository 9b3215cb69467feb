use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fixture::{Api, answer};
use crate::security::{allow, post_as, until};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const PEM: &str = include_str!("../../../object/src/validation/certificates/fixtures/request.pem");
const AUTHORITY: &str = include_str!("../../../object/src/validation/certificates/fixtures/authority.pem");
const LEAF: &str = include_str!("../../../object/src/validation/certificates/fixtures/leaf.pem");

fn request(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": {
        "request": STANDARD.encode(PEM), "signerName": "example.com/signer", "usages": ["client auth"],
        "username": "somebody-else", "expirationSeconds": 3600 } })
}

#[tokio::test]
async fn a_request_is_approved_and_then_answered() {
    let api = Api::start().await;
    let made = api.post(REQUESTS, &request("r")).await.expect(201);
    assert_eq!(made["spec"]["username"], "orch-admin", "whoever asked, not whoever the body names");
    assert!(made["spec"]["groups"].as_array().unwrap().contains(&"system:masters".into()));
    let mut approved = made.clone();
    approved["spec"]["usages"] = json!(["server auth"]);
    approved["status"] = json!({ "certificate": STANDARD.encode(LEAF),
        "conditions": [{ "type": "Approved", "status": "True", "reason": "R", "message": "m" }] });
    let refused = api.put(&format!("{REQUESTS}/r/status"), &approved).await;
    assert!(
        refused.message().contains("updates may not add a condition of type \"Approved\""),
        "{}",
        refused.text
    );
    let approved = api.put(&format!("{REQUESTS}/r/approval"), &approved).await.expect(200);
    assert_eq!(approved["spec"], made["spec"]);
    assert!(
        approved["status"]["certificate"].is_null()
            && approved["status"]["conditions"][0]["lastUpdateTime"].is_string()
    );
    let issued = json!({ "status": { "certificate": STANDARD.encode(LEAF) } });
    api.patch(&format!("{REQUESTS}/r/status"), "merge", &issued).await.expect(200);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let row = api.get_as(&format!("{REQUESTS}/r"), table).await.expect(200)["rows"][0]["cells"].clone();
    assert_eq!(row[2], "example.com/signer");
    assert_eq!((&row[3], &row[4], &row[5]), (&"orch-admin".into(), &"60m".into(), &"Approved,Issued".into()));
    let again = json!({ "status": { "certificate": STANDARD.encode(AUTHORITY) } });
    let refused = api.patch(&format!("{REQUESTS}/r/status"), "merge", &again).await;
    assert!(
        refused.message().contains("updates may not modify existing certificate content"),
        "{}",
        refused.text
    );
    let selected =
        api.get(&format!("{REQUESTS}?fieldSelector=spec.signerName=example.com/other")).await.expect(200);
    assert_eq!(selected["items"], json!([]));
}

#[tokio::test]
async fn the_clusters_own_signer_answers_what_was_approved() {
    let api = Api::start().await;
    let mut made = request("client");
    made["spec"]["signerName"] = "kubernetes.io/kube-apiserver-client".into();
    api.post(REQUESTS, &made).await.expect(201);
    let approved = json!({ "status": { "conditions": [{ "type": "Approved", "status": "True" }] } });
    api.patch(&format!("{REQUESTS}/client/approval"), "merge", &approved).await.expect(200);
    let events = api
        .watch_until(&format!("{REQUESTS}?watch=true&fieldSelector=metadata.name=client"), |event| {
            event["object"]["status"]["certificate"].is_string()
        })
        .await;
    let certificate = events.last().unwrap()["object"]["status"]["certificate"].as_str().unwrap().to_string();
    let certificate = String::from_utf8(STANDARD.decode(certificate).unwrap()).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
}

#[tokio::test]
async fn only_who_may_approve_and_attest_does() {
    let api = Api::start().await;
    let rules = json!([
        { "apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/approval"], "verbs": ["patch"] },
        { "apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["create"] },
        { "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["example.com/*"], "verbs": ["approve"] },
    ]);
    allow(&api, "jane", "approves", rules).await;
    for (name, signer) in [("ours", "example.com/signer"), ("theirs", "example.org/signer")] {
        let mut request = request(name);
        request["spec"]["signerName"] = signer.into();
        api.post(REQUESTS, &request).await.expect(201);
    }
    let approve = async |name: &str| {
        let body = json!({ "status": { "conditions": [{ "type": "Approved", "status": "True" }] } });
        let request = api.request(reqwest::Method::PATCH, &format!("{REQUESTS}/{name}/approval"));
        let request = request.header("content-type", "application/merge-patch+json").body(body.to_string());
        answer(request.header("impersonate-user", "jane")).await
    };
    until(async || approve("ours").await.code == 200).await;
    let refused = approve("theirs").await;
    assert_eq!(refused.code, 403);
    assert!(
        refused
            .message()
            .ends_with("user not permitted to approve requests with signerName \"example.org/signer\""),
        "{}",
        refused.text
    );
    let bundle = json!({ "metadata": { "name": "example.com:signer:b" },
        "spec": { "signerName": "example.com/signer", "trustBundle": AUTHORITY } });
    let refused = post_as(&api, "jane", "/apis/certificates.k8s.io/v1/clustertrustbundles", &bundle).await;
    assert!(refused.message().contains("not permitted to attest for signerName"), "{}", refused.text);
}

#[tokio::test]
async fn every_cluster_has_its_range_and_its_anchors() {
    let api = Api::start().await;
    let range = api.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").await.expect(200);
    assert_eq!(range["spec"]["cidrs"], json!(["10.96.0.0/16"]));
    assert_eq!(range["status"]["conditions"][0]["type"], "Ready");
    let path = "/apis/certificates.k8s.io/v1/clustertrustbundles?fieldSelector=spec.signerName=kubernetes.io/kube-apiserver-serving";
    let bundles = api.get(path).await.expect(200);
    assert!(bundles["items"][0]["spec"]["trustBundle"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
}

#[tokio::test]
async fn both_versions_of_an_autoscaler_are_one_object() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = |version: &str| {
        format!("/apis/autoscaling/{version}/namespaces/{namespace}/horizontalpodautoscalers")
    };
    let first = json!({ "metadata": { "name": "h" }, "spec": { "maxReplicas": 3, "targetCPUUtilizationPercentage": 40,
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } } });
    let made = api.post(&path("v1"), &first).await.expect(201);
    assert_eq!((&made["apiVersion"], &made["spec"]["minReplicas"]), (&"autoscaling/v1".into(), &1.into()));
    let second = api.get(&format!("{}/h", path("v2"))).await.expect(200);
    assert_eq!(second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 40);
    let pods = json!({ "spec": { "metrics": [{ "type": "Pods", "pods": {
        "metric": { "name": "hits" }, "target": { "type": "AverageValue", "averageValue": "3" } } }] } });
    api.patch(&format!("{}/h", path("v2")), "merge", &pods).await.expect(200);
    let shown = api.get(&format!("{}/h", path("v1"))).await.expect(200);
    assert!(shown["spec"]["targetCPUUtilizationPercentage"].is_null(), "{shown}");
    assert!(shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].is_string());
    let more = json!({ "spec": { "maxReplicas": 9 } });
    api.patch(&format!("{}/h", path("v1")), "merge", &more).await.expect(200);
    let second = api.get(&format!("{}/h", path("v2"))).await.expect(200);
    assert_eq!(
        (&second["spec"]["maxReplicas"], &second["spec"]["metrics"]),
        (&9.into(), &pods["spec"]["metrics"])
    );
    let wrong = json!({ "spec": { "maxReplicas": 0 } });
    assert_eq!(api.patch(&format!("{}/h", path("v1")), "merge", &wrong).await.code, 422);
}

#[tokio::test]
async fn migrations_and_pods_requests_have_a_status_of_their_own() {
    let api = Api::start().await;
    let path = "/apis/storagemigration.k8s.io/v1/storageversionmigrations";
    let migration = json!({ "metadata": { "name": "m" }, "spec": { "resource": { "resource": "secrets" } },
        "status": { "resourceVersion": "5" } });
    let made = api.post(path, &migration).await.expect(201);
    assert!(made["status"]["resourceVersion"].is_null());
    let running = json!({ "metadata": { "labels": { "a": "b" } }, "status": { "conditions": [{ "type": "Running",
        "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z" }] } });
    let written = api.patch(&format!("{path}/m/status"), "merge", &running).await.expect(200);
    assert!(
        written["metadata"]["labels"].is_null() && written["status"]["conditions"][0]["type"] == "Running"
    );
    let moved = json!({ "spec": { "resource": { "resource": "pods" } } });
    assert!(api.patch(&format!("{path}/m"), "merge", &moved).await.message().contains("field is immutable"));
    let bundle = json!({ "metadata": { "name": "example.com:signer:b" },
        "spec": { "signerName": "example.com/signer", "trustBundle": AUTHORITY } });
    api.post("/apis/certificates.k8s.io/v1/clustertrustbundles", &bundle).await.expect(201);
}
