use serde_json::{Value, json};

use crate::fixture::{Answer, Api, answer};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A service account and a token for it.
async fn account(api: &Api, namespace: &str) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    api.post(&path, &json!({ "metadata": { "name": "bot" } })).await.expect(201);
    let token = api.post(&format!("{path}/bot/token"), &json!({ "spec": {} })).await.expect(201);
    token["status"]["token"].as_str().unwrap().to_string()
}

async fn get_as(api: &Api, token: &str, path: &str) -> Answer {
    answer(api.anonymous(path).bearer_auth(token)).await
}

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let api = Api::start().await;
    assert_eq!(answer(api.anonymous("/healthz")).await.code, 200);
    assert_eq!(answer(api.anonymous("/version")).await.code, 200);
    let refused = answer(api.anonymous("/api/v1/namespaces/default/pods")).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" \
         in the namespace \"default\""
    );
    let refused = answer(api.anonymous("/apis")).await;
    assert_eq!(refused.message(), "forbidden: User \"system:anonymous\" cannot get path \"/apis\"");
    let wrong = get_as(&api, "nonsense", "/version").await;
    assert_eq!((wrong.code, wrong.body["reason"].as_str()), (401, Some("Unauthorized")));
}

#[tokio::test]
async fn a_token_does_what_its_roles_allow() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let token = account(&api, &namespace).await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let refused = get_as(&api, &token, &pods).await;
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert!(refused.message().contains(&format!("system:serviceaccount:{namespace}:bot")));
    let role = json!({ "metadata": { "name": "r" },
        "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }] });
    let binding = json!({ "metadata": { "name": "b" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r" },
        "subjects": [{ "kind": "ServiceAccount", "name": "bot", "namespace": namespace }] });
    api.post(&format!("{RBAC}/namespaces/{namespace}/roles"), &role).await.expect(201);
    api.post(&format!("{RBAC}/namespaces/{namespace}/rolebindings"), &binding).await.expect(201);
    // RBAC follows its objects; it need not be there in the same instant.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while get_as(&api, &token, &pods).await.code != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the binding never counted");
        tokio::task::yield_now().await;
    }
    assert_eq!(get_as(&api, &token, &format!("{pods}/x")).await.code, 403);
    // With the account goes the token.
    api.delete(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/bot")).await.expect(200);
    assert_eq!(get_as(&api, &token, &pods).await.code, 401);
}

#[tokio::test]
async fn people_can_ask_what_they_may_do() {
    let api = Api::start().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = json!({ "spec": { "resourceAttributes": { "verb": "delete", "resource": "nodes" } } });
    assert_eq!(api.post(path, &asked).await.expect(201)["status"]["allowed"], true);
    let other =
        json!({ "spec": { "user": "jane", "resourceAttributes": { "verb": "get", "resource": "pods" } } });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(api.post(path, &other).await.expect(201)["status"]["allowed"], false);
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let me: Value = api.post(whoami, &json!({})).await.expect(201);
    assert_eq!(me["status"]["userInfo"]["username"], "orch-admin");
    assert_eq!(me["kind"], "SelfSubjectReview", "whether the body says so or not");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let api = Api::start().await;
    let path = "/apis/authorization.k8s.io/v1";
    let refused = api.post(&format!("{path}/subjectaccessreviews"), &json!({ "spec": {} })).await;
    assert_eq!(
        (refused.code, refused.message()),
        (
            422,
            ".authorization.k8s.io \"\" is invalid: [spec: Invalid value: null: exactly one of \
             nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: \"\": at least \
             one of user or group must be specified]"
        )
    );
    let elsewhere = json!({ "spec": { "user": "jane", "resourceAttributes": { "namespace": "other" } } });
    let refused = api.post(&format!("{path}/namespaces/default/localsubjectaccessreviews"), &elsewhere).await;
    assert!(refused.message().ends_with("must match metadata.namespace"), "{}", refused.text);
    let refused = api.post(&format!("{path}/selfsubjectrulesreviews"), &json!({ "spec": {} })).await;
    assert_eq!((refused.code, refused.message()), (400, "no namespace on request"));
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    assert_eq!(api.post(tokens, &json!({ "spec": {} })).await.code, 400);
    let bad = api.post(tokens, &json!({ "spec": { "token": "bad" } })).await.expect(201);
    assert_eq!(bad["status"], json!({ "error": "invalid bearer token", "user": {} }));
    assert!(bad["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:token"].is_object(), "{bad}");
}

#[tokio::test]
async fn tokens_are_bound() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let token = account(&api, &namespace).await;
    let review = json!({ "spec": { "token": token } });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let known = api.post(path, &review).await.expect(201);
    assert_eq!(known["status"]["authenticated"], true, "{known}");
    assert_eq!(known["status"]["user"]["username"], format!("system:serviceaccount:{namespace}:bot"));
    let other = json!({ "spec": { "token": token, "audiences": ["elsewhere"] } });
    assert_ne!(api.post(path, &other).await.expect(201)["status"]["authenticated"], true);
    let short = json!({ "spec": { "expirationSeconds": 5 } });
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/bot/token");
    assert_eq!(api.post(&account, &short).await.code, 422);
}

#[tokio::test]
async fn an_administrator_may_act_as_somebody_else() {
    let api = Api::start().await;
    let request = || api.request(reqwest::Method::GET, "/api/v1/namespaces/default/pods");
    let refused = answer(request().header("impersonate-user", "jane")).await;
    assert_eq!(refused.code, 403);
    assert!(refused.message().contains("User \"jane\" cannot list"), "{}", refused.text);
    let as_master =
        request().header("impersonate-user", "jane").header("impersonate-group", "system:masters");
    answer(as_master).await.expect(200);
    assert_eq!(answer(request().header("impersonate-group", "x")).await.code, 400);
}
