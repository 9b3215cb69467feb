//! The Pod Security Standards: which check holds at which level from which version on.
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

mod containers;
mod pods;
mod profiles;
mod users;
mod words;

use crate::pod::Pod;
use crate::policy::{Level, Standard, Version};

/// Why a pod is not as a standard wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `hostPort`
    pub reason: &'static str,
    /// `container "a" uses hostPort 80`
    pub detail: String,
}

type Verdict = Option<Violation>;

/// A check as it is since a minor version.
struct Since(u32, fn(&Pod) -> Verdict);

struct Check {
    level: Level,
    versions: &'static [Since],
    /// The check of the level below that this one makes superfluous.
    replaces: Option<&'static str>,
    id: &'static str,
}

const fn baseline(id: &'static str, versions: &'static [Since]) -> Check {
    Check { level: Level::Baseline, versions, replaces: None, id }
}

const fn restricted(id: &'static str, replaces: Option<&'static str>, versions: &'static [Since]) -> Check {
    Check { level: Level::Restricted, versions, replaces, id }
}

/// In the order in which violations are told.
const CHECKS: &[Check] = &[
    baseline("appArmorProfile", &[Since(0, profiles::app_armor)]),
    baseline("capabilities_baseline", &[Since(0, containers::capabilities_within_default)]),
    baseline("hostNamespaces", &[Since(0, pods::host_namespaces)]),
    baseline("hostPathVolumes", &[Since(0, pods::host_path_volumes)]),
    baseline("hostPorts", &[Since(0, containers::host_ports)]),
    baseline("hostProbesAndHostLifecycle", &[Since(34, containers::probe_hosts)]),
    baseline("privileged", &[Since(0, containers::privileged)]),
    baseline(
        "procMount",
        &[Since(0, containers::proc_mount), Since(35, containers::proc_mount_unless_own_users)],
    ),
    baseline("seLinuxOptions", &[Since(0, profiles::se_linux_1_0), Since(31, profiles::se_linux_1_31)]),
    baseline(
        "seccompProfile_baseline",
        &[Since(0, profiles::seccomp_annotations), Since(19, profiles::seccomp_if_set)],
    ),
    baseline(
        "sysctls",
        &[
            Since(0, pods::sysctls::<5>),
            Since(27, pods::sysctls::<6>),
            Since(29, pods::sysctls::<10>),
            Since(32, pods::sysctls::<12>),
            Since(37, pods::sysctls::<14>),
        ],
    ),
    baseline("windowsHostProcess", &[Since(0, users::windows_host_process)]),
    restricted(
        "allowPrivilegeEscalation",
        None,
        &[
            Since(8, containers::privilege_escalation),
            Since(25, containers::privilege_escalation_unless_windows),
        ],
    ),
    restricted(
        "capabilities_restricted",
        Some("capabilities_baseline"),
        &[
            Since(22, containers::capabilities_dropped),
            Since(25, containers::capabilities_dropped_unless_windows),
        ],
    ),
    restricted("procMount_restricted", Some("procMount"), &[Since(35, containers::proc_mount)]),
    restricted("restrictedVolumes", Some("hostPathVolumes"), &[Since(0, pods::restricted_volumes)]),
    restricted(
        "runAsNonRoot",
        None,
        &[Since(0, users::non_root), Since(35, users::non_root_unless_own_users)],
    ),
    restricted(
        "runAsUser",
        None,
        &[Since(23, users::not_user_0), Since(35, users::not_user_0_unless_own_users)],
    ),
    restricted(
        "seccompProfile_restricted",
        Some("seccompProfile_baseline"),
        &[Since(19, profiles::seccomp_set), Since(25, profiles::seccomp_set_unless_windows)],
    ),
];

impl Check {
    /// The check as it is in this version.
    fn at(&self, version: Version) -> Option<fn(&Pod) -> Verdict> {
        let begun = |since: &&Since| Version::Minor(since.0) <= version;
        self.versions.iter().rev().find(begun).map(|since| since.1)
    }
}

/// All that is wrong, baseline before restricted.
pub fn evaluate(standard: Standard, pod: &Pod) -> Vec<Violation> {
    let held = |check: &&Check| check.level <= standard.level && check.at(standard.version).is_some();
    let held: Vec<&Check> = CHECKS.iter().filter(held).collect();
    let replaced = |check: &Check| held.iter().any(|other| other.replaces == Some(check.id));
    let counting = held.iter().filter(|check| !replaced(check));
    counting.filter_map(|check| check.at(standard.version).and_then(|judge| judge(pod))).collect()
}

/// `host namespaces (hostNetwork=true), privileged (…)`
pub fn in_detail(violations: &[Violation]) -> String {
    let one = |violation: &Violation| format!("{} ({})", violation.reason, violation.detail);
    violations.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `host namespaces, privileged`
pub fn in_short(violations: &[Violation]) -> String {
    violations.iter().map(|violation| violation.reason).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
