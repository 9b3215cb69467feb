use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::Stats;

/// What one call may use. Beyond it the call fails and the instance is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance; at most [`Limits::MAX_MEMORY`].
    pub memory: usize,
    /// CPU time in the guest. What a call waits for (the API, netlink, a busy machine) does not count.
    pub deadline: Duration,
}

impl Limits {
    /// What the engine reserves address space for.
    pub const MAX_MEMORY: usize = 1 << 30;
    /// A whole call, the host's part included: a host function that hangs must not hold an instance.
    pub(crate) const WALL: Duration = Duration::from_secs(120);
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 128 << 20, deadline: Duration::from_millis(200) }
    }
}

/// Refuses to grow beyond the cap and says so, where a guest would only report an allocation failure.
#[derive(Debug)]
pub(crate) struct MemoryCap {
    limit: usize,
    stats: Arc<Stats>,
}

impl MemoryCap {
    pub fn new(limits: &Limits, stats: Arc<Stats>) -> Self {
        MemoryCap { limit: limits.memory.min(Limits::MAX_MEMORY), stats }
    }
}

impl ResourceLimiter for MemoryCap {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limit {
            wasmtime::bail!(
                "it asked for {} MiB of memory and may have {} MiB (spec.limits.memory)",
                desired.div_ceil(1 << 20),
                self.limit >> 20
            );
        }
        self.stats.use_memory(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > 100_000 {
            wasmtime::bail!("it asked for a table of {desired} elements and may have 100000");
        }
        Ok(true)
    }
}
