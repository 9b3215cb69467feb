use serde_json::{Value, json};

use crate::Kinds;

/// What is wrong, as messages; defaults are set first, as the pipeline does.
fn errors(api_version: &str, kind: &str, object: Value, old: Option<Value>) -> Vec<String> {
    let kinds = Kinds::builtin();
    let strategy = kinds.by_kind(api_version, kind).expect(kind).strategy;
    let prepared = |mut object: Value| {
        (strategy.default)(&mut object);
        object
    };
    let (object, old) = (prepared(object), old.map(prepared));
    (strategy.validate)(&object, old.as_ref()).iter().map(ToString::to_string).collect()
}

fn pod() -> Value {
    json!({ "metadata": { "name": "p", "namespace": "default" }, "spec": { "containers": [{ "name": "c", "image": "busybox" }] } })
}

/// A valid pod with one thing changed, and what is then wrong.
fn assert_pod(change: impl Fn(&mut Value), expected: &[&str]) {
    let mut object = pod();
    change(&mut object);
    assert_eq!(errors("v1", "Pod", object, None), expected);
}

#[test]
fn a_plain_pod_is_valid() {
    assert_pod(|_| {}, &[]);
}

#[test]
fn pods_are_checked_field_by_field() {
    assert_pod(|pod| pod["spec"]["containers"] = json!([]), &["spec.containers: Required value"]);
    assert_pod(
        |pod| pod["spec"]["containers"][0]["image"] = "".into(),
        &["spec.containers[0].image: Required value"],
    );
    assert_pod(
        |pod| pod["spec"]["restartPolicy"] = "Sometimes".into(),
        &[
            r#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never""#,
        ],
    );
    assert_pod(
        |pod| {
            pod["spec"]["containers"] = json!([{ "name": "c", "image": "a" }, { "name": "c", "image": "b" }])
        },
        &[r#"spec.containers[1].name: Duplicate value: "c""#],
    );
    assert_pod(
        |pod| pod["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/v" }]),
        &[r#"spec.containers[0].volumeMounts[0].name: Not found: "v""#],
    );
    assert_pod(
        |pod| {
            pod["spec"]["containers"][0]["resources"] =
                json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } })
        },
        &[
            r#"spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#,
        ],
    );
    assert_pod(
        |pod| pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 70000 }, { "name": "x" }]),
        &[
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[1].containerPort: Required value",
        ],
    );
    assert_pod(
        |pod| pod["spec"]["containers"][0]["livenessProbe"] = json!({}),
        &["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    );
    assert_pod(
        |pod| pod["spec"]["containers"][0]["env"] = json!([{ "name": "A", "value": "x", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }]),
        &[
            r#"spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#,
        ],
    );
    assert_pod(
        |pod| pod["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {}, "hostPath": { "path": "/" } }]),
        &["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    );
    assert_pod(
        |pod| pod["spec"]["tolerations"] = json!([{ "operator": "Exists", "tolerationSeconds": 3 }]),
        &[
            r#"spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set"#,
        ],
    );
    assert_pod(
        |pod| pod["metadata"]["labels"] = json!({ "a b": "c" }),
        &[
            r#"metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
        ],
    );
}

#[test]
fn sysctls_are_named_once_and_well() {
    let sysctls = json!([
        { "name": "kernel.shmmax", "value": "1" }, { "name": "safe-and-unsafe", "value": "1" },
        { "name": "net/ipv4/tcp_syncookies", "value": "1" },
    ]);
    assert_pod(|pod| pod["spec"]["securityContext"] = json!({ "sysctls": sysctls }), &[]);
    let wrong = json!([{ "name": "foo-", "value": "1" }, { "name": "a.b", "value": "1" }, { "name": "a.b", "value": "1" }]);
    let regex = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    let name = format!(
        "spec.securityContext.sysctls[0].name: Invalid value: \"foo-\": must have at most 253 characters and match regex {regex}"
    );
    assert_pod(
        |pod| pod["spec"]["securityContext"] = json!({ "sysctls": wrong }),
        &[&name, "spec.securityContext.sysctls[2].name: Duplicate value: \"a.b\""],
    );
    assert_pod(
        |pod| {
            pod["spec"]["hostNetwork"] = true.into();
            pod["spec"]["securityContext"] =
                json!({ "sysctls": [{ "name": "net.core.somaxconn", "value": "1" }] });
        },
        &[
            "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true",
        ],
    );
}

#[test]
fn names_are_checked_by_kind() {
    assert_eq!(errors("v1", "Namespace", json!({ "metadata": { "name": "a.b" } }), None).len(), 1);
    assert_eq!(errors("v1", "Node", json!({ "metadata": { "name": "a.b" } }), None), Vec::<String>::new());
    let service = json!({ "metadata": { "name": "a.b" }, "spec": { "ports": [{ "port": 80 }] } });
    let found = errors("v1", "Service", service, None);
    assert!(
        found.len() == 1
            && found[0].starts_with(r#"metadata.name: Invalid value: "a.b": must not contain dots"#),
        "{found:?}"
    );
    let role = json!({ "metadata": { "name": "system:a" }, "rules": [] });
    assert_eq!(errors("rbac.authorization.k8s.io/v1", "Role", role, None), Vec::<String>::new());
}

#[test]
fn running_pods_change_images_only() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut new = pod();
        change(&mut new);
        errors("v1", "Pod", new, Some(pod()))
    };
    assert_eq!(changed(&|pod| pod["spec"]["containers"][0]["image"] = "other".into()), Vec::<String>::new());
    let said_in_vain = |pod: &mut Value| {
        pod["spec"]["hostNetwork"] = false.into();
        Kinds::builtin().by_kind("v1", "Pod").expect("pods").shape(pod);
    };
    assert_eq!(changed(&said_in_vain), Vec::<String>::new());
    assert_eq!(
        changed(&|pod| pod["spec"]["tolerations"] = json!([{ "operator": "Exists" }])),
        Vec::<String>::new()
    );
    let found = changed(&|pod| pod["spec"]["containers"][0]["command"] = json!(["sh"]));
    assert!(
        found.len() == 1
            && found[0].starts_with("spec: Forbidden: pod updates may not change fields other than"),
        "{found:?}"
    );
    assert_eq!(
        changed(&|pod| pod["spec"]["containers"] =
            json!([{ "name": "c", "image": "a" }, { "name": "d", "image": "b" }])),
        ["spec.containers: Forbidden: pod updates may not add or remove containers"]
    );
    assert_eq!(
        changed(&|pod| pod["spec"]["schedulingGates"] = json!([{ "name": "a/b" }])),
        [
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a/b'"
        ]
    );
}

fn deployment() -> Value {
    json!({
        "metadata": { "name": "d", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "x:1" }] } },
        },
    })
}

