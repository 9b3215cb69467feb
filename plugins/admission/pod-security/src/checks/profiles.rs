//! AppArmor, seccomp and SELinux.

use std::collections::BTreeSet;

use orch_sdk::Value;
use orch_sdk::object::Object;

use super::Verdict;
use super::words::{containers, offenders, plural, quoted, setters, violation, which};
use crate::pod::Pod;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The `type` of a profile that is neither the runtime's nor the node's.
fn foreign(profile: &Value) -> Option<String> {
    let is_known = |sort: &str| matches!(sort, "RuntimeDefault" | "Localhost");
    let sort = || profile["type"].as_str().unwrap_or_default();
    (!profile.is_null() && !is_known(sort())).then(|| sort().to_string())
}

pub fn app_armor(pod: &Pod) -> Verdict {
    let of_pod = foreign(pod.security("appArmorProfile"));
    let (bad, mut sorts) =
        offenders(pod, |container| foreign(container.security("appArmorProfile")).into_iter().collect());
    let mut who: Vec<String> = setters(of_pod.is_some(), &bad).into_iter().collect();
    sorts.extend(of_pod);
    let mut values: Vec<String> = sorts.into_iter().collect();
    let annotations: Vec<String> = text_fields(pod.annotations)
        .filter(|(key, value)| key.starts_with(APP_ARMOR) && !is_own_app_armor(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).into());
        values.extend(annotations);
    }
    if who.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    violation(
        reason,
        format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values)),
    )
}

fn is_own_app_armor(value: &str) -> bool {
    value.is_empty() || value == "runtime/default" || value.starts_with("localhost/")
}

fn text_fields(map: &Value) -> impl Iterator<Item = (&str, &str)> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

pub fn seccomp_annotations(pod: &Pod) -> Verdict {
    let is_own = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let of_containers =
        pod.containers().map(|container| format!("{SECCOMP_OF_CONTAINER}{}", container.name()));
    let keys = of_containers.chain([SECCOMP_OF_POD.to_string()]);
    let bad: BTreeSet<String> = keys
        .filter_map(|key| {
            let value = pod.annotations.at(&[&key]).as_str().filter(|value| !is_own(value))?;
            Some(format!("{key}={value:?}"))
        })
        .collect();
    if bad.is_empty() {
        return None;
    }
    let annotations = plural("annotation", "annotations", bad.len());
    let listed = bad.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    violation("seccompProfile", format!("forbidden {annotations} {listed}"))
}

pub fn seccomp_if_set(pod: &Pod) -> Verdict {
    let of_pod = foreign(pod.security("seccompProfile"));
    let (bad, mut sorts) =
        offenders(pod, |container| foreign(container.security("seccompProfile")).into_iter().collect());
    let who = setters(of_pod.is_some(), &bad)?;
    sorts.extend(of_pod);
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&sorts));
    violation("seccompProfile", detail)
}

pub fn seccomp_set(pod: &Pod) -> Verdict {
    if let Some(violation) = seccomp_if_set(pod) {
        return Some(violation);
    }
    let of_pod = !pod.security("seccompProfile").is_null();
    let unset = which(pod, |container| !of_pod && container.security("seccompProfile").is_null());
    if unset.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        containers(&unset)
    );
    violation("seccompProfile", detail)
}

pub fn seccomp_set_unless_windows(pod: &Pod) -> Verdict {
    if pod.is_windows() { None } else { seccomp_set(pod) }
}

const SE_LINUX: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

pub fn se_linux_1_0(pod: &Pod) -> Verdict {
    se_linux(pod, &SE_LINUX[..4])
}

pub fn se_linux_1_31(pod: &Pod) -> Verdict {
    se_linux(pod, &SE_LINUX)
}

/// What options ask for that they must not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Type(String),
    User,
    Role,
}

fn se_linux(pod: &Pod, types: &[&str]) -> Verdict {
    let asked = |options: &Value| {
        let text = |field: &str| options.at(&[field]).as_str().unwrap_or_default().to_string();
        let sort = Some(text("type")).filter(|sort| !types.contains(&sort.as_str())).map(Asked::Type);
        let user = (!text("user").is_empty()).then_some(Asked::User);
        let role = (!text("role").is_empty()).then_some(Asked::Role);
        [sort, user, role].into_iter().flatten().collect::<Vec<_>>()
    };
    let of_pod = asked(pod.security("seLinuxOptions"));
    let (bad, mut all) = offenders(pod, |container| asked(container.security("seLinuxOptions")));
    let who = setters(!of_pod.is_empty(), &bad)?;
    all.extend(of_pod);
    let sorts: Vec<&str> = all
        .iter()
        .filter_map(|asked| if let Asked::Type(sort) = asked { Some(sort.as_str()) } else { None })
        .collect();
    let sorts =
        (!sorts.is_empty()).then(|| format!("{} {}", plural("type", "types", sorts.len()), quoted(&sorts)));
    let user = all.contains(&Asked::User).then(|| "user may not be set".to_string());
    let role = all.contains(&Asked::Role).then(|| "role may not be set".to_string());
    let data: Vec<String> = [sorts, user, role].into_iter().flatten().collect();
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; "));
    violation("seLinuxOptions", detail)
}
