//! `orch:host/log`: lines of a component in the host's log, under its name and within its rate.

use std::sync::Arc;
use std::time::Instant;

use crate::stats::Stats;

const LONGEST_LINE: usize = 4096;
const BURST: f64 = 100.0;
const LINES_PER_SECOND: f64 = 20.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug)]
pub(crate) struct HostLog {
    plugin: Arc<str>,
    stats: Arc<Stats>,
    tokens: f64,
    filled: Instant,
    /// What the guest's panic hook said in this call, for the error of the trap that follows.
    panic: Option<String>,
}

impl HostLog {
    pub fn new(plugin: Arc<str>, stats: Arc<Stats>) -> Self {
        HostLog { plugin, stats, tokens: BURST, filled: Instant::now(), panic: None }
    }

    pub fn begin_call(&mut self) {
        self.panic = None;
    }

    pub fn panic_message(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    pub fn write(&mut self, level: Level, message: &str) {
        if level == Level::Error && message.starts_with("panicked at") {
            self.panic = Some(cut(message, LONGEST_LINE).into());
        }
        if !self.take_token() {
            self.stats.drop_log_line();
            return;
        }
        let plugin = &*self.plugin;
        let message = cut(message, LONGEST_LINE);
        match level {
            Level::Debug => tracing::debug!(target: "plugin", plugin, "{message}"),
            Level::Info => tracing::info!(target: "plugin", plugin, "{message}"),
            Level::Warn => tracing::warn!(target: "plugin", plugin, "{message}"),
            Level::Error => tracing::error!(target: "plugin", plugin, "{message}"),
        }
    }

    fn take_token(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.filled).as_secs_f64() * LINES_PER_SECOND;
        self.tokens = (self.tokens + earned).min(BURST);
        self.filled = now;
        let has_one = self.tokens >= 1.0;
        self.tokens -= if has_one { 1.0 } else { 0.0 };
        has_one
    }
}

/// At most so many bytes of it.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_counted() {
        let stats = Arc::new(Stats::default());
        let mut log = HostLog::new("noisy".into(), stats.clone());
        for _ in 0..150 {
            log.write(Level::Info, "again");
        }
        let dropped = stats.snapshot().dropped_log_lines;
        assert!((40..=50).contains(&dropped), "{dropped}");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "é".repeat(LONGEST_LINE);
        assert_eq!(cut(&line, LONGEST_LINE).len(), LONGEST_LINE);
        assert_eq!(cut("a", LONGEST_LINE).len(), 1);
    }
}
