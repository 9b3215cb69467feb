use serde_json::json;

use super::policy::Policy;
use super::*;

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ['system:kube-proxy']
- level: RequestResponse
  verbs: [create]
  resources: [{group: '', resources: [pods, 'pods/*']}]
- level: Request
  namespaces: [kube-system]
  resources: [{group: '', resources: [configmaps], resourceNames: [mine]}]
- level: None
  nonResourceURLs: ['/healthz*']
- level: Metadata
  omitStages: [ResponseStarted]
";

fn about(verb: &str, namespace: &str, resource: &str, name: &str) -> Attributes {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        verb: verb.into(),
        namespace: namespace.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        name: name.into(),
        ..Attributes::default()
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = Policy::parse(POLICY).unwrap();
    let jane = Identity::new("jane", &["g"]);
    let level = |attributes: &Attributes| policy.judge(&jane, attributes).level;
    assert_eq!(level(&about("create", "a", "pods", "")), Level::RequestResponse);
    assert_eq!(level(&about("create", "a", "pods/exec", "p")), Level::RequestResponse);
    assert_eq!(level(&about("get", "a", "pods", "p")), Level::Metadata);
    assert_eq!(level(&about("get", "kube-system", "configmaps", "mine")), Level::Request);
    assert_eq!(level(&about("get", "kube-system", "configmaps", "yours")), Level::Metadata);
    assert_eq!(level(&about("get", "a", "configmaps", "mine")), Level::Metadata);
    let path =
        |path: &str| Attributes { verb: "get".into(), path: Some(path.into()), ..Attributes::default() };
    assert_eq!(level(&path("/healthz/ping")), Level::None);
    assert_eq!(level(&path("/version")), Level::Metadata);
    let proxy = Identity::new("system:kube-proxy", &[]);
    assert_eq!(policy.judge(&proxy, &about("create", "a", "pods", "")).level, Level::None);
    let verdict = policy.judge(&jane, &path("/version"));
    let stages = [Stage::RequestReceived, Stage::ResponseStarted, Stage::ResponseComplete];
    assert_eq!(stages.map(|stage| verdict.wants(stage)), [false, false, true]);
}

#[test]
fn a_wrong_policy_is_named() {
    let wrong = |text: &str| Policy::parse(text).unwrap_err();
    assert!(wrong("apiVersion: v1\nkind: Policy\nrules: [{level: None}]\n").contains("audit.k8s.io/v1"));
    assert!(wrong("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n").contains("at least one rule"));
    assert!(wrong("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Some}]\n").contains("Some"));
    let stage = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [Never]\nrules: [{level: None}]\n";
    assert!(wrong(stage).contains("Never"));
}

#[test]
fn a_trail_tells_who_asked_what_and_what_came_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (policy, log) = (dir.path().join("policy.yaml"), dir.path().join("audit.log"));
    std::fs::write(&policy, POLICY.replace("rules:\n", "omitManagedFields: true\nrules:\n")).unwrap();
    let config = AuditConfig { policy, log: log.clone(), rotation: Rotation::default() };
    let auditor = Auditor::open(&config).unwrap();
    let request = Request {
        audit_id: "id",
        uri: "/api/v1/namespaces/a/pods",
        source: None,
        user_agent: "kubectl",
        version: "v1",
    };
    let trail =
        auditor.begin(&Identity::new("jane", &["g"]), &about("create", "a", "pods", ""), request).unwrap();
    assert_eq!(trail.level(), Level::RequestResponse);
    trail.impersonated(&Identity::new("joe", &[]), "impersonate:user-info");
    trail.request_object(json!({ "kind": "Pod", "metadata": { "generateName": "p-" } }));
    trail.response_object(
        json!({ "kind": "Pod", "metadata": { "name": "p-1", "uid": "u", "managedFields": [{}] } }),
    );
    trail.answered(201, None);
    trail.annotate(&BTreeMap::from([("authorization.k8s.io/decision".to_string(), "allow".to_string())]));
    trail.tell(Stage::ResponseComplete);
    drop((trail, auditor));
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [event] = lines.as_slice() else { panic!("one stage was wanted: {text}") };
    assert_eq!(event["stage"], "ResponseComplete");
    assert_eq!(event["user"]["username"], "jane");
    assert_eq!(event["impersonatedUser"]["username"], "joe");
    assert_eq!(
        event["objectRef"],
        json!({ "resource": "pods", "namespace": "a", "apiVersion": "v1", "name": "p-1", "uid": "u" })
    );
    assert_eq!(event["responseObject"]["metadata"], json!({ "name": "p-1", "uid": "u" }));
    assert_eq!(event["responseStatus"]["code"], 201);
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "allow");
}
