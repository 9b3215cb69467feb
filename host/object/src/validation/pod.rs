//! Pods and the pod specs of templates.

mod annotations;
mod container;
mod environment;
mod go;
mod mounts;
mod parts;
mod placement;
mod probe;
mod resources;
mod security;
mod update;
pub(crate) mod volume;
pub(crate) mod warnings;
mod windows;

pub(crate) use go::volume_affinity as go_volume_affinity;
pub(crate) use parts::validate_part;
pub(crate) use placement::{validate_node_selector, validate_tolerations};
pub(crate) use probe::validate_target;
use serde_json::Value;
use volume::Volumes;

use super::{Errors, Path, ip, is_empty, items, metadata, text};
use crate::names;
use crate::status::FieldError;

const DNS_POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const MAX_DNS_NAMESERVERS: usize = 3;
const MAX_DNS_SEARCHES: usize = 32;
const MAX_DNS_SEARCH_LENGTH: usize = 2048;
const LONGEST_HOSTNAME: usize = 64;

/// What the containers of a pod may refer to.
struct Surroundings<'v> {
    volumes: Volumes<'v>,
    /// Names of resource claims.
    claims: Vec<&'v str>,
    restart_policy: &'v str,
    /// Whether its users are those of the node.
    host_users: bool,
}

pub(crate) fn validate(pod: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let path = Path::new("spec");
    if let Some(old) = old {
        metadata::validate_change(pod, old, &mut errors);
    }
    metadata::validate_new(pod, names::dns1123_subdomain, &mut errors);
    annotations::validate(pod, &Path::new("metadata").child("annotations"), &mut errors);
    validate_spec(&pod["spec"], Some(pod), &path, &mut errors);
    validate_pod_only(&pod["spec"], &path, &mut errors);
    if let Some(old) = old {
        annotations::validate_change(pod, old, &mut errors);
        update::validate(pod, old, &path, &mut errors);
    } else if text(&pod["metadata"]["resourceVersion"]).is_empty() {
        validate_create(&pod["spec"], &path, &mut errors);
    }
    errors.into_vec()
}

/// What templates are not asked.
fn validate_pod_only(spec: &Value, path: &Path, errors: &mut Errors) {
    if text(&spec["serviceAccountName"]).is_empty() {
        for (index, volume) in items(&spec["volumes"]).iter().enumerate() {
            let at = path.child("volumes").index(index).at(&["projected", "sources"]);
            for (index, source) in items(&volume["projected"]["sources"]).iter().enumerate() {
                if source["serviceAccountToken"].is_object() {
                    let at = at.index(index).child("serviceAccountToken");
                    errors.forbidden(&at, "must not be specified when serviceAccountName is not set");
                }
            }
        }
    }
    let grace = "terminationGracePeriodSeconds";
    errors.not_negative(&path.child(grace), &spec[grace]);
    for field in ["containers", "initContainers"] {
        for (index, container) in items(&spec[field]).iter().enumerate() {
            container::validate_trimmed(container, &path.child(field).index(index), errors);
        }
    }
}

/// Debugging containers join a running pod, and what waits for its gates has no node yet.
fn validate_create(spec: &Value, path: &Path, errors: &mut Errors) {
    if !is_empty(&spec["ephemeralContainers"]) {
        errors.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
    if !is_empty(&spec["nodeName"]) && !is_empty(&spec["schedulingGates"]) {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&path.child("nodeName"), detail);
    }
}

/// A template: what its pods will be.
pub(crate) fn validate_template(template: &Value, path: &Path, errors: &mut Errors) {
    let of_annotations = path.child("annotations");
    metadata::validate_labels(&template["metadata"]["labels"], &path.child("labels"), errors);
    metadata::validate_annotations(&template["metadata"]["annotations"], &of_annotations, errors);
    annotations::validate(template, &of_annotations, errors);
    validate_spec(&template["spec"], None, &path.child("spec"), errors);
    if !is_empty(&template["spec"]["ephemeralContainers"]) {
        let at = path.at(&["spec", "ephemeralContainers"]);
        errors.forbidden(&at, "ephemeral containers not allowed in pod template");
    }
}

