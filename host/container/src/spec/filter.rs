//! Compiling a seccomp profile to the kernel's BPF, once per profile.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};
use parking_lot::Mutex;

const EPERM: u32 = 1;
/// Profiles kept compiled; a machine uses a handful.
const KEPT: usize = 32;
/// A binary tree over the system call numbers instead of a list.
const BY_TREE: u32 = 2;

static COMPILED: LazyLock<Mutex<HashMap<String, Arc<[u8]>>>> = LazyLock::new(Mutex::default);

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("seccomp profile: {0}")]
    Library(#[from] SeccompError),
    #[error("seccomp profile: {0}")]
    Profile(#[from] serde_json::Error),
    #[error("seccomp profile: SCMP_ACT_NOTIFY and SCMP_ACT_TRACE have nobody here to ask")]
    NobodyToAsk,
    #[error("seccomp profile: architecture {0:?} is not known here")]
    Architecture(Arch),
}

pub fn compile(profile: &LinuxSeccomp) -> Result<Arc<[u8]>, FilterError> {
    let key = serde_json::to_string(profile)?;
    if let Some(code) = COMPILED.lock().get(&key) {
        return Ok(code.clone());
    }
    let code: Arc<[u8]> = build(profile)?.into();
    let mut compiled = COMPILED.lock();
    if compiled.len() >= KEPT {
        compiled.clear();
    }
    compiled.insert(key, code.clone());
    Ok(code)
}

fn build(profile: &LinuxSeccomp) -> Result<Vec<u8>, FilterError> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut context = ScmpFilterContext::new(default)?;
    for each in profile.architectures().iter().flatten() {
        context.add_arch(architecture(*each)?)?;
    }
    // libseccomp before 2.5 has no tree; the list does the same.
    let _ = context.set_ctl_optimize(BY_TREE);
    for rule in profile.syscalls().iter().flatten() {
        add(&mut context, rule, default)?;
    }
    let file = memory_file().map_err(serde_json::Error::io)?;
    context.export_bpf(&file)?;
    read_back(file).map_err(|e| serde_json::Error::io(e).into())
}

fn add(context: &mut ScmpFilterContext, rule: &LinuxSyscall, default: ScmpAction) -> Result<(), FilterError> {
    let action = action(rule.action(), rule.errno_ret())?;
    if action == default {
        return Ok(());
    }
    let comparisons: Vec<ScmpArgCompare> = rule.args().iter().flatten().map(comparison).collect();
    let mut indexes: Vec<usize> = rule.args().iter().flatten().map(LinuxSeccompArg::index).collect();
    indexes.sort_unstable();
    let repeated = indexes.windows(2).any(|pair| pair[0] == pair[1]);
    for name in rule.names() {
        // Newer or foreign calls that this libseccomp does not know: the default holds for them.
        let Ok(call) = ScmpSyscall::from_name(name) else { continue };
        if repeated {
            // One rule can compare an argument once; several rules are alternatives, as with runc.
            for comparison in &comparisons {
                context.add_rule_conditional(action, call, std::slice::from_ref(comparison))?;
            }
        } else {
            context.add_rule_conditional(action, call, &comparisons)?;
        }
    }
    Ok(())
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<ScmpAction, FilterError> {
    let errno = errno.unwrap_or(EPERM) as i32;
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(errno),
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActNotify | LinuxSeccompAction::ScmpActTrace => {
            return Err(FilterError::NobodyToAsk);
        }
    })
}

fn comparison(argument: &LinuxSeccompArg) -> ScmpArgCompare {
    let (index, value) = (argument.index() as u32, argument.value());
    let op = match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => ScmpCompareOp::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => ScmpCompareOp::Less,
        LinuxSeccompOperator::ScmpCmpLe => ScmpCompareOp::LessOrEqual,
        LinuxSeccompOperator::ScmpCmpEq => ScmpCompareOp::Equal,
        LinuxSeccompOperator::ScmpCmpGe => ScmpCompareOp::GreaterEqual,
        LinuxSeccompOperator::ScmpCmpGt => ScmpCompareOp::Greater,
        // The mask is the first value, what to compare with the second.
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let datum = argument.value_two().unwrap_or(0);
            return ScmpArgCompare::new(index, ScmpCompareOp::MaskedEqual(value), datum);
        }
    };
    ScmpArgCompare::new(index, op, value)
}

fn architecture(arch: Arch) -> Result<ScmpArch, FilterError> {
    Ok(match arch {
        Arch::ScmpArchNative => ScmpArch::Native,
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        other => return Err(FilterError::Architecture(other)),
    })
}

fn memory_file() -> std::io::Result<std::fs::File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    Ok(memfd_create(c"seccomp", MFdFlags::MFD_CLOEXEC)?.into())
}

fn read_back(mut file: std::fs::File) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut code = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut code)?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Capabilities;

    use super::super::seccomp::runtime_default;
    use super::*;

    #[test]
    fn the_default_profile_fits_the_kernel() {
        let profile = runtime_default(&Capabilities::new()).unwrap();
        let code = compile(&profile).unwrap();
        // The kernel takes 4096 instructions of 8 bytes.
        assert!(code.len().is_multiple_of(8) && (800..4096 * 8).contains(&code.len()), "{}", code.len());
        assert!(Arc::ptr_eq(&code, &compile(&profile).unwrap()));
    }
}
