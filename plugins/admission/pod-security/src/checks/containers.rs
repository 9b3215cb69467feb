//! What containers may not do, each by itself.

use orch_sdk::Value;
use orch_sdk::object::Object;

use super::Verdict;
use super::words::{containers, offenders, plural, quoted, violation, which};
use crate::pod::{Container, Pod};

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub fn privileged(pod: &Pod) -> Verdict {
    let bad = which(pod, |container| container.security("privileged") == true);
    told(&bad, "privileged", |who| format!("{who} must not set securityContext.privileged=true"))
}

pub fn privilege_escalation(pod: &Pod) -> Verdict {
    let bad = which(pod, |container| container.security("allowPrivilegeEscalation") != false);
    told(&bad, "allowPrivilegeEscalation != false", |who| {
        format!("{who} must set securityContext.allowPrivilegeEscalation=false")
    })
}

pub fn privilege_escalation_unless_windows(pod: &Pod) -> Verdict {
    if pod.is_windows() { None } else { privilege_escalation(pod) }
}

pub fn host_ports(pod: &Pod) -> Verdict {
    let ports = |container: &Container| {
        let ports = container.0.items(&["ports"]).iter().filter_map(|port| port["hostPort"].as_u64());
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let (bad, ports) = offenders(pod, ports);
    told(&bad, "hostPort", |who| {
        let uses = plural("uses", "use", bad.len());
        let host_ports = plural("hostPort", "hostPorts", ports.len());
        format!("{who} {uses} {host_ports} {}", joined(&ports))
    })
}

fn joined(items: &std::collections::BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Hosts named by probes and hooks: the node agent would be made to call them.
pub fn probe_hosts(pod: &Pod) -> Verdict {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let hosts = |container: &Container<'_>| {
        let handlers = HANDLERS.iter().map(|path| container.0.at(path));
        let actions =
            handlers.flat_map(|handler| ["httpGet", "tcpSocket"].map(|action| &handler[action]["host"]));
        let hosts = actions.filter_map(Value::as_str).filter(|host| !host.is_empty());
        hosts.map(String::from).collect::<Vec<_>>()
    };
    let (mut bad, hosts) = offenders(pod, hosts);
    bad.sort_unstable();
    bad.dedup();
    told(&bad, "probe or lifecycle host", |who| {
        let uses = plural("uses", "use", bad.len());
        let what = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
        format!("{who} {uses} {what} {}", quoted(&hosts))
    })
}

pub fn proc_mount(pod: &Pod) -> Verdict {
    let (bad, mounts) = offenders(pod, |container| {
        let mount = container.security("procMount").as_str().filter(|mount| *mount != "Default");
        mount.map(String::from).into_iter().collect()
    });
    told(&bad, "procMount", |who| {
        format!("{who} must not set securityContext.procMount to {}", quoted(&mounts))
    })
}

pub fn proc_mount_unless_own_users(pod: &Pod) -> Verdict {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

pub fn capabilities_within_default(pod: &Pod) -> Verdict {
    let (bad, added) = offenders(pod, |container| added_but(container, &DEFAULT_CAPABILITIES));
    told(&bad, "non-default capabilities", |who| must_not_add(who, &added))
}

pub fn capabilities_dropped(pod: &Pod) -> Verdict {
    let drops_all = |container: &Container| {
        container.security("capabilities").items(&["drop"]).iter().any(|capability| capability == "ALL")
    };
    let keeping = which(pod, |container| !drops_all(container));
    let (adding, added) = offenders(pod, |container| added_but(container, &["NET_BIND_SERVICE"]));
    let keeping = (!keeping.is_empty())
        .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    let adding = (!adding.is_empty()).then(|| must_not_add(containers(&adding), &added));
    let details: Vec<String> = keeping.into_iter().chain(adding).collect();
    if details.is_empty() { None } else { violation("unrestricted capabilities", details.join("; ")) }
}

pub fn capabilities_dropped_unless_windows(pod: &Pod) -> Verdict {
    if pod.is_windows() { None } else { capabilities_dropped(pod) }
}

fn added_but(container: &Container<'_>, allowed: &[&str]) -> Vec<String> {
    let added = container.security("capabilities").items(&["add"]).iter().filter_map(Value::as_str);
    added.filter(|capability| !allowed.contains(capability)).map(String::from).collect()
}

fn must_not_add(who: String, capabilities: &std::collections::BTreeSet<String>) -> String {
    format!("{who} must not include {} in securityContext.capabilities.add", quoted(capabilities))
}

/// A violation by these containers, if there are any.
fn told(bad: &[&str], reason: &'static str, detail: impl FnOnce(String) -> String) -> Verdict {
    if bad.is_empty() { None } else { violation(reason, detail(containers(bad))) }
}
