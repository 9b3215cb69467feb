//! System call filters: the default one, and profiles from files.
//!
//! The default allows what ordinary programs need and what the container's capabilities are for; the
//! rest answers EPERM. Its content follows what the common runtimes agree on.

use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg,
    LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::create_error;
use crate::runtime::RuntimeError;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// `CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET`
const CLONE_NAMESPACES: u64 = 0x7E02_0000;
const AF_VSOCK: u64 = 40;
/// Linux, Linux with 32-bit addresses (and both with UNAME26), and asking for the current one.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const ALLOWED: &str = "
    accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
    eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
    fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
    fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync
    ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
    getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
    getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
    get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount
    listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
    map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
    mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
    mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
    munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause
    pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
    prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6
    pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom
    recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
    restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr
    sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64
    sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32
    setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask
    sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
    sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
    timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
    uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid
    waitpid write writev arch_prctl modify_ldt";

/// Allowed to those who have the capability anyway.
const ALLOWED_WITH: [(Capability, &str); 13] = [
    (Capability::DacReadSearch, "open_by_handle_at"),
    (
        Capability::SysAdmin,
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
         move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog
         umount umount2 unshare",
    ),
    (Capability::SysBoot, "reboot"),
    (Capability::SysChroot, "chroot"),
    (Capability::SysModule, "delete_module init_module finit_module"),
    (Capability::SysPacct, "acct"),
    (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise"),
    (Capability::SysRawio, "iopl ioperm"),
    (Capability::SysTime, "settimeofday stime clock_settime clock_settime64"),
    (Capability::SysTtyConfig, "vhangup"),
    (Capability::SysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (Capability::Syslog, "syslog"),
    (Capability::Bpf, "bpf"),
];

pub fn runtime_default(capabilities: &Capabilities) -> Result<LinuxSeccomp, OciSpecError> {
    let mut names: Vec<String> = ALLOWED.split_whitespace().map(str::to_owned).collect();
    for (capability, more) in ALLOWED_WITH {
        if capabilities.contains(&capability) {
            names.extend(more.split_whitespace().map(str::to_owned));
        }
    }
    let mut rules = vec![allow(names, Vec::new())?];
    rules.push(allow(vec!["socket".into()], vec![compare(LinuxSeccompOperator::ScmpCmpNe, AF_VSOCK)?])?);
    for personality in PERSONALITIES {
        let same = compare(LinuxSeccompOperator::ScmpCmpEq, personality)?;
        rules.push(allow(vec!["personality".into()], vec![same])?);
    }
    if capabilities.contains(&Capability::Perfmon) && !capabilities.contains(&Capability::SysAdmin) {
        rules.push(allow(vec!["perf_event_open".into()], Vec::new())?);
    }
    if !capabilities.contains(&Capability::SysAdmin) {
        rules.push(allow(vec!["clone".into()], vec![masked(CLONE_NAMESPACES, 0)?])?);
        // Its flags are behind a pointer: libc falls back to `clone`.
        let clone3 = LinuxSyscallBuilder::default()
            .names(vec!["clone3".to_owned()])
            .action(LinuxSeccompAction::ScmpActErrno)
            .errno_ret(ENOSYS)
            .build()?;
        rules.push(clone3);
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(EPERM)
        .architectures(architectures())
        .syscalls(rules)
        .build()
}

fn allow(names: Vec<String>, args: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall, OciSpecError> {
    let mut rule = LinuxSyscallBuilder::default().names(names).action(LinuxSeccompAction::ScmpActAllow);
    if !args.is_empty() {
        rule = rule.args(args);
    }
    rule.build()
}

fn compare(op: LinuxSeccompOperator, value: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default().index(0usize).value(value).op(op).build()
}

/// True when `argument & mask == value`.
fn masked(mask: u64, value: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default()
        .index(0usize)
        .value(mask)
        .value_two(value)
        .op(LinuxSeccompOperator::ScmpCmpMaskedEq)
        .build()
}

fn architectures() -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}

/// A profile in the format that Docker documents, a superset of the OCI one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: LinuxSeccompOperator,
}

#[derive(Deserialize, Default)]
struct Condition {
    #[serde(default)]
    arches: Vec<String>,
    #[serde(default)]
    caps: Vec<Capability>,
}

impl Condition {
    fn any_capability(&self, capabilities: &Capabilities) -> bool {
        self.caps.iter().any(|capability| capabilities.contains(capability))
    }

    fn here(&self) -> bool {
        let name = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        self.arches.iter().any(|arch| arch == name)
    }
}

impl Rule {
    fn applies(&self, capabilities: &Capabilities) -> bool {
        let included = self.includes.as_ref().is_none_or(|c| {
            (c.caps.is_empty() || c.caps.iter().all(|cap| capabilities.contains(cap)))
                && (c.arches.is_empty() || c.here())
        });
        let excluded = self.excludes.as_ref().is_some_and(|c| c.any_capability(capabilities) || c.here());
        included && !excluded
    }

    fn build(mut self) -> Result<LinuxSyscall, OciSpecError> {
        self.names.extend(self.name);
        let mut rule = LinuxSyscallBuilder::default().names(self.names).action(self.action);
        if let Some(errno) = self.errno_ret {
            rule = rule.errno_ret(errno);
        }
        let args: Vec<LinuxSeccompArg> = self
            .args
            .into_iter()
            .flatten()
            .map(|a| {
                let argument = LinuxSeccompArgBuilder::default().index(a.index).value(a.value).op(a.op);
                argument.value_two(a.value_two).build()
            })
            .collect::<Result<_, _>>()?;
        if !args.is_empty() {
            rule = rule.args(args);
        }
        rule.build()
    }
}

pub fn from_file(path: &Path, capabilities: &Capabilities) -> Result<LinuxSeccomp, RuntimeError> {
    let fail = |why: String| create_error(format!("seccomp profile {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    let profile: Profile = serde_json::from_slice(&text).map_err(|e| fail(e.to_string()))?;
    translate(profile, capabilities).map_err(|e| fail(e.to_string()))
}

fn translate(profile: Profile, capabilities: &Capabilities) -> Result<LinuxSeccomp, OciSpecError> {
    let rules: Vec<LinuxSyscall> = profile
        .syscalls
        .into_iter()
        .filter(|rule| rule.applies(capabilities))
        .map(Rule::build)
        .collect::<Result<_, _>>()?;
    let architectures =
        if profile.architectures.is_empty() { architectures() } else { profile.architectures };
    let mut filter = LinuxSeccompBuilder::default()
        .default_action(profile.default_action)
        .architectures(architectures)
        .syscalls(rules);
    if let Some(errno) = profile.default_errno_ret {
        filter = filter.default_errno_ret(errno);
    }
    filter.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filter: &LinuxSeccomp) -> Vec<&String> {
        filter.syscalls().iter().flatten().flat_map(|rule| rule.names()).collect()
    }

    #[test]
    fn capabilities_open_their_calls() {
        let plain = runtime_default(&Capabilities::new()).unwrap();
        let admin = runtime_default(&Capabilities::from([Capability::SysAdmin])).unwrap();
        let has = |filter: &LinuxSeccomp, name: &str| names(filter).iter().any(|n| *n == name);
        assert!(has(&plain, "openat") && !has(&plain, "mount") && has(&admin, "mount"));
        assert!(!has(&plain, "chroot") && !has(&plain, "keyctl") && !has(&plain, "io_uring_setup"));
    }

    #[test]
    fn docker_profiles_are_understood() {
        let profile: Profile = serde_json::from_str(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
                {"names":["read"],"action":"SCMP_ACT_ALLOW"},
                {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
                {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[
                    {"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}],
                 "excludes":{"caps":["CAP_SYS_ADMIN"]}}]}"#,
        )
        .unwrap();
        let filter = translate(profile, &Capabilities::new()).unwrap();
        assert_eq!(names(&filter), ["read", "clone"]);
        let clone = filter.syscalls().iter().flatten().last().unwrap();
        let argument = clone.args().iter().flatten().next().unwrap();
        assert_eq!((argument.value(), argument.value_two()), (CLONE_NAMESPACES, Some(0)));
    }
}
