use serde_json::{Value, json};

use crate::fixture::{Api, config_map, names, pod};

async fn some(api: &Api) -> String {
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    for name in ["a", "b", "c", "d", "e"] {
        let mut object = config_map(name);
        object["metadata"]["labels"] = json!({ "vowel": (["a", "e"].contains(&name)).to_string() });
        api.post(&path, &object).await.expect(201);
    }
    path
}

#[tokio::test]
async fn a_list_comes_in_pages_of_one_moment() {
    let api = Api::start().await;
    let path = some(&api).await;
    let first = api.get(&format!("{path}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    api.delete(&format!("{path}/d")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = api.get(&format!("{path}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["c", "d"], "as it was when the list began");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let last = api.get(&format!("{path}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&last), ["e"]);
    assert!(last["metadata"]["continue"].is_null());
    assert_eq!(api.get(&format!("{path}?continue=nonsense")).await.code, 400);
}

#[tokio::test]
async fn selectors_select() {
    let api = Api::start().await;
    let path = some(&api).await;
    let by_label = api.get(&format!("{path}?labelSelector=vowel%3Dtrue")).await.expect(200);
    assert_eq!(names(&by_label), ["a", "e"]);
    let one = api.get(&format!("{path}?labelSelector=vowel%3Dtrue&limit=1")).await.expect(200);
    assert_eq!(names(&one), ["a"]);
    assert!(one["metadata"]["remainingItemCount"].is_null());
    let by_name = api.get(&format!("{path}?fieldSelector=metadata.name%3Db")).await.expect(200);
    assert_eq!(names(&by_name), ["b"]);
    let wrong = api.get(&format!("{path}?fieldSelector=data.a%3D1")).await;
    assert_eq!(wrong.code, 400);
    assert!(wrong.message().contains("is not a known field selector"), "{}", wrong.text);
    assert_eq!(api.get(&format!("{path}?labelSelector=a%3Db%2C")).await.code, 400);
}

#[tokio::test]
async fn versions_say_how_fresh_a_list_must_be() {
    let api = Api::start().await;
    let path = some(&api).await;
    let now = api.get(&path).await.expect(200)["metadata"]["resourceVersion"].as_str().unwrap().to_string();
    api.delete(&format!("{path}/a")).await.expect(200);
    let exact = format!("{path}?resourceVersion={now}&resourceVersionMatch=Exact");
    assert_eq!(names(&api.get(&exact).await.expect(200)).len(), 5);
    let newer = format!("{path}?resourceVersion={now}&resourceVersionMatch=NotOlderThan");
    assert_eq!(names(&api.get(&newer).await.expect(200)).len(), 4);
    assert_eq!(names(&api.get(&format!("{path}?resourceVersion=0")).await.expect(200)).len(), 4);
    assert_eq!(api.get(&format!("{path}?resourceVersionMatch=Exact")).await.code, 422);
    let future = api.get(&format!("{path}?resourceVersion=999999999")).await;
    assert_eq!(future.code, 504, "{}", future.text);
    assert_eq!(future.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn kubectl_gets_its_table() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/pods", api.namespace().await);
    api.post(&path, &pod("a")).await.expect(201);
    let table = api.get_as(&path, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await;
    let table = table.expect(200);
    assert_eq!(table["kind"], "Table");
    let columns: Vec<&Value> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(columns[..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let metadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = api.get_as(&path, metadata).await.expect(200);
    assert_eq!(
        (&list["kind"], &list["items"][0]["spec"]),
        (&json!("PartialObjectMetadataList"), &Value::Null)
    );
    assert_eq!(api.get_as(&path, "application/vnd.example").await.code, 406);
}
