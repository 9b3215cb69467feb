//! What processes have used, from /proc.

/// Seconds of processor time of all of them together.
pub fn cpu(processes: &[u32]) -> f64 {
    let one = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    };
    processes.iter().map(one).sum()
}

/// The most that each has held in memory, added up; MiB.
pub fn peak_memory(processes: &[u32]) -> f64 {
    let one = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    processes.iter().map(one).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_used_something() {
        let own = [std::process::id()];
        assert!(super::peak_memory(&own) > 0.5);
        assert!(super::cpu(&own) >= 0.0);
        assert_eq!(super::peak_memory(&[u32::MAX]), 0.0);
    }
}