#[test]
fn deployments_are_checked() {
    let changed = |old: Option<Value>, change: &dyn Fn(&mut Value)| {
        let mut new = deployment();
        change(&mut new);
        errors("apps/v1", "Deployment", new, old)
    };
    assert_eq!(changed(None, &|_| {}), Vec::<String>::new());
    assert_eq!(
        changed(None, &|new| new["spec"]["replicas"] = (-1).into()),
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]
    );
    assert_eq!(
        changed(None, &|new| new["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" })),
        [
            r#"spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`"#
        ]
    );
    assert_eq!(
        changed(None, &|new| new["spec"]["template"]["spec"]["restartPolicy"] = "Never".into()),
        [r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#]
    );
    assert_eq!(
        changed(None, &|new| new["spec"]["strategy"] =
            json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "0%" } })),
        [
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0"#
        ]
    );
    let relabel = |new: &mut Value| {
        new["spec"]["selector"] = json!({ "matchLabels": { "app": "other" } });
        new["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" });
    };
    assert_eq!(
        changed(Some(deployment()), &relabel),
        [r#"spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable"#]
    );
}

#[test]
fn services_are_checked() {
    let service = |spec: Value| json!({ "metadata": { "name": "s" }, "spec": spec });
    let found = |spec: Value| errors("v1", "Service", service(spec), None);
    assert_eq!(found(json!({})), ["spec.ports: Required value"]);
    assert_eq!(
        found(json!({ "ports": [{ "port": 80 }, { "port": 80, "name": "b" }] })).first().map(String::as_str),
        Some("spec.ports[0].name: Required value")
    );
    assert_eq!(
        found(json!({ "ports": [{ "port": 80, "nodePort": 30080 }] })),
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]
    );
    assert_eq!(found(json!({ "type": "ExternalName" })), ["spec.externalName: Required value"]);
    let of = |ip: &str| service(json!({ "clusterIP": ip, "clusterIPs": [ip], "ports": [{ "port": 80 }] }));
    assert_eq!(
        errors("v1", "Service", of("10.96.0.8"), Some(of("10.96.0.7"))),
        [r#"spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set"#]
    );
}

