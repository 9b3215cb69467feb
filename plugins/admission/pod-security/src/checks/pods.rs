//! What a pod as a whole may not do.

use std::collections::BTreeSet;

use orch_sdk::Value;
use orch_sdk::object::Object;

use super::Verdict;
use super::words::{plural, quoted, violation};
use crate::pod::Pod;

/// Those that stay within the pod, in the order in which they were allowed.
const SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_notsent_lowat",
];

/// Volumes of the cluster's own.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub fn host_namespaces(pod: &Pod) -> Verdict {
    let fields = ["hostNetwork", "hostPID", "hostIPC"];
    let shared: Vec<String> = fields
        .iter()
        .filter(|field| pod.spec[**field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if shared.is_empty() { None } else { violation("host namespaces", shared.join(", ")) }
}

pub fn host_path_volumes(pod: &Pod) -> Verdict {
    let volumes = pod.spec.items(&["volumes"]).iter().filter(|volume| !volume["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(name).collect();
    if names.is_empty() {
        return None;
    }
    violation("hostPath volumes", format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names)))
}

/// The first `ALLOWED` of [`SYSCTLS`].
pub fn sysctls<const ALLOWED: usize>(pod: &Pod) -> Verdict {
    let set = pod.security("sysctls").as_array().into_iter().flatten().map(name);
    let forbidden: Vec<&str> = set.filter(|sysctl| !SYSCTLS[..ALLOWED].contains(sysctl)).collect();
    if forbidden.is_empty() { None } else { violation("forbidden sysctls", forbidden.join(", ")) }
}

pub fn restricted_volumes(pod: &Pod) -> Verdict {
    let (mut names, mut sorts) = (Vec::new(), BTreeSet::new());
    for volume in pod.spec.items(&["volumes"]) {
        let sources: Vec<&String> = volume.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
        if !sources.iter().any(|source| VOLUMES.contains(&source.as_str())) {
            names.push(name(volume));
            let sort = sources.into_iter().find(|source| *source != "name");
            sorts.insert(sort.map_or("unknown", String::as_str));
        }
    }
    if names.is_empty() {
        return None;
    }
    let (volumes, uses) = (plural("volume", "volumes", names.len()), plural("uses", "use", names.len()));
    let types = plural("restricted volume type", "restricted volume types", sorts.len());
    violation(
        "restricted volume types",
        format!("{volumes} {} {uses} {types} {}", quoted(&names), quoted(&sorts)),
    )
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}
