use serde_json::{Value, json};

use crate::fixture::{Answer, Api, answer};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const FLOW: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

/// Gives a user a role of these rules everywhere.
pub async fn allow(api: &Api, user: &str, name: &str, rules: Value) {
    let role = json!({ "metadata": { "name": name }, "rules": rules });
    let binding = json!({ "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io" }] });
    api.post(&format!("{RBAC}/clusterroles"), &role).await.expect(201);
    api.post(&format!("{RBAC}/clusterrolebindings"), &binding).await.expect(201);
}

pub async fn post_as(api: &Api, user: &str, path: &str, body: &Value) -> Answer {
    let request = api.request(reqwest::Method::POST, path).header("impersonate-user", user);
    answer(request.header("content-type", "application/json").body(body.to_string())).await
}

/// RBAC follows its objects; it need not be there in the same instant.
pub async fn until(mut ask: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while !ask().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came to be");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_gives_what_he_does_not_have() {
    let api = Api::start().await;
    let writes = json!([
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["create"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] },
    ]);
    allow(&api, "jane", "writes-roles", writes).await;
    let roles = format!("{RBAC}/clusterroles");
    let role = |name: &str, verbs: Value| json!({ "metadata": { "name": name }, "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }] });
    until(async || post_as(&api, "jane", &roles, &role("held", json!(["get"]))).await.code == 201).await;
    let refused = post_as(&api, "jane", &roles, &role("more", json!(["get", "delete"]))).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        "clusterroles.rbac.authorization.k8s.io \"more\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) \
         is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"
    );
    let binding = |role: &str| {
        json!({ "metadata": { "name": format!("to-{role}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io" }] })
    };
    let bindings = format!("{RBAC}/clusterrolebindings");
    post_as(&api, "jane", &bindings, &binding("held")).await.expect(201);
    assert_eq!(post_as(&api, "jane", &bindings, &binding("cluster-admin")).await.code, 403);
    assert_eq!(post_as(&api, "jane", &bindings, &binding("nobody-has-this")).await.code, 404);
    let aggregate = json!({ "metadata": { "name": "all" }, "rules": [],
        "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] } });
    assert!(
        post_as(&api, "jane", &roles, &aggregate)
            .await
            .message()
            .contains("must have cluster-admin privileges")
    );
    let more = json!([{ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["escalate", "bind"] }]);
    allow(&api, "jane", "escalates", more).await;
    until(async || post_as(&api, "jane", &roles, &role("more", json!(["delete"]))).await.code == 201).await;
    post_as(&api, "jane", &bindings, &binding("cluster-admin")).await.expect(201);
}

#[tokio::test]
async fn who_may_act_as_a_user_in_one_thing_may_not_in_another() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    api.post(&account, &json!({ "metadata": { "name": "bot" } })).await.expect(201);
    let token = api.post(&format!("{account}/bot/token"), &json!({ "spec": {} })).await.expect(201);
    let token = token["status"]["token"].as_str().unwrap().to_string();
    let bot = format!("system:serviceaccount:{namespace}:bot");
    allow(&api, &bot, "acts", json!([
        { "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["jane"], "verbs": ["impersonate:user-info"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"] },
    ])).await;
    allow(
        &api,
        "jane",
        "reads",
        json!([{ "apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"] }]),
    )
    .await;
    let ask = async |user: &str, resource: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/{resource}");
        answer(api.anonymous(&path).bearer_auth(&token).header("impersonate-user", user)).await
    };
    until(async || ask("jane", "pods").await.code == 200).await;
    let refused = ask("jane", "services").await;
    assert_eq!(refused.code, 403);
    assert!(
        refused.message().contains("cannot impersonate-on:user-info:list resource \"services\""),
        "{}",
        refused.text
    );
    assert_eq!(ask("joe", "pods").await.code, 403);
}

