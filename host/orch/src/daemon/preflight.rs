//! What the machine must offer, looked at before anything is changed, each miss with its remedy.

use std::path::Path;

use anyhow::bail;

pub fn check() -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("orch up needs root (namespaces, mounts, cgroups, nftables): run it with sudo");
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let missing = missing(&filesystems, |path| Path::new(path).exists(), in_path);
    if !missing.is_empty() {
        bail!("this machine lacks what orch needs:\n  {}", missing.join("\n  "));
    }
    Ok(())
}

fn missing(filesystems: &str, exists: impl Fn(&str) -> bool, program: impl Fn(&str) -> bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !filesystems.split_whitespace().any(|word| word == "overlay")
        && !exists("/sys/module/overlay")
        && !load("overlay")
    {
        missing.push("overlayfs in the kernel: load it with `modprobe overlay`".to_string());
    }
    for (namespace, option) in [
        ("net", "CONFIG_NET_NS"),
        ("pid", "CONFIG_PID_NS"),
        ("ipc", "CONFIG_IPC_NS"),
        ("uts", "CONFIG_UTS_NS"),
    ] {
        if !exists(&format!("/proc/self/ns/{namespace}")) {
            missing.push(format!("{namespace} namespaces: a kernel with {option}"));
        }
    }
    if !exists("/sys/fs/cgroup/cgroup.controllers") && !exists("/sys/fs/cgroup/memory") {
        missing.push("cgroups: mount cgroup2 at /sys/fs/cgroup, with the memory controller".to_string());
    }
    if !program("nft") {
        missing.push("the program `nft`: install the package nftables".to_string());
    }
    missing
}

/// A kernel may carry overlayfs as a module that nothing has asked for yet.
fn load(module: &str) -> bool {
    std::process::Command::new("modprobe").arg("-q").arg(module).status().is_ok_and(|status| status.success())
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).exists())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let all = super::missing("nodev overlay\n", |_| true, |_| true);
        assert!(all.is_empty(), "{all:?}");
        let none = super::missing("nodev\toverlay\n", |_| false, |_| false).join("\n");
        for word in ["net namespaces", "CONFIG_PID_NS", "cgroup2", "package nftables"] {
            assert!(none.contains(word), "{word} in {none}");
        }
    }
}
