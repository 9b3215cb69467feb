//! What pods for Windows may have, and others may not.

use serde_json::Value;

use super::containers_of;
use crate::names;
use crate::validation::{Errors, Path, is_empty, text};

const LONGEST_SPEC_KIB: usize = 64;
const LONGEST_DOMAIN: usize = 256;
const LONGEST_USER: usize = 104;
const NOT_HERE: &str = "cannot be set for a windows pod";
const LINUX_ONLY: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const LINUX_ONLY_OF_PODS: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
const LINUX_ONLY_OF_CONTAINERS: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

pub(super) fn validate_os(spec: &Value, path: &Path, errors: &mut Errors) {
    if !spec["os"].is_object() {
        return;
    }
    match text(&spec["os"]["name"]) {
        "" => errors.required(&path.at(&["os", "name"]), ""),
        "linux" => validate_linux(spec, path, errors),
        "windows" => validate_windows(spec, path, errors),
        _ => errors.one_of(&path.child("os"), &spec["os"]["name"], &["linux", "windows"]),
    }
}

fn validate_linux(spec: &Value, path: &Path, errors: &mut Errors) {
    let contexts = containers_of(spec, path).map(|(container, at)| (&container["securityContext"], at));
    for (context, at) in std::iter::once((&spec["securityContext"], path.clone())).chain(contexts) {
        if context["windowsOptions"].is_object() {
            let at = at.at(&["securityContext", "windowsOptions"]);
            errors.forbidden(&at, "windows options cannot be set for a linux pod");
        }
    }
}

fn validate_windows(spec: &Value, path: &Path, errors: &mut Errors) {
    let mut refuse = |object: &Value, fields: &[&str], path: &Path| {
        for field in fields.iter().filter(|field| !object[**field].is_null()) {
            errors.forbidden(&path.child(field), NOT_HERE);
        }
    };
    refuse(&spec["securityContext"], &LINUX_ONLY, &path.child("securityContext"));
    refuse(spec, &LINUX_ONLY_OF_PODS, path);
    for (container, at) in containers_of(spec, path) {
        refuse(&container["securityContext"], &LINUX_ONLY_OF_CONTAINERS, &at.child("securityContext"));
    }
}

/// All containers of a pod run on the host itself, or none.
pub(super) fn validate_host_process(spec: &Value, path: &Path, errors: &mut Errors) {
    let of_pod = &spec["securityContext"]["windowsOptions"]["hostProcess"];
    let (mut all, mut on_host) = (0, 0);
    for (container, at) in containers_of(spec, path) {
        let own = &container["securityContext"]["windowsOptions"]["hostProcess"];
        if !of_pod.is_null() && !own.is_null() && own != of_pod {
            let at = at.at(&["securityContext", "windowsOptions", "hostProcess"]);
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {of_pod}");
            errors.invalid(&at, own, detail);
        }
        all += 1;
        on_host += i32::from(if own.is_null() { of_pod == true } else { own == true });
    }
    if on_host > 0 && on_host != all {
        let detail =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, &"".into(), detail);
    }
    if on_host > 0 && spec["hostNetwork"] != true {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.child("hostNetwork"), &false.into(), detail);
    }
}

pub(super) fn validate_options(options: &Value, path: &Path, errors: &mut Errors) {
    if let Some(name) = options["gmsaCredentialSpecName"].as_str() {
        errors.rule(&path.child("gmsaCredentialSpecName"), name, names::dns1123_subdomain);
    }
    let at = path.child("gmsaCredentialSpec");
    match options["gmsaCredentialSpec"].as_str().map(str::len) {
        Some(0) => errors.invalid(&at, &"".into(), "gmsaCredentialSpec cannot be an empty string"),
        Some(length) if length > LONGEST_SPEC_KIB * 1024 => {
            let detail = format!("gmsaCredentialSpec size must be under {LONGEST_SPEC_KIB} KiB");
            errors.invalid(&at, &options["gmsaCredentialSpec"], detail);
        }
        _ => {}
    }
    if let Some(name) = options["runAsUserName"].as_str() {
        for detail in user_name(name) {
            errors.invalid(&path.child("runAsUserName"), &name.into(), detail);
        }
    }
}

/// `DOMAIN\user`: what is wrong with it.
fn user_name(name: &str) -> Vec<String> {
    if is_empty(&name.into()) {
        return vec!["runAsUserName cannot be an empty string".into()];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters".into()];
    }
    if name.matches('\\').count() > 1 {
        return vec!["runAsUserName cannot contain more than one backslash".into()];
    }
    let (domain, user) = name.split_once('\\').map_or((None, name), |(domain, user)| (Some(domain), user));
    let mut found = Vec::new();
    let mut say = |wrong: bool, what: String| {
        if wrong {
            found.push(format!("runAsUserName's {what}"));
        }
    };
    let domain_length = domain.map_or(0, str::len);
    say(domain_length >= LONGEST_DOMAIN, format!("Domain length must be under {LONGEST_DOMAIN} characters"));
    let known = domain.is_none_or(|domain| is_net_bios(domain) || is_dns(domain));
    say(!known, "Domain doesn't match the NetBios nor the DNS format".into());
    say(user.is_empty(), "User cannot be empty".into());
    let long = user.len() > LONGEST_USER;
    say(long, format!("User length must not be longer than {LONGEST_USER} characters"));
    let dots = !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ');
    say(dots, "User cannot contain only periods or spaces".into());
    let wrong = user.contains(|c| r#""/\:;|=,+*?<>@[]"#.contains(c));
    say(wrong, r#"User cannot contain the following characters: "/\:;|=,+*?<>@[]"#.into());
    found
}

fn is_net_bios(domain: &str) -> bool {
    let allowed = |c: char| !r#"\/:*?"<>|"#.contains(c);
    (1..=15).contains(&domain.chars().count()) && !domain.starts_with('.') && domain.chars().all(allowed)
}

fn is_dns(domain: &str) -> bool {
    domain.split('.').all(|label| names::is_dns1123_label(&label.to_lowercase()))
}