#[test]
fn config_is_checked() {
    let map = |object: Value, old| errors("v1", "ConfigMap", object, old);
    let found = map(json!({ "metadata": { "name": "m" }, "data": { "a/b": "" } }), None);
    assert!(
        found.len() == 1 && found[0].starts_with(r#"data[a/b]: Invalid value: "a/b": a valid config key"#),
        "{found:?}"
    );
    let frozen = json!({ "metadata": { "name": "m" }, "immutable": true, "data": { "a": "1" } });
    let mut changed = frozen.clone();
    changed["data"]["a"] = "2".into();
    assert_eq!(map(changed, Some(frozen)), ["data: Forbidden: field is immutable when `immutable` is set"]);
    let big = json!({ "metadata": { "name": "s" }, "data": { "a": "A".repeat(1_400_000) } });
    assert_eq!(errors("v1", "Secret", big, None), ["data: Too long: may not be more than 1048576 bytes"]);
    let tls = json!({ "metadata": { "name": "s" }, "type": "kubernetes.io/tls", "data": { "tls.crt": "" } });
    assert_eq!(errors("v1", "Secret", tls, None), ["data[tls.key]: Required value"]);
}

#[test]
fn metadata_is_guarded_on_update() {
    let old = json!({ "metadata": { "name": "m", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"] } });
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
    assert_eq!(
        errors("v1", "ConfigMap", new, Some(old.clone())),
        [
            r#"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}"#
        ]
    );
    let mut new = old.clone();
    new["metadata"]["uid"] = "2".into();
    assert_eq!(
        errors("v1", "ConfigMap", new, Some(old)),
        [r#"metadata.uid: Invalid value: "2": field is immutable"#]
    );
}

#[test]
fn roles_bindings_and_plugins_are_checked() {
    let rbac = "rbac.authorization.k8s.io/v1";
    let role = json!({ "metadata": { "name": "r" }, "rules": [{ "verbs": [], "resources": ["pods"] }] });
    assert_eq!(
        errors(rbac, "Role", role, None),
        [
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        ]
    );
    let binding = |name: &str| json!({ "kind": "RoleBinding", "metadata": { "name": "b" }, "roleRef": { "kind": "Role", "name": name } });
    let found = errors(rbac, "RoleBinding", binding("a"), Some(binding("b")));
    assert!(found.len() == 1 && found[0].ends_with("field is immutable"), "{found:?}");
    let plugin = json!({ "metadata": { "name": "p" }, "spec": { "world": "orch:cni", "source": { "builtin": "a", "file": "b" } } });
    assert_eq!(
        errors("plugins.orch.dev/v1alpha1", "Plugin", plugin, None),
        [
            "spec.source.file: Forbidden: exactly one source may be set",
            r#"spec.source.file: Invalid value: "b": must be an absolute path"#,
        ]
    );
}

const PLUGINS: &str = "plugins.orch.dev/v1alpha1";

#[test]
fn what_belongs_to_one_source_is_refused_beside_another() {
    let plugin = |source: Value| json!({ "metadata": { "name": "p" }, "spec": { "world": "orch:cni", "source": source } });
    let found = |source: Value| errors(PLUGINS, "Plugin", plugin(source), None);
    assert!(found(json!({ "oci": "a/b:1", "pullSecret": "login" })).is_empty());
    assert!(found(json!({ "file": "/a", "signature": "eA==" })).is_empty());
    assert_eq!(
        found(json!({ "file": "/a", "pullSecret": "login" })),
        ["spec.source.pullSecret: Forbidden: may be set only with oci"]
    );
    assert!(
        found(json!({ "oci": "a/b:1", "signature": "eA==" }))[0]
            .starts_with("spec.source.signature: Forbidden")
    );
    let upper = format!("sha256:{}", "A".repeat(64));
    assert!(found(json!({ "digest": upper }))[0].contains("64 hexadecimal digits"));
}

#[test]
fn policies_name_what_is_wrong_with_a_rule() {
    let policy = |rule: Value| json!({ "metadata": { "name": "p" }, "spec": { "rules": [rule] } });
    let found = |rule: Value| errors(PLUGINS, "PluginPolicy", policy(rule), None);
    let key = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----";
    assert!(found(json!({ "action": "Deny", "match": { "sources": ["oci:a/*", "*"] } })).is_empty());
    assert!(found(json!({ "action": "RequireSignature", "keys": [key] })).is_empty());
    assert_eq!(
        found(json!({ "action": "RequireSignature" })),
        ["spec.rules[0].keys: Required value: at least one public key in PEM is needed"]
    );
    assert!(
        found(json!({ "action": "Allow", "keys": [key] }))[0].starts_with("spec.rules[0].keys: Forbidden")
    );
    assert!(
        found(json!({ "action": "RequireSignature", "keys": ["x"] }))[0].starts_with("spec.rules[0].keys[0]")
    );
    assert!(found(json!({ "action": "Maybe" }))[0].contains("supported values"));
    let pattern = found(json!({ "action": "Deny", "match": { "sources": ["registry.example/*"] } }));
    assert!(pattern[0].starts_with("spec.rules[0].match.sources[0]"), "{pattern:?}");
}

#[test]
fn uploads_are_named_by_their_digest_and_never_change() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let artifact = |name: &str, chunks: i64| {
        json!({
            "metadata": { "name": name },
            "spec": { "digest": digest, "size": 1, "chunks": chunks, "encoding": "zstd" },
        })
    };
    let name = digest.replace(':', "-");
    let found = |new: Value, old: Option<Value>| errors(PLUGINS, "PluginArtifact", new, old);
    assert!(found(artifact(&name, 1), None).is_empty());
    assert!(found(artifact("other", 1), None)[0].contains("must be the digest"));
    assert!(found(artifact(&name, 0), None)[0].contains("between 1 and 80"));
    let mut old = artifact(&name, 1);
    old["metadata"]["resourceVersion"] = "1".into();
    let mut new = artifact(&name, 2);
    new["metadata"]["resourceVersion"] = "1".into();
    assert!(found(new, Some(old))[0].contains("field is immutable"));
    let chunk = json!({ "metadata": { "name": "c" }, "spec": {} });
    assert_eq!(errors(PLUGINS, "PluginArtifactChunk", chunk, None), ["spec.data: Required value"]);
}

/// What is said of a good pod with one field spoilt, as upstream's API server says it.
#[test]
fn spoilt_pods_are_told_in_upstreams_words() {
    let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    let cases: [(&str, Value, Vec<String>); 11] = [
        ("/dnsConfig", json!({ "nameservers": ["x"], "searches": ["_a.b", "A"] }), vec![
            r#"spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#.into(),
            format!(r#"spec.dnsConfig.searches[1]: Invalid value: "A": {}"#, crate::names::search_domain("A")[0]),
        ]),
        ("/volumes", json!([{ "name": "N", "nfs": { "server": "s" } }]), vec![
            "spec.volumes[0].nfs.path: Required value".into(),
            r#"spec.volumes[0].nfs.path: Invalid value: "": must be an absolute path"#.into(),
            format!(r#"spec.volumes[0].name: Invalid value: "N": {label}"#),
        ]),
        ("/volumes", json!([{ "name": "d", "downwardAPI": { "items": [{ "path": "..a", "fieldRef": { "apiVersion": "v1", "fieldPath": "spec.nodeName" } }] } }]), vec![
            r#"spec.volumes[0].downwardAPI.path: Invalid value: "..a": must not start with '..'"#.into(),
            r#"spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid""#.into(),
        ]),
        ("/containers/0/env", json!([{ "name": "A", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu", "divisor": "2" } } }]), vec![
            r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource"#.into(),
        ]),
        ("/containers/0/envFrom", json!([{}]), vec![
            r#"spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`"#.into(),
        ]),
        ("/containers/0/lifecycle", json!({ "preStop": { "sleep": { "seconds": 31 } } }), vec![
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)".into(),
        ]),
        ("/containers/0/resources", json!({ "claims": [{ "name": "g" }] }), vec![
            r#"spec.containers[0].resources.claims[0]: Not found: "g": must be one of the names in pod.spec.resourceClaims which is empty"#.into(),
        ]),
        ("/resourceClaims", json!([{ "name": "g" }]), vec![
            r#"spec.resourceClaims[0]: Invalid value: {"Name":"g","ResourceClaimName":null,"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"#.into(),
        ]),
        ("/tolerations", json!([{ "key": "k", "value": "a b" }]), vec![
            format!(r#"spec.tolerations[0].operator: Invalid value: "a b": {}"#, crate::names::label_value("a b")[0]),
        ]),
        ("/topologySpreadConstraints", json!([{ "maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2 }]), vec![
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway".into(),
        ]),
        ("/os", json!({ "name": "plan9" }), vec![
            r#"spec.os: Unsupported value: "plan9": supported values: "linux", "windows""#.into(),
        ]),
    ];
    for (at, value, expected) in cases {
        let mut object = pod();
        let (parent, field) = at.rsplit_once('/').expect("a pointer");
        object["spec"].pointer_mut(parent).expect("in the pod")[field] = value;
        assert_eq!(errors("v1", "Pod", object, None), expected, "{at}");
    }
}

#[test]
fn every_change_of_metadata_is_judged_alike() {
    let kinds = Kinds::builtin();
    let old = pod();
    let mut new = pod();
    new["metadata"]["finalizers"] = json!(["Not Valid!"]);
    let found = kinds.by_kind("v1", "Pod").expect("pods").validate(&new, Some(&old));
    let fields: Vec<&str> = found.iter().map(|error| error.field.as_str()).take(2).collect();
    assert_eq!(fields, ["metadata.finalizers", "metadata.finalizers[0]"]);
}

#[test]
fn a_volumes_affinity_may_take_the_labels_names_of_today() {
    let volume = |key: &str| {
        json!({ "metadata": { "name": "v" }, "spec": { "capacity": { "storage": "1Gi" },
            "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [
                { "matchExpressions": [{ "key": key, "operator": "In", "values": ["a"] }] }] } } } })
    };
    let change =
        |from: &str, to: &str| errors("v1", "PersistentVolume", volume(to), Some(volume(from))).len();
    assert_eq!(change("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"), 0);
    assert_eq!(change("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"), 1);
    assert_eq!(change("a", "b"), 1);
}

#[test]
fn a_services_addresses_are_looked_at_first() {
    let service = json!({ "metadata": { "name": "s", "namespace": "d" }, "spec": { "clusterIPs": ["x"],
        "clusterIP": "x" } });
    let expected = [
        r#"spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
    ];
    assert_eq!(errors("v1", "Service", service, None), expected);
}

#[test]
fn a_namespaces_phase_says_whether_it_is_going() {
    let going = |phase: &str, deleted: bool| {
        let mut namespace = json!({ "metadata": { "name": "n" }, "status": { "phase": phase } });
        if deleted {
            namespace["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        super::namespace::validate_part(&namespace, &namespace, "status", "").is_empty()
    };
    assert!(going("Active", false) && going("Terminating", true));
    assert!(!going("Terminating", false) && !going("Active", true));
}

#[test]
fn what_a_pod_says_is_false_is_not_taken_back() {
    let said = |said: Value| {
        let mut pod = pod();
        pod["spec"]["automountServiceAccountToken"] = said;
        pod
    };
    let change = |new: Value, old: Value| errors("v1", "Pod", said(new), Some(said(old))).len();
    assert_eq!(change(Value::Null, false.into()), 1);
    assert_eq!(change(false.into(), false.into()), 0);
}
