//! Security contexts.

use serde_json::Value;

use crate::validation::{Errors, Path, items, text};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const SYSCTL_NAME: &str = "must have at most 253 characters and match regex \
                           ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
/// Sysctls of the network namespace and of the IPC namespace begin like this.
const IN_NETWORK: &[&str] = &["net."];
const IN_IPC: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";

pub(super) fn validate_pod(spec: &Value, path: &Path, errors: &mut Errors) {
    let (at, context) = (path.child("securityContext"), &spec["securityContext"]);
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        validate_id(&context[field], &at.child(field), errors);
    }
    for (index, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        validate_id(group, &at.child("supplementalGroups").index(index), errors);
    }
    validate_seccomp(&context["seccompProfile"], &at.child("seccompProfile"), errors);
    errors.optional_one_of(
        &at.child("fsGroupChangePolicy"),
        &context["fsGroupChangePolicy"],
        &["Always", "OnRootMismatch"],
    );
    validate_sysctls(spec, &at.child("sysctls"), errors);
    if spec["hostPID"] == true && spec["shareProcessNamespace"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), &true.into(), detail);
    }
}

fn validate_sysctls(spec: &Value, path: &Path, errors: &mut Errors) {
    let sysctls = items(&spec["securityContext"]["sysctls"]);
    for (index, sysctl) in sysctls.iter().enumerate() {
        let (at, name) = (path.index(index).child("name"), text(&sysctl["name"]));
        if name.is_empty() {
            errors.required(&at, "");
        } else if !is_sysctl_name(name) {
            errors.invalid(&at, &sysctl["name"], SYSCTL_NAME);
        } else if sysctls[..index].iter().any(|earlier| earlier["name"] == sysctl["name"]) {
            errors.duplicate(&at, sysctl["name"].clone());
        }
        for (shares, namespaced) in [("hostNetwork", IN_NETWORK), ("hostIPC", IN_IPC)] {
            if spec[shares] == true && namespaced.iter().any(|prefix| name.starts_with(prefix)) {
                let detail = format!("may not be specified when '{shares}' is true");
                errors.invalid(&at, &sysctl["name"], &detail);
            }
        }
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let segment = |segment: &str| {
        segment.starts_with(inner)
            && segment.ends_with(inner)
            && segment.chars().all(|c| inner(c) || c == '-' || c == '_')
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}

pub(super) fn validate_container(context: &Value, path: &Path, errors: &mut Errors) {
    for field in ["runAsUser", "runAsGroup"] {
        validate_id(&context[field], &path.child(field), errors);
    }
    validate_seccomp(&context["seccompProfile"], &path.child("seccompProfile"), errors);
    errors.optional_one_of(&path.child("procMount"), &context["procMount"], &["Default", "Unmasked"]);
    if context["allowPrivilegeEscalation"] == false {
        if context["privileged"] == true {
            errors.invalid(
                path,
                context,
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            );
        }
        if items(&context["capabilities"]["add"]).iter().any(|capability| text(capability) == "CAP_SYS_ADMIN")
        {
            errors.invalid(
                path,
                context,
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            );
        }
    }
}

fn validate_id(id: &Value, path: &Path, errors: &mut Errors) {
    if id.as_i64().is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id)) {
        errors.invalid(path, id, ID_RANGE);
    }
}

fn validate_seccomp(profile: &Value, path: &Path, errors: &mut Errors) {
    if !profile.is_object() {
        return;
    }
    errors.required_one_of(&path.child("type"), &profile["type"], &PROFILES);
    let file = text(&profile["localhostProfile"]);
    match text(&profile["type"]) {
        "Localhost" if file.is_empty() => {
            errors.required(&path.child("localhostProfile"), "must be set when seccomp type is Localhost");
        }
        "Localhost" => super::container::relative_path(
            &profile["localhostProfile"],
            &path.child("localhostProfile"),
            errors,
        ),
        _ if !file.is_empty() => {
            errors.invalid(
                &path.child("localhostProfile"),
                &profile["localhostProfile"],
                "can only be set when seccomp type is Localhost",
            );
        }
        _ => {}
    }
}
