//! Which capabilities a container has.

use std::str::FromStr;

use oci_spec::OciSpecError;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use super::{create_error, privileges};
use crate::cgroup::Hierarchies;
use crate::runtime::{RuntimeError, Security};

/// What every common runtime gives by default.
const DEFAULT: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// In kernel order.
const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

pub fn of(security: &Security) -> Result<Capabilities, RuntimeError> {
    // Under cgroup v2 nothing here guards device nodes once made (that needs a BPF program), so
    // making them is not among the defaults.
    let no_mknod = Hierarchies::of_this_machine().is_v2();
    compute(security, no_mknod)
}

fn compute(security: &Security, no_mknod: bool) -> Result<Capabilities, RuntimeError> {
    let known = known();
    if security.privileged {
        return Ok(known.into_iter().collect());
    }
    let mut set: Capabilities =
        DEFAULT.into_iter().filter(|c| !(no_mknod && *c == Capability::Mknod)).collect();
    // `drop: [ALL]` first, so that `add` names the exceptions; `add: [ALL]` keeps what `drop` removes.
    if names(&security.add_capabilities).any(|name| name == "ALL") {
        set = known.iter().copied().collect();
    }
    if names(&security.drop_capabilities).any(|name| name == "ALL") {
        set.clear();
    }
    for name in names(&security.add_capabilities).filter(|name| name != "ALL") {
        set.insert(parse(&name)?);
    }
    for name in names(&security.drop_capabilities).filter(|name| name != "ALL") {
        set.remove(&parse(&name)?);
    }
    set.retain(|capability| known.contains(capability));
    Ok(set)
}

fn names(list: &[String]) -> impl Iterator<Item = String> {
    list.iter().map(|name| {
        let name = name.to_uppercase();
        name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
    })
}

fn parse(name: &str) -> Result<Capability, RuntimeError> {
    Capability::from_str(name).map_err(|_| create_error(format!("unknown capability \"CAP_{name}\"")))
}

/// Those that this kernel has and that this process may give: setting others would fail.
fn known() -> Vec<Capability> {
    let allowed = privileges::bounding_set();
    let last: usize = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(ALL.len() - 1);
    let numbered = ALL.into_iter().enumerate().take(last + 1);
    numbered.filter(|(number, _)| allowed & (1 << number) != 0).map(|(_, capability)| capability).collect()
}

/// The ambient and inheritable sets stay empty, so that a user other than root has none.
pub fn sets(set: &Capabilities) -> Result<LinuxCapabilities, OciSpecError> {
    LinuxCapabilitiesBuilder::default()
        .bounding(set.clone())
        .effective(set.clone())
        .permitted(set.clone())
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(add: &[&str], drop: &[&str]) -> Security {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Security { add_capabilities: owned(add), drop_capabilities: owned(drop), ..Security::default() }
    }

    #[test]
    fn defaults_and_changes() {
        assert_eq!(compute(&with(&[], &[]), false).unwrap().len(), 14);
        assert_eq!(compute(&with(&[], &[]), true).unwrap().len(), 13);
        let only = compute(&with(&["NET_BIND_SERVICE"], &["ALL"]), false).unwrap();
        assert_eq!(only, Capabilities::from([Capability::NetBindService]));
        let most = compute(&with(&["ALL"], &["sys_admin"]), false).unwrap();
        assert_eq!(most.len(), known().len() - 1);
        assert!(!compute(&with(&[], &["CAP_NET_RAW"]), false).unwrap().contains(&Capability::NetRaw));
    }

    #[test]
    fn an_unknown_one_is_named() {
        let error = compute(&with(&["FLY"], &[]), false).unwrap_err();
        assert!(error.to_string().contains("CAP_FLY"));
    }
}
