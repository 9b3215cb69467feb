//! Stopping one container: preStop hook, signal, grace period, SIGKILL.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::hooks;
use super::inbox::{Inbox, Input};
use super::plan::StopReason;
use super::spec::Pod;
use crate::agent::Agent;
use crate::events::About;

/// However long the hook took, the process gets this long to end by itself.
const MINIMUM_AFTER_HOOK: Duration = Duration::from_secs(2);
/// A process that survives SIGKILL hangs in the kernel; the signal is repeated meanwhile.
const KILL_AGAIN: Duration = Duration::from_secs(10);

/// A stop under way; dropping it does not take it back.
pub struct Stop {
    pub exited: CancellationToken,
    deadline: watch::Sender<Instant>,
}

impl Stop {
    /// A shorter grace period than the one in force replaces it.
    pub fn shorten(&self, grace: Duration) {
        let wanted = Instant::now() + grace;
        self.deadline.send_if_modified(|deadline| {
            let sooner = wanted < *deadline;
            if sooner {
                *deadline = wanted;
            }
            sooner
        });
    }
}

pub struct Stopping {
    pub agent: Arc<Agent>,
    pub pod: Arc<Pod>,
    pub container: String,
    pub id: String,
    pub ips: Vec<IpAddr>,
    pub signal: Option<String>,
    pub why: StopReason,
    pub grace: Duration,
    pub inbox: Inbox,
}

impl Stopping {
    pub fn begin(self) -> Stop {
        let exited = CancellationToken::new();
        let (deadline, until) = watch::channel(Instant::now() + self.grace);
        let agent = self.agent.clone();
        agent.spawn(self.run(exited.clone(), until));
        Stop { exited, deadline }
    }

    async fn run(self, exited: CancellationToken, mut until: watch::Receiver<Instant>) {
        let about = About::container(&self.pod, &self.container);
        self.agent.events.normal(&about, "Killing", self.message());
        tokio::select! {
            _ = exited.cancelled() => {}
            _ = self.persuade(&about, &mut until) => self.kill(&exited).await,
        }
        self.inbox.put(Input::Stopped { container: self.container, id: self.id });
    }

    fn message(&self) -> String {
        let name = &self.container;
        match &self.why {
            StopReason::PodEnds => format!("Stopping container {name}"),
            StopReason::FailedProbe("postStart") => "FailedPostStartHook".into(),
            StopReason::FailedProbe(kind) => {
                format!("Container {name} failed {kind} probe, will be restarted")
            }
            StopReason::Resized => format!("Container {name} resize requires restart"),
            StopReason::ImageChanged => format!("Container {name} definition changed, will be restarted"),
        }
    }

    /// Returns when the grace period is over.
    async fn persuade(&self, about: &About, until: &mut watch::Receiver<Instant>) {
        let hook_ran = self.pre_stop(about, until).await;
        let signal = self.signal.as_deref().and_then(signal_number).unwrap_or(Signal::SIGTERM as i32);
        self.send(signal).await;
        if hook_ran {
            let minimum = sleep(MINIMUM_AFTER_HOOK);
            tokio::join!(minimum, passed(until));
        } else {
            passed(until).await;
        }
    }

    async fn pre_stop(&self, about: &About, until: &mut watch::Receiver<Instant>) -> bool {
        let Some(container) = self.pod.container(&self.container) else { return false };
        let Some(handler) = &container.lifecycle.pre_stop else { return false };
        let place = hooks::Place { agent: &self.agent, container, id: &self.id, ips: &self.ips };
        tokio::select! {
            result = hooks::run(place, handler) => if let Err(message) = result {
                tracing::debug!(pod = self.pod.key(), container = self.container, message, "preStop hook");
                self.agent.events.warning(about, "FailedPreStopHook", "PreStopHook failed");
            },
            _ = passed(until) => {}
        }
        true
    }

    async fn kill(&self, exited: &CancellationToken) {
        while !exited.is_cancelled() {
            self.send(Signal::SIGKILL as i32).await;
            tokio::select! {
                _ = exited.cancelled() => {}
                _ = sleep(KILL_AGAIN) => {
                    tracing::warn!(pod = self.pod.key(), container = self.container, "still alive after SIGKILL");
                }
            }
        }
    }

    async fn send(&self, signal: i32) {
        if let Err(error) = self.agent.runtime.signal_container(&self.id, signal).await {
            tracing::warn!(container = self.id, signal, %error, "a signal could not be sent");
        }
    }
}

/// Waits for a deadline that may move.
async fn passed(until: &mut watch::Receiver<Instant>) {
    loop {
        let at = *until.borrow_and_update();
        tokio::select! {
            _ = sleep_until(at) => return,
            changed = until.changed() => if changed.is_err() {
                return sleep_until(at).await;
            },
        }
    }
}

/// `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`.
fn signal_number(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = name.to_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = bare.strip_prefix("RTMIN") {
        let offset = if offset.is_empty() { 0 } else { offset.strip_prefix('+')?.parse().ok()? };
        return Some(34 + offset).filter(|n| *n <= 64);
    }
    Signal::from_str(&format!("SIG{bare}")).ok().map(|signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn reads_stop_signals() {
        assert_eq!(signal_number("SIGQUIT"), Some(3));
        assert_eq!(signal_number("term"), Some(15));
        assert_eq!(signal_number("9"), Some(9));
        assert_eq!(signal_number("SIGRTMIN+3"), Some(37));
        assert_eq!(signal_number("nonsense"), None);
    }
}
