//! What this process itself may: it cannot give a container more. On a plain host that is everything.

/// Bit of `CAP_SYS_RESOURCE`.
const SYS_RESOURCE: u32 = 24;

/// The bounding set as a bit mask; all bits when it cannot be read.
pub fn bounding_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(u64::MAX)
}

/// The limit of open files for containers: raising it over the daemon's own may be forbidden.
pub fn open_files(wanted: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(wanted, |(_, hard)| wanted.min(hard))
}

/// An out-of-memory score below the daemon's own needs a capability; without it the container gets the
/// daemon's, as is better than not to run.
pub fn oom_score(wanted: i32) -> i32 {
    if bounding_set() & (1 << SYS_RESOURCE) != 0 {
        return wanted;
    }
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|s| s.trim().parse().ok());
    own.map_or(wanted, |own: i32| wanted.max(own))
}
