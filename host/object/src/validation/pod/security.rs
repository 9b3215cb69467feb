//! Security contexts.

use serde_json::Value;

use super::volume::relative_path;
use super::{go, windows};
use crate::validation::{Errors, Path, items, text};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const SYSCTL_NAME: &str = "must have at most 253 characters and match regex \
                           ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
/// Sysctls of the network namespace and of the IPC namespace begin like this.
const IN_NETWORK: &[&str] = &["net."];
const IN_IPC: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
/// What Linux takes, less the zero at its end.
const LONGEST_PATH: usize = 4095;
const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";

pub(super) fn validate_pod(spec: &Value, path: &Path, errors: &mut Errors) {
    let (at, context) = (path.child("securityContext"), &spec["securityContext"]);
    if !context.is_object() {
        return;
    }
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        validate_id(&context[field], &at.child(field), errors);
    }
    for (index, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        validate_id(group, &at.child("supplementalGroups").index(index), errors);
    }
    validate_sysctls(spec, &at.child("sysctls"), errors);
    let choice = |field: &str, values: &[&str], errors: &mut Errors| {
        errors.given_one_of(&at.child(field), &context[field], values);
    };
    choice("fsGroupChangePolicy", &["Always", "OnRootMismatch"], errors);
    validate_seccomp(&context["seccompProfile"], &at.child("seccompProfile"), errors);
    windows::validate_options(&context["windowsOptions"], &at.child("windowsOptions"), errors);
    validate_app_armor(&context["appArmorProfile"], &at.child("appArmorProfile"), errors);
    choice("supplementalGroupsPolicy", &["Merge", "Strict"], errors);
    choice("seLinuxChangePolicy", &["MountOption", "Recursive"], errors);
}

pub(super) fn validate_shared_processes(spec: &Value, path: &Path, errors: &mut Errors) {
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

/// `host_users` is false where the pod has users of its own.
pub(super) fn validate_container(context: &Value, host_users: bool, path: &Path, errors: &mut Errors) {
    if !context.is_object() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        validate_id(&context[field], &path.child(field), errors);
    }
    let at = path.child("procMount");
    errors.given_one_of(&at, &context["procMount"], &["Default", "Unmasked"]);
    if host_users && context["procMount"] == "Unmasked" {
        errors.invalid(&at, &context["procMount"], "`hostUsers` must be false to use `Unmasked`");
    }
    validate_seccomp(&context["seccompProfile"], &path.child("seccompProfile"), errors);
    validate_escalation(context, path, errors);
    windows::validate_options(&context["windowsOptions"], &path.child("windowsOptions"), errors);
    validate_app_armor(&context["appArmorProfile"], &path.child("appArmorProfile"), errors);
}

fn validate_escalation(context: &Value, path: &Path, errors: &mut Errors) {
    if context["allowPrivilegeEscalation"] != false {
        return;
    }
    let mut refuse = |with: &str| {
        let detail = format!("cannot set `allowPrivilegeEscalation` to false and {with}");
        errors.invalid(path, &go::security_context(context), detail);
    };
    if context["privileged"] == true {
        refuse("`privileged` to true");
    }
    for _ in items(&context["capabilities"]["add"]).iter().filter(|added| *added == "CAP_SYS_ADMIN") {
        refuse("`capabilities.Add` CAP_SYS_ADMIN");
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
    let at = path.child("type");
    match text(&profile["type"]) {
        "" => errors.required(&at, "type is required when seccompProfile is set"),
        _ => errors.one_of(&at, &profile["type"], &PROFILES),
    }
    let (file, at) = (&profile["localhostProfile"], path.child("localhostProfile"));
    match (text(&profile["type"]), file.is_null()) {
        ("Localhost", true) => errors.required(&at, "must be set when seccomp type is Localhost"),
        ("Localhost", false) => relative_path(file, &at, errors),
        (_, true) => {}
        (kind, false) => {
            let shown = serde_json::json!({ "Type": kind, "LocalhostProfile": file });
            errors.invalid(&at, &shown, "can only be set when seccomp type is Localhost");
        }
    }
}

fn validate_app_armor(profile: &Value, path: &Path, errors: &mut Errors) {
    const UNSET: &str = "must be set when AppArmor type is Localhost";
    if !profile.is_object() {
        return;
    }
    let (file, at) = (&profile["localhostProfile"], path.child("localhostProfile"));
    match text(&profile["type"]) {
        "Localhost" if file.is_null() => errors.required(&at, UNSET),
        "Localhost" => {
            let name = text(file);
            if name.trim() != name {
                errors.invalid(&at, file, "must not be padded with whitespace");
            } else if name.is_empty() {
                errors.required(&at, UNSET);
            }
            if name.len() > LONGEST_PATH {
                errors.too_long(&at, LONGEST_PATH);
            }
        }
        "RuntimeDefault" | "Unconfined" if !file.is_null() => {
            errors.invalid(&at, file, "can only be set when AppArmor type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        _ => errors.one_of(&path.child("type"), &profile["type"], &PROFILES),
    }
}