/// Without `pod` it is a template's.
fn validate_spec(spec: &Value, pod: Option<&Value>, path: &Path, errors: &mut Errors) {
    if spec["terminationGracePeriodSeconds"].is_null() {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let name = pod.map_or("", |pod| text(&pod["metadata"]["name"]));
    let around = Surroundings {
        volumes: volume::validate(&spec["volumes"], name, &path.child("volumes"), errors),
        claims: names_of_claims(&spec["resourceClaims"]),
        restart_policy: text(&spec["restartPolicy"]),
        host_users: spec["hostUsers"] != false,
    };
    validate_claims(&spec["resourceClaims"], &path.child("resourceClaims"), errors);
    container::validate_all(spec, &around, path, errors);
    resources::validate_pod(spec, &around.claims, path, errors);
    container::validate_host_network(spec, pod.is_some(), path, errors);
    errors.required_listed(&path.child("restartPolicy"), &spec["restartPolicy"], &RESTART_POLICIES);
    errors.required_listed(&path.child("dnsPolicy"), &spec["dnsPolicy"], &DNS_POLICIES);
    metadata::validate_labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    security::validate_pod(spec, path, errors);
    security::validate_shared_processes(spec, path, errors);
    placement::validate_affinity(&spec["affinity"], &path.child("affinity"), errors);
    validate_dns(spec, &path.child("dnsConfig"), errors);
    placement::validate_gates(spec, path, errors);
    let spreading = "topologySpreadConstraints";
    placement::validate_spreading(&spec[spreading], &path.child(spreading), errors);
    windows::validate_host_process(spec, path, errors);
    validate_own_users(spec, path, errors);
    validate_hostname(spec, path, errors);
    validate_names(spec, path, errors);
    windows::validate_os(spec, path, errors);
    validate_scheduling_group(&spec["schedulingGroup"], &path.child("schedulingGroup"), errors);
    validate_files_of_variables(spec, path, errors);
}

/// Init containers, containers, ephemeral containers, each with its path.
fn containers_of<'v>(spec: &'v Value, path: &Path) -> impl Iterator<Item = (&'v Value, Path)> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |field| {
        let at = path.child(field);
        items(&spec[field]).iter().enumerate().map(move |(index, container)| (container, at.index(index)))
    })
}

