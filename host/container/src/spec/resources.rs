//! Limits of the container's own cgroup.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxCpuBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxMemoryBuilder, LinuxPidsBuilder,
    LinuxResources, LinuxResourcesBuilder,
};

use super::devices::Device;
use crate::runtime::ContainerConfig;

pub fn build(config: &ContainerConfig, devices: &[Device]) -> Result<LinuxResources, OciSpecError> {
    let wanted = &config.resources;
    let mut resources = LinuxResourcesBuilder::default().devices(device_rules(config, devices)?);
    let mut cpu = LinuxCpuBuilder::default();
    if let Some(shares) = wanted.cpu_shares {
        cpu = cpu.shares(shares.clamp(2, 262_144));
    }
    if let Some(quota) = wanted.cpu_quota_us.filter(|quota| *quota > 0) {
        cpu = cpu.quota(quota).period(wanted.cpu_period_us.unwrap_or(100_000));
    }
    resources = resources.cpu(cpu.build()?);
    if let Some(limit) = wanted.memory_limit_bytes.filter(|limit| *limit > 0) {
        resources = resources.memory(LinuxMemoryBuilder::default().limit(limit).build()?);
    }
    if let Some(limit) = wanted.pids_limit.filter(|limit| *limit > 0) {
        resources = resources.pids(LinuxPidsBuilder::default().limit(limit).build()?);
    }
    resources.build()
}

/// Nothing but what is listed (libcontainer adds the harmless ones); a privileged container may all.
fn device_rules(
    config: &ContainerConfig,
    devices: &[Device],
) -> Result<Vec<LinuxDeviceCgroup>, OciSpecError> {
    let rule = |allow| LinuxDeviceCgroupBuilder::default().allow(allow).access("rwm").build();
    if config.security.privileged {
        return Ok(vec![rule(true)?]);
    }
    let mut rules = vec![rule(false)?];
    rules.extend(devices.iter().map(|d| LinuxDeviceCgroup::from(&d.device)));
    Ok(rules)
}
