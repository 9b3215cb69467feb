use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, answer, config_map, deployment, pod};

#[tokio::test]
async fn an_object_is_created_read_replaced_and_deleted() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let mut created = api.post(&path, &config_map("a")).await.expect(201);
    assert!(created["metadata"]["uid"].is_string() && created["metadata"]["creationTimestamp"].is_string());
    assert_eq!(created["metadata"]["managedFields"][0]["operation"], "Update");
    let object = format!("{path}/a");
    assert_eq!(api.get(&object).await.expect(200), created);
    assert_eq!(api.post(&path, &config_map("a")).await.body["message"], r#"configmaps "a" already exists"#);
    created["data"]["a"] = "2".into();
    let updated = api.put(&object, &created).await.expect(200);
    assert_ne!(updated["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
    // The version it was read at is gone.
    let stale = api.put(&object, &created).await;
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.message(),
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
    // Nothing to change, nothing written.
    let same = api.put(&object, &updated).await.expect(200);
    assert_eq!(same["metadata"]["resourceVersion"], updated["metadata"]["resourceVersion"]);
    let gone = api.delete(&object).await.expect(200);
    assert_eq!((&gone["status"], &gone["details"]["name"]), (&json!("Success"), &json!("a")));
    let missing = api.get(&object).await;
    assert_eq!((missing.code, missing.message()), (404, r#"configmaps "a" not found"#));
}

#[tokio::test]
async fn names_are_generated_and_checked() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let generated = json!({ "metadata": { "generateName": "web-" } });
    let created = api.post(&path, &generated).await.expect(201);
    assert_eq!(created["metadata"]["name"].as_str().unwrap().len(), 9);
    let nameless = api.post(&path, &json!({ "metadata": {} })).await;
    assert_eq!(nameless.code, 422, "{}", nameless.text);
    assert!(nameless.message().contains("name or generateName is required"), "{}", nameless.text);
    let wrong = api.post(&path, &config_map("Not_A_Name")).await;
    assert_eq!(wrong.code, 422, "{}", wrong.text);
    let mut elsewhere = config_map("b");
    elsewhere["metadata"]["namespace"] = "default".into();
    assert_eq!(
        api.post(&path, &elsewhere).await.message(),
        "the namespace of the provided object does not match the namespace sent on the request"
    );
    let renamed = api.put(&format!("{path}/c"), &config_map("d")).await;
    assert_eq!(renamed.message(), "the name of the object (d) does not match the name on the URL (c)");
}

#[tokio::test]
async fn unknown_and_double_fields_are_told_as_asked() {
    let api = Api::start().await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", api.namespace().await);
    let mut object = deployment("a");
    object["spec"]["replcas"] = 3.into();
    let strict = api.post(&format!("{path}?fieldValidation=Strict"), &object).await;
    assert_eq!(strict.code, 400);
    assert_eq!(
        strict.message(),
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
         unknown field \"spec.replcas\""
    );
    let warned = api.post(&format!("{path}?fieldValidation=Warn&dryRun=All"), &object).await;
    assert_eq!(warned.code, 201, "{}", warned.text);
    assert_eq!(warned.headers["warning"], r#"299 - "unknown field \"spec.replcas\"""#);
    assert!(warned.body["spec"]["replcas"].is_null());
    let ignored = api.post(&format!("{path}?fieldValidation=Ignore&dryRun=All"), &object).await;
    assert!(ignored.headers.get("warning").is_none());
    let text = object.to_string().replace(r#""replicas":2"#, r#""replicas":2,"replicas":2"#);
    let twice = api.request(reqwest::Method::POST, &format!("{path}?fieldValidation=Strict"));
    let twice = answer(twice.header(CONTENT_TYPE, "application/json").body(text)).await;
    assert!(
        twice.message().ends_with(r#"unknown field "spec.replcas", duplicate field "spec.replicas""#),
        "in the body's order: {}",
        twice.text
    );
    object["spec"]["replicas"] = "three".into();
    let wrong = api.post(&path, &object).await;
    assert_eq!(wrong.code, 400, "{}", wrong.text);
    assert!(wrong.message().contains("cannot unmarshal string into Go struct field"), "{}", wrong.text);
    assert_eq!(api.get(&format!("{path}/a")).await.code, 404, "a dry run stores nothing");
}

#[tokio::test]
async fn a_generation_counts_changes_of_the_spec() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let mut object = api.post(&path, &deployment("a")).await.expect(201);
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["spec"]["strategy"]["type"], "RollingUpdate", "defaults are filled in");
    object["metadata"]["labels"] = json!({ "x": "y" });
    object = api.put(&format!("{path}/a"), &object).await.expect(200);
    assert_eq!(object["metadata"]["generation"], 1);
    object["spec"]["replicas"] = 5.into();
    object["status"] = json!({ "replicas": 7 });
    object = api.put(&format!("{path}/a"), &object).await.expect(200);
    assert_eq!(object["metadata"]["generation"], 2);
    assert_ne!(object["status"]["replicas"], 7, "status has a door of its own");
    object["status"] = json!({ "replicas": 7, "observedGeneration": 2 });
    object["spec"]["replicas"] = 9.into();
    let object = api.put(&format!("{path}/a/status"), &object).await.expect(200);
    assert_eq!((&object["status"]["replicas"], &object["spec"]["replicas"]), (&json!(7), &json!(5)));
}

#[tokio::test]
async fn a_scale_changes_the_replicas() {
    let api = Api::start().await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", api.namespace().await);
    api.post(&path, &deployment("a")).await.expect(201);
    let mut scale = api.get(&format!("{path}/a/scale")).await.expect(200);
    assert_eq!((&scale["kind"], &scale["status"]["selector"]), (&json!("Scale"), &json!("app=a")));
    scale["spec"]["replicas"] = 4.into();
    assert_eq!(api.put(&format!("{path}/a/scale"), &scale).await.expect(200)["spec"]["replicas"], 4);
    let patched = api.patch(&format!("{path}/a/scale"), "merge", &json!({ "spec": { "replicas": 6 } })).await;
    assert_eq!(patched.expect(200)["spec"]["replicas"], 6);
    assert_eq!(api.get(&format!("{path}/a")).await.expect(200)["spec"]["replicas"], 6);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    api.post(&path, &pod("a")).await.expect(201);
    let nominated = json!({ "status": { "nominatedNodeName": "n2" } });
    let before = api.patch(&format!("{path}/a/status"), "merge", &nominated).await.expect(200);
    let mut binding = json!({
        "metadata": { "name": "a", "labels": { "l": "1" }, "annotations": { "n": "2" }, "resourceVersion": "1" },
        "target": { "kind": "Node", "name": "n1" },
    });
    let stale = api.post(&format!("{path}/a/binding"), &binding).await;
    assert_eq!(stale.code, 409, "{}", stale.text);
    binding["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    api.post(&format!("{path}/a/binding"), &binding).await.expect(201);
    let bound = api.get(&format!("{path}/a")).await.expect(200);
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["metadata"]["generation"], 1, "nobody changed what it is");
    assert_eq!(bound["metadata"]["managedFields"], before["metadata"]["managedFields"], "and nobody owns it");
    assert_eq!(
        (&bound["metadata"]["labels"]["l"], &bound["metadata"]["annotations"]["n"]),
        (&json!("1"), &json!("2"))
    );
    assert_eq!(bound["status"]["nominatedNodeName"], Value::Null);
    let conditions = bound["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "PodScheduled" && c["status"] == "True"));
    let again = api.post(&format!("{path}/a/binding"), &binding).await;
    assert_eq!(again.code, 409);
    assert!(again.message().contains("already assigned to node"), "{}", again.text);
}

#[tokio::test]
async fn bodies_are_bounded_and_understood() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let mut large = config_map("large");
    large["data"]["a"] = "x".repeat(4 << 20).into();
    assert_eq!(api.post(&path, &large).await.code, 413);
    let send = |media: &'static str, body: String| {
        let request = api.request(reqwest::Method::POST, &path).header("content-type", media).body(body);
        crate::fixture::answer(request)
    };
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  yes: 'no'\n";
    assert_eq!(send("application/yaml", yaml.into()).await.expect(201)["data"]["yes"], "no");
    assert_eq!(send("application/json", "{".into()).await.code, 400);
    assert_eq!(send("application/json", "[".repeat(10_000)).await.code, 400);
    assert_eq!(send("text/csv", "a,b".into()).await.code, 415);
}

#[tokio::test]
async fn events_have_two_names() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let (old, new) = (
        format!("/api/v1/namespaces/{namespace}/events"),
        format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"),
    );
    let event = json!({
        "metadata": { "name": "e" }, "regarding": { "kind": "Pod", "name": "p", "namespace": namespace },
        "note": "it runs", "reason": "Started", "action": "Starting", "type": "Normal",
        "eventTime": "2026-01-02T03:04:05.000006Z", "reportingController": "example.com/c", "reportingInstance": "c-0",
    });
    let made = api.post(&new, &event).await.expect(201);
    assert_eq!((&made["apiVersion"], &made["note"]), (&json!("events.k8s.io/v1"), &json!("it runs")));
    let core = api.get(&format!("{old}/e")).await.expect(200);
    assert_eq!((&core["apiVersion"], &core["message"]), (&json!("v1"), &json!("it runs")));
    assert_eq!(core["involvedObject"]["name"], "p");
    let selected =
        api.get(&format!("{new}?fieldSelector=regarding.name%3Dp,reason%3DStarted")).await.expect(200);
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let rows = [api.get_as(&old, table).await.expect(200), api.get_as(&new, table).await.expect(200)];
    assert_eq!(rows[0]["rows"][0]["cells"], rows[1]["rows"][0]["cells"]);
    let fixed = api.patch(&format!("{new}/e"), "merge", &json!({ "note": "still" })).await;
    assert_eq!(fixed.code, 422, "{}", fixed.text);
    let again = json!({ "series": { "count": 2, "lastObservedTime": "2026-01-02T03:05:05.000006Z" } });
    let patched = api.patch(&format!("{new}/e"), "merge", &again).await.expect(200);
    assert_eq!(patched["regarding"]["name"], "p");
    assert_eq!(api.get(&format!("{old}/e")).await.expect(200)["series"]["count"], 2);
    let refused = api.post(&new, &json!({ "metadata": { "name": "f", "namespace": namespace } })).await;
    assert_eq!(refused.code, 422);
    assert!(refused.message().contains("eventTime: Required value"), "{}", refused.text);
    api.delete(&format!("{new}/e")).await.expect(200);
    assert_eq!(api.get(&format!("{old}/e")).await.code, 404);
}

#[tokio::test]
async fn a_pod_is_joined_by_ephemeral_containers() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    let created = api.post(&path, &pod("a")).await.expect(201);
    let parts = format!("{path}/a/ephemeralcontainers");
    assert_eq!(api.get(&parts).await.expect(200), created);
    let body = json!({
        "metadata": { "labels": { "ignored": "yes" } },
        "spec": { "ephemeralContainers": [{ "name": "d", "image": "busybox", "targetContainerName": "c" }] },
    });
    let strategic = "strategic-merge";
    let debugged = api.patch(&parts, strategic, &body).await.expect(200);
    let container = &debugged["spec"]["ephemeralContainers"][0];
    assert_eq!((&container["name"], &container["imagePullPolicy"]), (&json!("d"), &json!("Always")));
    assert_eq!(debugged["metadata"]["labels"], json!({ "app": "a" }));
    assert_eq!(debugged["metadata"]["generation"], 2);
    let managers = debugged["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|entry| entry["subresource"] == "ephemeralcontainers"), "{managers:#?}");
    let remove = json!([{ "op": "remove", "path": "/spec/ephemeralContainers" }]);
    let refused = api.patch(&parts, "json", &remove).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert!(refused.message().contains("may not be removed"), "{}", refused.text);
    // Not through the pod itself.
    let refused = api.patch(&format!("{path}/a"), "json", &remove).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
}

#[tokio::test]
async fn a_pod_is_resized() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    let mut object = pod("a");
    object["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "100m" } });
    api.post(&path, &object).await.expect(201);
    let resize =
        |resources: Value| json!({ "spec": { "containers": [{ "name": "c", "resources": resources }] } });
    let strategic = "strategic-merge";
    let more = resize(json!({ "requests": { "cpu": "200m" } }));
    let refused = api.patch(&format!("{path}/a"), strategic, &more).await;
    assert_eq!(refused.code, 422, "only the sub-resource resizes: {}", refused.text);
    let part = format!("{path}/a/resize");
    let resized = api.patch(&part, strategic, &more).await.expect(200);
    assert_eq!(resized["spec"]["containers"][0]["resources"], json!({ "requests": { "cpu": "200m" } }));
    assert_eq!(resized["metadata"]["generation"], 2);
    let image = json!({ "spec": { "containers": [{ "name": "c", "image": "other" }] } });
    let same = api.patch(&part, strategic, &image).await.expect(200);
    assert_eq!(same["metadata"]["resourceVersion"], resized["metadata"]["resourceVersion"]);
    let guaranteed =
        resize(json!({ "limits": { "cpu": "200m", "memory": "1Gi" }, "requests": { "memory": "1Gi" } }));
    let refused = api.patch(&part, strategic, &guaranteed).await;
    assert!(
        refused.message().contains("Pod QOS Class may not change as a result of resizing"),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn an_update_of_some_kinds_must_say_of_which_version() {
    let api = Api::start().await;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", api.namespace().await);
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "holderIdentity": "h" } });
    api.put(&format!("{path}/a"), &lease).await.expect(201);
    let refused = api.put(&format!("{path}/a"), &lease).await;
    assert_eq!(
        (refused.code, refused.message()),
        (
            422,
            "leases.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be \
             specified for an update"
        )
    );
    let maps = format!(
        "{}/configmaps",
        path.replace("/apis/coordination.k8s.io", "/api").trim_end_matches("/leases")
    );
    api.post(&maps, &config_map("m")).await.expect(201);
    api.put(&format!("{maps}/m"), &config_map("m")).await.expect(200);
}

#[tokio::test]
async fn a_status_that_leaves_metadata_alone_owns_none_of_it() {
    let api = Api::start().await;
    let path = "/apis/networking.k8s.io/v1/servicecidrs";
    let range = json!({ "metadata": { "name": "r" }, "spec": { "cidrs": ["10.200.0.0/24"] } });
    api.post(path, &range).await.expect(201);
    let labels = json!({ "metadata": { "labels": { "of-status": "1" } }, "status": {} });
    let patched = api.patch(&format!("{path}/r/status"), "merge", &labels).await.expect(200);
    assert!(patched["metadata"]["labels"].is_null(), "{patched}");
    assert_eq!(patched["metadata"]["managedFields"].as_array().map(Vec::len), Some(1), "{patched}");
}

#[tokio::test]
async fn names_that_the_server_gives_are_nobodys() {
    let api = Api::start().await;
    let made =
        api.post("/api/v1/namespaces", &json!({ "metadata": { "generateName": "n-" } })).await.expect(201);
    let label = "kubernetes.io/metadata.name";
    assert_eq!(made["metadata"]["labels"][label], made["metadata"]["name"]);
    let owned = made["metadata"]["managedFields"][0]["fieldsV1"].to_string();
    assert!(!owned.contains(label), "{owned}");
    let path = format!("/api/v1/namespaces/{}/limitranges", api.namespace().await);
    let range = api.post(&path, &json!({ "spec": { "limits": [] } })).await.expect(201);
    assert_eq!(range["metadata"]["name"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn only_requests_that_lead_somewhere_are_warned_of_their_kind() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/endpoints", api.namespace().await);
    let warned = |answer: &Answer| answer.headers.get("warning").is_some();
    assert!(warned(&api.get(&path).await));
    assert!(!warned(&api.get(&format!("{path}/x/status")).await));
    assert!(!warned(&api.post(&format!("{path}/x"), &json!({})).await));
}

#[tokio::test]
async fn components_tell_how_they_are() {
    let api = Api::start().await;
    let path = "/api/v1/componentstatuses";
    let answer = api.get(path).await;
    let warning = answer.headers["warning"].to_str().unwrap().to_owned();
    assert_eq!(warning, r#"299 - "v1 ComponentStatus is deprecated in v1.19+""#);
    let listed = answer.expect(200);
    let store = listed["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "etcd-0");
    let healthy = json!([{ "type": "Healthy", "status": "True", "message": "ok" }]);
    assert_eq!(store.unwrap()["conditions"], healthy);
    assert_eq!(api.get(&format!("{path}/etcd-0")).await.expect(200)["conditions"], healthy);
    let missing = api.get(&format!("{path}/none")).await;
    assert_eq!((missing.code, missing.message()), (404, r#"componentstatus "none" not found"#));
    let none = api.get(&format!("{path}?labelSelector=a%3Db")).await.expect(200);
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn a_pods_own_labels_become_part_of_its_selectors() {
    let api = Api::start().await;
    let pods = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    let mut pod = crate::fixture::pod("p");
    pod["metadata"]["labels"] = json!({ "rev": "1" });
    pod["spec"]["topologySpreadConstraints"] = json!([{ "maxSkew": 1, "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "app": "web" } },
        "matchLabelKeys": ["rev", "absent"] }]);
    let made = api.post(&pods, &pod).await.expect(201);
    let selector = json!({ "matchLabels": { "app": "web" },
        "matchExpressions": [{ "key": "rev", "operator": "In", "values": ["1"] }] });
    assert_eq!(made["spec"]["topologySpreadConstraints"][0]["labelSelector"], selector);
    pod["metadata"] = json!({ "name": "q", "labels": { "app": "web" } });
    pod["spec"]["topologySpreadConstraints"][0]["matchLabelKeys"] = json!(["app"]);
    let twice = api.post(&pods, &pod).await;
    assert!(twice.message().contains("exists in both matchLabelKeys and labelSelector"), "{}", twice.text);
}
