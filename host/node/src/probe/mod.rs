//! Startup, liveness and readiness probes.

pub mod action;
pub mod capture;
mod grpc;
mod threshold;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::agent::Agent;
use crate::events::About;
use crate::pod::inbox::{Inbox, Input};
use crate::pod::spec::{Container, Pod, Probe};
use threshold::Threshold;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    Startup,
    Liveness,
    Readiness,
}

impl ProbeKind {
    pub fn name(self) -> &'static str {
        match self {
            ProbeKind::Startup => "startup",
            ProbeKind::Liveness => "liveness",
            ProbeKind::Readiness => "readiness",
        }
    }

    fn title(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
        }
    }
}

/// How one probe went.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Healthy,
    Unhealthy(String),
    /// The probe itself could not be made; changes nothing.
    Unknown(String),
}

/// The container that is probed.
#[derive(Clone)]
pub struct Subject {
    pub agent: Arc<Agent>,
    pub pod: Arc<Pod>,
    pub container: Container,
    pub id: String,
    pub ips: Vec<IpAddr>,
    pub started_at: Instant,
    pub inbox: Inbox,
}

/// The probes of one running container; dropping them stops them.
pub struct Probes {
    tasks: Vec<(ProbeKind, AbortHandle)>,
    /// Readiness and liveness wait for the startup probe.
    startup: watch::Sender<bool>,
}

impl Probes {
    pub fn begin(subject: Subject, started: bool, ready: bool) -> Self {
        let (startup, started_seen) = watch::channel(started);
        let container = &subject.container;
        let all = [
            (ProbeKind::Startup, container.startup_probe.clone().filter(|_| !started)),
            (ProbeKind::Liveness, container.liveness_probe.clone()),
            (ProbeKind::Readiness, container.readiness_probe.clone()),
        ];
        let tasks = all
            .into_iter()
            .filter_map(|(kind, probe)| {
                let agent = subject.agent.clone();
                let run = run(kind, probe?, subject.clone(), started_seen.clone(), ready);
                Some((kind, agent.spawn(run)))
            })
            .collect();
        Probes { tasks, startup }
    }

    pub fn started(&self) {
        self.startup.send_replace(true);
    }

    /// A pod that ends is still probed for readiness, so that clients see it fade.
    pub fn only_readiness(&mut self) {
        self.tasks.retain(|(kind, task)| {
            let keep = *kind == ProbeKind::Readiness;
            if !keep {
                task.abort();
            }
            keep
        });
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for (_, task) in &self.tasks {
            task.abort();
        }
    }
}

async fn run(
    kind: ProbeKind,
    probe: Probe,
    subject: Subject,
    mut started: watch::Receiver<bool>,
    ready: bool,
) {
    if kind != ProbeKind::Startup && started.wait_for(|started| *started).await.is_err() {
        return;
    }
    let first = subject.started_at + Duration::from_secs(probe.initial_delay_seconds);
    let period = Duration::from_secs(probe.period_seconds.max(1));
    let mut ticks = interval_at(first.max(Instant::now()), period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut threshold = Threshold::new(&probe, initial(kind, ready));
    loop {
        ticks.tick().await;
        let outcome = action::run(&subject, &probe).await;
        tell(kind, &subject, &outcome);
        let healthy = match outcome {
            Outcome::Healthy => true,
            Outcome::Unhealthy(_) => false,
            Outcome::Unknown(_) => continue,
        };
        if let Some(healthy) = threshold.count(healthy) {
            subject.inbox.put(Input::Probed { container_id: subject.id.clone(), kind, healthy });
            // A startup probe is asked once; after a failed liveness probe the container ends.
            if kind == ProbeKind::Startup || (kind == ProbeKind::Liveness && !healthy) {
                return;
            }
        }
    }
}

/// What holds before the first result.
fn initial(kind: ProbeKind, ready: bool) -> Option<bool> {
    match kind {
        ProbeKind::Startup => None,
        ProbeKind::Liveness => Some(true),
        ProbeKind::Readiness => Some(ready),
    }
}

fn tell(kind: ProbeKind, subject: &Subject, outcome: &Outcome) {
    let message = match outcome {
        Outcome::Healthy => return,
        Outcome::Unhealthy(output) => format!("{} probe failed: {output}", kind.title()),
        Outcome::Unknown(error) => {
            format!("{} probe errored and resulted in unknown state: {error}", kind.title())
        }
    };
    let about = About::container(&subject.pod, &subject.container.name);
    subject.agent.events.warning(&about, "Unhealthy", message);
}