fn names_of_claims(claims: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = items(claims).iter().map(|claim| text(&claim["name"])).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

fn validate_claims(claims: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, claim) in items(claims).iter().enumerate() {
        let at = path.index(index);
        match text(&claim["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name if seen.contains(&name) => errors.duplicate(&at.child("name"), name),
            name => {
                errors.rule(&at.child("name"), name, names::dns1123_label);
                seen.push(name);
            }
        }
        let ways = ["resourceClaimName", "resourceClaimTemplateName"];
        let given: Vec<&str> = ways.into_iter().filter(|way| claim[*way].is_string()).collect();
        let detail = match given.len() {
            0 => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            1 => None,
            _ => Some("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"),
        };
        if let Some(detail) = detail {
            errors.invalid(&at, &go::resource_claim(claim), detail);
        }
        for way in given {
            errors.rule(&at.child(way), text(&claim[way]), names::dns1123_subdomain);
        }
    }
}

fn validate_dns(spec: &Value, path: &Path, errors: &mut Errors) {
    let config = &spec["dnsConfig"];
    let (nameservers, searches) = (items(&config["nameservers"]), items(&config["searches"]));
    let at = path.child("nameservers");
    if spec["dnsPolicy"] == "None" && !config.is_object() {
        return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    if spec["dnsPolicy"] == "None" && nameservers.is_empty() {
        return errors.required(&at, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if nameservers.len() > MAX_DNS_NAMESERVERS {
        let detail = format!("must not have more than {MAX_DNS_NAMESERVERS} nameservers");
        errors.invalid(&at, &config["nameservers"], detail);
    }
    for (index, server) in nameservers.iter().enumerate() {
        ip::validate(server, &at.index(index), errors);
    }
    validate_searches(searches, &config["searches"], &path.child("searches"), errors);
    for (index, option) in items(&config["options"]).iter().enumerate() {
        if text(&option["name"]).is_empty() {
            errors.required(&path.child("options").index(index), "must not be empty");
        }
    }
}

fn validate_searches(searches: &[Value], list: &Value, path: &Path, errors: &mut Errors) {
    if searches.len() > MAX_DNS_SEARCHES {
        let detail = format!("must not have more than {MAX_DNS_SEARCHES} search paths");
        errors.invalid(path, list, detail);
    }
    let length: usize = searches.iter().map(|search| text(search).len() + 1).sum();
    if length > MAX_DNS_SEARCH_LENGTH + 1 {
        let detail = format!(
            "must not have more than {MAX_DNS_SEARCH_LENGTH} characters (including spaces) in the search list"
        );
        errors.invalid(path, list, detail);
    }
    for (index, search) in searches.iter().map(text).enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.rule(&path.index(index), search, names::search_domain);
    }
}

/// What shares the node's namespaces shares its users.
fn validate_own_users(spec: &Value, path: &Path, errors: &mut Errors) {
    const WITH_OWN: &str = "when `hostUsers` is false";
    if spec["hostUsers"] != false {
        return;
    }
    // Two of them upstream calls as Go does.
    for (field, called) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec[field] == true {
            errors.forbidden(&path.child(called), WITH_OWN);
        }
    }
    for (container, at) in containers_of(spec, path) {
        if !is_empty(&container["volumeDevices"]) {
            errors.forbidden(&at.child("volumeDevices"), WITH_OWN);
        }
    }
}

fn validate_hostname(spec: &Value, path: &Path, errors: &mut Errors) {
    let Some(name) = spec["hostnameOverride"].as_str() else { return };
    let at = path.child("hostnameOverride");
    for field in ["setHostnameAsFQDN", "hostNetwork"] {
        if spec[field] == true {
            errors.forbidden(&at, format!("may not be specified when {field} is true"));
        }
    }
    if name.len() > LONGEST_HOSTNAME {
        errors.too_long(&at, LONGEST_HOSTNAME);
    }
    errors.rule(&at, name, names::dns1123_subdomain);
}

/// From here on a table, but for what stands between the names.
fn validate_names(spec: &Value, path: &Path, errors: &mut Errors) {
    let named = |field: &str, rule: names::Rule, errors: &mut Errors| {
        let name = text(&spec[field]);
        if !name.is_empty() {
            errors.rule(&path.child(field), name, rule);
        }
    };
    named("serviceAccountName", names::dns1123_subdomain, errors);
    named("nodeName", names::dns1123_subdomain, errors);
    validate_deadline(&spec["activeDeadlineSeconds"], &path.child("activeDeadlineSeconds"), errors);
    named("hostname", names::dns1123_label, errors);
    named("subdomain", names::dns1123_label, errors);
    placement::validate_tolerations(&spec["tolerations"], &path.child("tolerations"), errors);
    validate_aliases(&spec["hostAliases"], &path.child("hostAliases"), errors);
    named("priorityClassName", names::dns1123_subdomain, errors);
    if let Some(name) = spec["runtimeClassName"].as_str() {
        errors.rule(&path.child("runtimeClassName"), name, names::dns1123_subdomain);
    }
    let policy = &spec["preemptionPolicy"];
    if !policy.is_null() {
        errors.required_listed(&path.child("preemptionPolicy"), policy, &["PreemptLowerPriority", "Never"]);
    }
    resources::validate_overhead(spec, path, errors);
}

fn validate_deadline(deadline: &Value, path: &Path, errors: &mut Errors) {
    let in_range = |seconds: i64| (1..=i64::from(i32::MAX)).contains(&seconds);
    if deadline.as_i64().is_some_and(|seconds| !in_range(seconds)) {
        errors.invalid(path, deadline, "must be between 1 and 2147483647, inclusive");
    }
}

fn validate_aliases(aliases: &Value, path: &Path, errors: &mut Errors) {
    for (index, alias) in items(aliases).iter().enumerate() {
        let at = path.index(index);
        ip::validate(&alias["ip"], &at.child("ip"), errors);
        for (index, name) in items(&alias["hostnames"]).iter().enumerate() {
            errors.rule(&at.child("hostnames").index(index), text(name), names::dns1123_subdomain);
        }
    }
}

fn validate_scheduling_group(group: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("podGroupName");
    match group["podGroupName"].as_str() {
        _ if !group.is_object() => {}
        None => {
            errors.push(FieldError::invalid(at.as_str(), Value::Null, "must specify one of: `podGroupName`"));
        }
        Some(name) => errors.rule(&at, name, names::dns1123_subdomain),
    }
}

/// Files of variables are written by one container for another, in a directory that goes with the pod.
fn validate_files_of_variables(spec: &Value, path: &Path, errors: &mut Errors) {
    for (container, at) in containers_of(spec, path) {
        for (index, variable) in items(&container["env"]).iter().enumerate() {
            let file = &variable["valueFrom"]["fileKeyRef"];
            if !file.is_object() {
                continue;
            }
            let at = at.child("env").index(index).at(&["valueFrom", "fileKeyRef", "volumeName"]);
            let name = text(&file["volumeName"]);
            match items(&spec["volumes"]).iter().rfind(|volume| text(&volume["name"]) == name) {
                None => errors.not_found(&at, name),
                Some(volume) if volume["emptyDir"].is_object() => {}
                Some(_) => errors.invalid(&at, &name.into(), "referenced volume must be of type emptyDir"),
            }
        }
    }
}