#[tokio::test]
async fn answers_tell_their_flow_and_schemas_whether_their_level_exists() {
    let api = Api::start().await;
    let uid = async |path: String| {
        api.get(&path).await.expect(200)["metadata"]["uid"].as_str().unwrap().to_string()
    };
    let exempt = (
        uid(format!("{FLOW}/flowschemas/exempt")).await,
        uid(format!("{FLOW}/prioritylevelconfigurations/exempt")).await,
    );
    let place = |answer: &Answer| {
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_string());
        (
            header("x-kubernetes-pf-flowschema-uid").unwrap(),
            header("x-kubernetes-pf-prioritylevel-uid").unwrap(),
        )
    };
    assert_eq!(place(&api.get("/api/v1/namespaces").await), exempt);
    let stranger = answer(api.anonymous("/api/v1/namespaces")).await;
    let level = uid(format!("{FLOW}/prioritylevelconfigurations/global-default")).await;
    assert_eq!((stranger.code, place(&stranger).1), (403, level), "refusals have a place too");
    let schema = json!({ "metadata": { "name": "s" }, "spec": { "matchingPrecedence": 9,
        "priorityLevelConfiguration": { "name": "not-there" } } });
    api.post(&format!("{FLOW}/flowschemas"), &schema).await.expect(201);
    let dangles = async |status: &str| {
        let schema = api.get(&format!("{FLOW}/flowschemas/s")).await.expect(200);
        schema["status"]["conditions"]
            .as_array()
            .is_some_and(|c| c[0]["type"] == "Dangling" && c[0]["status"] == status)
    };
    until(async || dangles("True").await).await;
    let level = json!({ "metadata": { "name": "not-there" }, "spec": { "type": "Limited",
        "limited": { "nominalConcurrencyShares": 1, "limitResponse": { "type": "Reject" } } } });
    api.post(&format!("{FLOW}/prioritylevelconfigurations"), &level).await.expect(201);
    until(async || dangles("False").await).await;
    let dump = api.get("/debug/api_priority_and_fairness/dump_priority_levels").await;
    assert!(dump.text.contains("\nnot-there, 0, true, false, 0, 0, 0, 0, 0, 0\n"), "{}", dump.text);
}

#[tokio::test]
async fn requests_have_bounds() {
    let api = Api::start().await;
    let wrong = api.get("/api/v1/namespaces?timeout=soon").await;
    assert_eq!(
        (wrong.code, wrong.message().starts_with("invalid timeout specified")),
        (400, true),
        "{}",
        wrong.text
    );
    let large = json!({ "metadata": { "name": "large" }, "data": { "a": "x".repeat(4 << 20) } });
    let refused = api.post("/api/v1/namespaces/default/configmaps", &large).await;
    assert_eq!((refused.code, refused.message()), (413, "Request entity too large: limit is 3145728"));
    let named = answer(api.request(reqwest::Method::GET, "/version").header("audit-id", "mine")).await;
    assert_eq!(named.headers["audit-id"], "mine");
}

