use orch_sdk::{Value, json};

use super::*;

fn judged(level: Level, version: Version, annotations: Value, spec: &Value) -> String {
    in_detail(&evaluate(Standard { level, version }, &Pod { annotations: &annotations, spec }))
}

fn baseline(spec: Value) -> String {
    judged(Level::Baseline, Version::Latest, Value::Null, &spec)
}

/// As restricted wants a pod, but for `change`.
fn restricted(change: impl Fn(&mut Value)) -> String {
    restricted_at(Version::Latest, change)
}

fn restricted_at(version: Version, change: impl Fn(&mut Value)) -> String {
    let mut spec = json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext":
            {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    });
    change(&mut spec);
    judged(Level::Restricted, version, Value::Null, &spec)
}

#[test]
fn baseline_forbids_known_ways_out() {
    let container = |own: Value| {
        let mut container = own;
        container["name"] = "a".into();
        json!({"containers": [container, {"name": "b"}]})
    };
    let secured = |context: Value| container(json!({"securityContext": context}));
    for (spec, expected) in [
        (json!({"containers": [{"name": "a"}]}), ""),
        (json!({"hostNetwork": true, "hostIPC": true}), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (
            json!({"volumes": [{"name": "x", "hostPath": {}}, {"name": "y", "hostPath": {}}]}),
            "hostPath volumes (volumes \"x\", \"y\")",
        ),
        (
            container(json!({"ports": [{"hostPort": 80}, {"hostPort": 443}, {}]})),
            "hostPort (container \"a\" uses hostPorts 443, 80)",
        ),
        (
            container(
                json!({"livenessProbe": {"httpGet": {"host": "h"}}, "lifecycle": {"preStop": {"tcpSocket": {"host": "g"}}}}),
            ),
            "probe or lifecycle host (container \"a\" uses probe or lifecycle hosts \"g\", \"h\")",
        ),
        (
            secured(json!({"privileged": true})),
            "privileged (container \"a\" must not set securityContext.privileged=true)",
        ),
        (
            secured(json!({"procMount": "Unmasked"})),
            "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            secured(json!({"capabilities": {"add": ["NET_RAW", "CHOWN"]}})),
            "non-default capabilities (container \"a\" must not include \"NET_RAW\" in securityContext.capabilities.add)",
        ),
        (
            secured(json!({"seccompProfile": {"type": "Unconfined"}})),
            "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
            "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            json!({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}}),
            "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)",
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "kernel.sem"}, {"name": "net.ipv4.tcp_rmem"}]}}),
            "forbidden sysctls (kernel.sem)",
        ),
        (
            secured(json!({"windowsOptions": {"hostProcess": true}})),
            "hostProcess (container \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ] {
        assert_eq!(baseline(spec.clone()), expected, "{spec}");
    }
}

#[test]
fn restricted_demands_hardening() {
    let context = |field: &'static str, value: Value| {
        move |spec: &mut Value| spec["containers"][0]["securityContext"][field] = value.clone()
    };
    let of_pod = |field: &'static str, value: Value| {
        move |spec: &mut Value| spec["securityContext"][field] = value.clone()
    };
    assert_eq!(restricted(|_| {}), "");
    for (judged, expected) in [
        (
            restricted(context("allowPrivilegeEscalation", Value::Null)),
            "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false)",
        ),
        (
            restricted(context("capabilities", json!({"add": ["CHOWN", "NET_BIND_SERVICE"]}))),
            "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]; \
             container \"a\" must not include \"CHOWN\" in securityContext.capabilities.add)",
        ),
        (
            restricted(|spec| spec["volumes"] = json!([{"name": "v", "nfs": {}}, {"name": "w"}])),
            "restricted volume types (volumes \"v\", \"w\" use restricted volume types \"nfs\", \"unknown\")",
        ),
        (
            restricted(of_pod("runAsNonRoot", Value::Null)),
            "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)",
        ),
        (
            restricted(of_pod("runAsNonRoot", false.into())),
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            restricted(context("runAsUser", 0.into())),
            "runAsUser=0 (container \"a\" must not set runAsUser=0)",
        ),
        (
            restricted(of_pod("seccompProfile", Value::Null)),
            "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
        ),
    ] {
        assert_eq!(judged, expected);
    }
    let windows = restricted(|spec| {
        spec["os"] = json!({"name": "windows"});
        spec["securityContext"]["seccompProfile"].take();
        spec["containers"][0]["securityContext"].take();
    });
    assert_eq!(windows, "");
}

#[test]
fn versions_keep_their_rules() {
    let sysctl = json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}});
    let at = |minor| judged(Level::Baseline, Version::Minor(minor), Value::Null, &sysctl);
    assert_eq!((at(31).as_str(), at(32).as_str()), ("forbidden sysctls (net.ipv4.tcp_rmem)", ""));
    let own_users = |spec: &mut Value| {
        spec["hostUsers"] = false.into();
        spec["securityContext"]["runAsNonRoot"] = false.into();
    };
    assert!(restricted_at(Version::Minor(34), own_users).starts_with("runAsNonRoot"));
    assert_eq!(restricted_at(Version::Minor(35), own_users), "");
    let probe = json!({"containers": [{"name": "a", "startupProbe": {"httpGet": {"host": "h"}}}]});
    assert_eq!(judged(Level::Baseline, Version::Minor(33), Value::Null, &probe), "");
    let annotated = json!({"seccomp.security.alpha.kubernetes.io/pod": "unconfined"});
    assert_eq!(
        judged(Level::Baseline, Version::Minor(18), annotated.clone(), &json!({})),
        "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")"
    );
    assert_eq!(judged(Level::Baseline, Version::Minor(19), annotated, &json!({})), "");
}

#[test]
fn app_armor_is_set_by_annotations_too() {
    let annotations = json!({"container.apparmor.security.beta.kubernetes.io/a": "unconfined",
        "container.apparmor.security.beta.kubernetes.io/b": "localhost/own"});
    assert_eq!(
        judged(Level::Baseline, Version::Latest, annotations, &json!({})),
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to \
         \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")"
    );
}
