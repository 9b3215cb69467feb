//! What processes use, from /proc; a process that is gone uses nothing.

/// Bytes.
pub const MIB: f64 = 1_048_576.0;

/// Clock ticks of /proc in a second.
const TICKS: f64 = 100.0;

/// Seconds of processor time of all of them together.
pub fn cpu_seconds(processes: &[u32]) -> f64 {
    let one = |process: &u32| {
        let stat = read(*process, "stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / TICKS
    };
    processes.iter().map(one).sum()
}

/// Bytes that a field of their `status` tells (`VmRSS`: resident, `VmHWM`: the most that was,
/// `RssAnon`: resident and of no file), added up.
pub fn memory(processes: &[u32], field: &str) -> u64 {
    let one = |process: &u32| {
        let status = read(*process, "status");
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    processes.iter().map(one).sum()
}

fn read(process: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_something() {
        let own = [std::process::id()];
        assert!(super::memory(&own, "VmHWM") > 500_000);
        assert!(super::cpu_seconds(&own) >= 0.0);
        assert_eq!(super::memory(&[u32::MAX], "VmHWM"), 0);
    }
}
