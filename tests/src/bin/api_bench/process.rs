//! What the measured server uses, all of its processes together.

/// Clock ticks of `/proc` in a second.
const TICKS: f64 = 100.0;

pub struct Process(Vec<u32>);

impl Process {
    pub fn new(pids: Vec<u32>) -> Process {
        Process(pids)
    }

    /// In bytes.
    pub fn resident(&self) -> u64 {
        self.0.iter().map(|pid| resident(*pid)).sum()
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.0.iter().map(|pid| cpu_seconds(*pid)).sum()
    }
}

fn resident(pid: u32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = read(pid, "stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

fn read(pid: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
}
