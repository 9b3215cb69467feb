//! What every process of a container takes on last, the first and later ones alike: the system call
//! filter and the cut-down capabilities. The filter comes compiled from the daemon, because compiling
//! one takes ten times as long as all the rest of a start.

use std::path::Path;

use libcontainer::capabilities::{drop_privileges, reset_effective};
use libcontainer::syscall::syscall::create_syscall;
use nix::errno::Errno;
use oci_spec::runtime::{LinuxCapabilities, Spec};

use super::payload::reason;

/// The compiled filter, in the container's directory; missing when there is none.
pub const FILTER: &str = "seccomp.bpf";
/// One BPF instruction, in bytes.
const INSTRUCTION: usize = 8;

#[derive(Clone)]
pub struct Confinement {
    capabilities: Option<LinuxCapabilities>,
    filter: Option<Vec<libc::sock_filter>>,
    no_new_privileges: bool,
}

impl Confinement {
    /// As the container's specification says. A filter that is named but not there is an error.
    pub fn load(dir: &Path, spec: &Spec) -> Result<Self, String> {
        let process = spec.process().as_ref();
        let wanted = spec.linux().as_ref().is_some_and(|linux| linux.seccomp().is_some());
        let filter = match wanted {
            false => None,
            true => {
                let code =
                    std::fs::read(dir.join(FILTER)).map_err(|e| format!("read seccomp filter: {e}"))?;
                Some(instructions(&code))
            }
        };
        Ok(Self {
            capabilities: process.and_then(|process| process.capabilities().clone()),
            filter,
            no_new_privileges: process.and_then(|process| process.no_new_privileges()) == Some(true),
        })
    }

    /// To be called by a single-threaded process that is about to execute a command and still has its
    /// capabilities.
    pub fn take_on(&self) -> Result<(), String> {
        if self.no_new_privileges {
            self.drop_capabilities()?;
            self.load_filter()
        } else {
            // Loading a filter is privileged then.
            self.load_filter()?;
            self.drop_capabilities()
        }
    }

    fn drop_capabilities(&self) -> Result<(), String> {
        let syscall = create_syscall();
        reset_effective(syscall.as_ref()).map_err(|e| format!("reset capabilities: {e}"))?;
        match &self.capabilities {
            Some(capabilities) => {
                drop_privileges(capabilities, syscall.as_ref()).map_err(|e| format!("drop capabilities: {e}"))
            }
            None => Ok(()),
        }
    }

    fn load_filter(&self) -> Result<(), String> {
        let Some(filter) = &self.filter else { return Ok(()) };
        let length = u16::try_from(filter.len()).map_err(|_| "seccomp filter is too long".to_owned())?;
        let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the program and its instructions outlive the call; the kernel copies and checks them.
        let done = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                &program,
            )
        };
        if done == 0 { Ok(()) } else { Err(format!("load seccomp filter: {}", reason(Errno::last()))) }
    }
}

fn instructions(code: &[u8]) -> Vec<libc::sock_filter> {
    code.chunks_exact(INSTRUCTION)
        .map(|bytes| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect()
}
