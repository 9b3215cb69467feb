use serde_json::json;

use crate::fixture::{Api, answer, config_map, deployment};

#[tokio::test]
async fn the_four_patches() {
    let api = Api::start().await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", api.namespace().await);
    api.post(&path, &deployment("a")).await.expect(201);
    let object = format!("{path}/a");
    let add = json!([{ "op": "add", "path": "/metadata/labels", "value": { "x": "y" } }]);
    assert_eq!(api.patch(&object, "json", &add).await.expect(200)["metadata"]["labels"]["x"], "y");
    let merge = json!({ "spec": { "replicas": 7 } });
    assert_eq!(api.patch(&object, "merge", &merge).await.expect(200)["spec"]["replicas"], 7);
    let sidecar = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "side", "image": "busybox" }] } } } });
    let both = api.patch(&object, "strategic-merge", &sidecar).await.expect(200);
    assert_eq!(both["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
    let failing = json!([{ "op": "test", "path": "/spec/replicas", "value": 1 }]);
    assert_eq!(api.patch(&object, "json", &failing).await.code, 422);
    assert_eq!(api.patch(&object, "unheard-of", &merge).await.code, 415);
}

#[tokio::test]
async fn apply_creates_owns_and_conflicts() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps/a", api.namespace().await);
    let nobody = api.patch(&path, "apply", &config_map("a")).await;
    assert_eq!(nobody.code, 422, "{}", nobody.text);
    let created = api.patch(&format!("{path}?fieldManager=one"), "apply", &config_map("a")).await.expect(201);
    assert_eq!(created["metadata"]["managedFields"][0]["manager"], "one");
    assert_eq!(created["metadata"]["managedFields"][0]["operation"], "Apply");
    let mut other = config_map("a");
    other["data"]["a"] = "2".into();
    let conflict = api.patch(&format!("{path}?fieldManager=two"), "apply", &other).await;
    assert_eq!(conflict.code, 409);
    assert_eq!(conflict.body["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = api.patch(&format!("{path}?fieldManager=two&force=true"), "apply", &other).await.expect(200);
    assert_eq!(forced["data"]["a"], "2");
}

/// Whatever `fieldValidation` says: what cannot be owned cannot be applied.
#[tokio::test]
async fn an_apply_of_what_the_schema_does_not_have_is_refused() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps/a?fieldManager=one", api.namespace().await);
    let mut unknown = config_map("a");
    unknown["unknownField"] = "x".into();
    for validation in ["Strict", "Warn", "Ignore"] {
        let refused = api.patch(&format!("{path}&fieldValidation={validation}"), "apply", &unknown).await;
        assert!(
            refused.message().contains(".unknownField: field not declared in schema"),
            "{}",
            refused.text
        );
    }
    let twice = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n  a: c\n";
    let patch =
        api.request(reqwest::Method::PATCH, &path).header("content-type", "application/apply-patch+yaml");
    let refused = answer(patch.body(twice)).await;
    assert!(refused.message().ends_with("line 5: key \"a\" already set in map"), "{}", refused.text);
}

/// kube's clients leave out what the URL says.
#[tokio::test]
async fn an_apply_without_a_name_is_for_what_exists() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps/a", api.namespace().await);
    let unnamed = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "b": "1" } });
    let path = format!("{path}?fieldManager=one");
    let refused = api.patch(&path, "apply", &unnamed).await;
    let message = "the name of the object (a based on URL) was undeterminable: name must be provided";
    assert_eq!((refused.code, refused.message()), (400, message));
    api.patch(&path, "apply", &config_map("a")).await.expect(201);
    let applied = api.patch(&path, "apply", &unnamed).await.expect(200);
    assert_eq!((&applied["metadata"]["name"], &applied["data"]), (&json!("a"), &json!({ "b": "1" })));
}

#[tokio::test]
async fn patches_of_one_object_at_once_all_count() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    api.post(&path, &config_map("a")).await.expect(201);
    let object = format!("{path}/a");
    let patches = (0..20).map(|index| {
        let body = json!({ "data": { format!("key-{index}"): "v" } });
        let (api, object) = (&api, &object);
        async move { api.patch(object, "merge", &body).await.expect(200) }
    });
    futures::future::join_all(patches).await;
    let data = api.get(&object).await.expect(200)["data"].clone();
    assert_eq!(data.as_object().unwrap().len(), 21);
}