#[tokio::test]
async fn the_log_tells_who_asked_what() {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n\
        - {level: RequestResponse, verbs: [create], resources: [{group: '', resources: [configmaps]}]}\n\
        - {level: Metadata, users: [jane]}\n- {level: None}\n";
    let api = Api::start_audited(policy).await;
    let map = json!({ "metadata": { "name": "noted" }, "data": { "a": "1" } });
    api.post("/api/v1/namespaces/default/configmaps", &map).await.expect(201);
    let refused =
        answer(api.request(reqwest::Method::GET, "/api/v1/secrets").header("impersonate-user", "jane")).await;
    assert_eq!(refused.code, 403);
    let mut events = Vec::new();
    until(async || {
        let text = std::fs::read_to_string(api.audit_log()).unwrap_or_default();
        events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        !events.is_empty()
    })
    .await;
    let [event] = events.as_slice() else { panic!("the policy wants one event: {events:?}") };
    assert_eq!((&event["verb"], &event["stage"]), (&"create".into(), &"ResponseComplete".into()));
    assert_eq!(event["user"]["username"], "orch-admin");
    assert_eq!(event["objectRef"]["name"], "noted");
    assert_eq!(
        (&event["requestObject"]["data"], &event["responseObject"]["data"]),
        (&map["data"], &map["data"])
    );
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!(event["sourceIPs"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn a_node_gets_tokens_for_the_audiences_that_its_pods_name() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let core = format!("/api/v1/namespaces/{namespace}");
    api.post(&format!("{core}/serviceaccounts"), &json!({ "metadata": { "name": "bot" } })).await.expect(201);
    for (driver, audience) in [("inline", "disk"), ("claimed", "share")] {
        let driver = json!({ "metadata": { "name": format!("{driver}.{namespace}") },
            "spec": { "tokenRequests": [{ "audience": audience }] } });
        api.post("/apis/storage.k8s.io/v1/csidrivers", &driver).await.expect(201);
    }
    let volume = json!({ "metadata": { "name": format!("v-{namespace}") }, "spec": {
        "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
        "csi": { "driver": format!("claimed.{namespace}"), "volumeHandle": "h" } } });
    api.post("/api/v1/persistentvolumes", &volume).await.expect(201);
    let claim = json!({ "metadata": { "name": "c" }, "spec": { "volumeName": format!("v-{namespace}"),
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    api.post(&format!("{core}/persistentvolumeclaims"), &claim).await.expect(201);
    let mut pod = crate::fixture::pod("p");
    pod["spec"]["serviceAccountName"] = "bot".into();
    pod["spec"]["nodeName"] = "n1".into();
    pod["spec"]["volumes"] = json!([
        { "name": "a", "projected": { "sources": [{ "serviceAccountToken": { "audience": "vault", "path": "t" } }] } },
        { "name": "b", "csi": { "driver": format!("inline.{namespace}") } },
        { "name": "c", "persistentVolumeClaim": { "claimName": "c" } },
    ]);
    let pod = api.post(&format!("{core}/pods"), &pod).await.expect(201);
    let ask = async |audiences: Value| {
        let bound = json!({ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"] });
        let body = json!({ "spec": { "audiences": audiences, "boundObjectRef": bound } });
        let request = api.request(reqwest::Method::POST, &format!("{core}/serviceaccounts/bot/token"));
        let request =
            request.header("impersonate-user", "system:node:n1").header("impersonate-group", "system:nodes");
        answer(request.header("content-type", "application/json").body(body.to_string())).await
    };
    for named in ["vault", "disk", "share"] {
        ask(json!([named])).await.expect(201);
    }
    let refused = |why: &str| format!("serviceaccounts \"bot\" is forbidden: {why}");
    let nobody = |audience: &str| {
        refused(&format!("system:node:n1 is not authorized to request tokens for audience {audience:?}"))
    };
    assert_eq!(ask(json!(["other"])).await.message(), nobody("other"));
    assert_eq!(ask(json!([])).await.message(), nobody(""));
    let two = ask(json!(["vault", "disk"])).await;
    assert_eq!((two.code, two.message()), (403, &*refused("node may only request 0 or 1 audiences")));
    let rules = json!([{ "apiGroups": [""], "resources": ["other"], "resourceNames": ["bot"],
        "verbs": ["request-serviceaccounts-token-audience"] }]);
    allow(&api, "system:node:n1", &format!("audience-{namespace}"), rules).await;
    until(async || ask(json!(["other"])).await.code == 201).await;
    api.delete(&format!("/apis/storage.k8s.io/v1/csidrivers/inline.{namespace}")).await.expect(200);
    let why = format!(
        "error validating audience \"none\": csidriver.storage.k8s.io \"inline.{namespace}\" not found"
    );
    assert_eq!(ask(json!(["none"])).await.message(), refused(&why));
}
