//! Desired and observed in, actions out. Pure: the worker performs.

use std::time::Duration;

use tokio::time::Instant;

use super::record::{ContainerRecord, End, Operation, Record, Volumes};
use super::resize;
use super::spec::{Container, Pod};

/// What failed is shown this long before `CrashLoopBackOff` or `ImagePullBackOff` replaces it.
const ERROR_SHOWN: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Sandbox, network and volumes, as far as they are missing.
    SetUp,
    Start {
        container: String,
        restart_count: u32,
    },
    /// A process that ended waits for its next start.
    BackOff {
        container: String,
        delay: Duration,
    },
    /// The image could not be pulled some seconds ago.
    PullBackOff {
        container: String,
    },
    Stop {
        container: String,
        why: StopReason,
        grace_seconds: i64,
    },
    /// A dead attempt that nobody needs any more.
    Remove {
        container: String,
        id: String,
    },
    /// The operation under way no longer makes sense.
    Cancel,
    /// Write the volumes' contents again.
    Refresh,
    /// Set the limits of the spec, as far as they differ.
    Resize,
    End(End),
    Initialized,
    TearDown,
    /// Takes the pod out of the API and its files from the node.
    Delete,
}

#[derive(Debug, Clone, PartialEq)]
pub enum StopReason {
    PodEnds,
    FailedProbe(&'static str),
    ImageChanged,
    /// Its resources have changed, and its policy wants a new process for that.
    Resized,
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub wake_at: Option<Instant>,
}

impl Plan {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }
    fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

/// `deadline`: when `activeDeadlineSeconds` runs out.
pub fn plan(pod: &Pod, record: &Record, deadline: Option<Instant>, now: Instant) -> Plan {
    let mut plan = Plan::default();
    if pod.is_deleted() || record.deleted_from_api || record.end.is_some() {
        end(pod, record, now, &mut plan);
        return plan;
    }
    if let Some(deadline) = deadline {
        if deadline <= now {
            plan.act(Action::End(End::Failed {
                reason: "DeadlineExceeded".into(),
                message: "Pod was active on the node longer than the specified deadline".into(),
            }));
            return plan;
        }
        plan.wake(deadline);
    }
    run(pod, record, now, &mut plan);
    plan
}

fn run(pod: &Pod, record: &Record, now: Instant, plan: &mut Plan) {
    stop_unhealthy(pod, record, plan);
    remove_dead(record, plan);
    if record.operation.is_some() {
        return;
    }
    if !record.is_set_up() {
        match record.retry_at.filter(|at| *at > now) {
            Some(at) => plan.wake(at),
            None => plan.act(Action::SetUp),
        }
        return;
    }
    if let Some(refresh) = refresh(record, now, plan) {
        plan.act(refresh);
        return;
    }
    if resize(pod, record, now, plan) {
        return;
    }
    if is_completed(pod, record) {
        plan.act(Action::End(End::Completed));
        return;
    }
    // They may be there to find out why the others do not start.
    start_next(pod, record, pod.spec.ephemeral_containers.iter(), now, plan);
    if initialize(pod, record, now, plan) == Initialization::Done {
        if !record.initialized {
            plan.act(Action::Initialized);
        }
        start_next(pod, record, pod.spec.containers.iter(), now, plan);
    }
}

fn refresh(record: &Record, now: Instant, plan: &mut Plan) -> Option<Action> {
    let due = match record.volumes {
        Volumes::Mounted { refresh_at: Some(at) } => {
            if at > now {
                plan.wake(at);
            }
            at <= now
        }
        Volumes::Mounted { refresh_at: None } | Volumes::Unmounted | Volumes::Removed => false,
    };
    if !due && !record.stale_content {
        return None;
    }
    match record.retry_at.filter(|at| *at > now) {
        Some(at) => {
            plan.wake(at);
            None
        }
        None => Some(Action::Refresh),
    }
}

/// True: the limits are set first.
fn resize(pod: &Pod, record: &Record, now: Instant, plan: &mut Plan) -> bool {
    if record.lacks_room {
        return false;
    }
    if let Some(at) = record.resize_at.filter(|at| *at > now) {
        plan.wake(at);
        return false;
    }
    if resize::due(pod, record).is_some() {
        plan.act(Action::Resize);
        return true;
    }
    for (container, _) in
        resize::differing(pod, record).filter(|(c, attempt)| resize::needs_restart(c, attempt))
    {
        plan.act(Action::Stop {
            container: container.name.clone(),
            why: StopReason::Resized,
            grace_seconds: pod.grace_seconds(),
        });
    }
    false
}

fn stop_unhealthy(pod: &Pod, record: &Record, plan: &mut Plan) {
    for container in pod.all_containers() {
        let Some(known) = record.container(&container.name).filter(|c| c.is_running() && !c.stopping) else {
            continue;
        };
        if let Some(probe) = &known.failed_probe {
            plan.act(Action::Stop {
                container: container.name.clone(),
                why: StopReason::FailedProbe(probe.kind),
                grace_seconds: probe.grace_seconds.unwrap_or_else(|| pod.grace_seconds()).max(1),
            });
        } else if known.current().is_some_and(|a| a.image != container.image) {
            plan.act(Action::Stop {
                container: container.name.clone(),
                why: StopReason::ImageChanged,
                grace_seconds: pod.grace_seconds(),
            });
        }
    }
}

/// The current attempt and the one before it stay, for `logs --previous`.
fn remove_dead(record: &Record, plan: &mut Plan) {
    for (name, container) in &record.containers {
        for attempt in container.attempts.iter().rev().skip(2).filter(|a| a.exit().is_some()) {
            plan.act(Action::Remove { container: name.clone(), id: attempt.id.clone() });
        }
    }
}

#[derive(Debug, PartialEq)]
enum Initialization {
    Done,
    Pending,
}

/// Starts the next init container whose turn it is; sidecars are started again for ever.
fn initialize(pod: &Pod, record: &Record, now: Instant, plan: &mut Plan) -> Initialization {
    if record.initialized {
        let sidecars = pod.spec.init_containers.iter().filter(|c| c.is_sidecar());
        start_next(pod, record, sidecars, now, plan);
        return Initialization::Done;
    }
    for container in &pod.spec.init_containers {
        let known = record.container(&container.name);
        let passed = if container.is_sidecar() {
            known.is_some_and(|c| c.is_running() && c.started)
        } else {
            known.and_then(ContainerRecord::current).and_then(|a| a.exit()).is_some_and(|exit| exit.code == 0)
        };
        if passed {
            continue;
        }
        start_next(pod, record, std::iter::once(container), now, plan);
        return Initialization::Pending;
    }
    Initialization::Done
}

/// Starts the first of these that should run and does not; one at a time, in order, as postStart
/// hooks may count on it. A container that waits does not hold up the ones behind it.
fn start_next<'a>(
    pod: &Pod,
    record: &Record,
    containers: impl Iterator<Item = &'a Container>,
    now: Instant,
    plan: &mut Plan,
) {
    if plan.actions.iter().any(|a| matches!(a, Action::Start { .. })) {
        return;
    }
    for container in containers {
        match next_start(pod, container, record.container(&container.name), now) {
            Next::Nothing => {}
            Next::Now => {
                let restart_count = next_restart_count(pod, record, &container.name);
                plan.act(Action::Start { container: container.name.clone(), restart_count });
                return;
            }
            Next::At(at) => plan.wake(at),
            Next::PullBackOff { at } => {
                plan.wake(at);
                plan.act(Action::PullBackOff { container: container.name.clone() });
            }
            Next::BackOff { at, delay } => {
                plan.wake(at);
                plan.act(Action::BackOff { container: container.name.clone(), delay });
            }
        }
    }
}

enum Next {
    Nothing,
    Now,
    At(Instant),
    PullBackOff { at: Instant },
    BackOff { at: Instant, delay: Duration },
}

fn next_start(pod: &Pod, container: &Container, known: Option<&ContainerRecord>, now: Instant) -> Next {
    let Some(known) = known else { return Next::Now };
    if let Some(at) = known.retry_at {
        return if at > now { wait_for_retry(known, at, now) } else { Next::Now };
    }
    let Some(attempt) = known.current() else { return Next::Now };
    let Some(exit) = attempt.exit() else { return Next::Nothing };
    if !restarts(pod, container, exit.code) {
        return Next::Nothing;
    }
    let exited_at = attempt.exited_at.unwrap_or(now);
    let at = known.crash.ready_at(exited_at);
    if at <= now {
        return Next::Now;
    }
    let shown_until = exited_at + ERROR_SHOWN;
    match &known.waiting {
        Some(waiting) if waiting.reason == "CrashLoopBackOff" => Next::At(at),
        Some(_) if shown_until > now => Next::At(shown_until),
        Some(_) | None => Next::BackOff { at, delay: known.crash.delay() },
    }
}

fn wait_for_retry(known: &ContainerRecord, at: Instant, now: Instant) -> Next {
    let failed_pull = known.waiting.as_ref().is_some_and(|w| w.reason == "ErrImagePull");
    let shown_until = (at + ERROR_SHOWN).checked_sub(known.pull.delay()).unwrap_or(at);
    match (failed_pull, shown_until > now) {
        (true, true) => Next::At(shown_until),
        (true, false) => Next::PullBackOff { at },
        (false, _) => Next::At(at),
    }
}

/// Whether the pod's policy starts a container again that ended with this code.
pub fn restarts(pod: &Pod, container: &Container, code: i32) -> bool {
    if container.is_sidecar() {
        return true;
    }
    if pod.is_ephemeral(&container.name) {
        return false;
    }
    match pod.spec.restart_policy.as_str() {
        "Never" => false,
        "OnFailure" => code != 0,
        // An init container that succeeded has done its work.
        _ => !pod.is_init(&container.name) || code != 0,
    }
}

/// Counts on from what the API knows, so that containers lost with a machine's reboot count as restarts.
fn next_restart_count(pod: &Pod, record: &Record, name: &str) -> u32 {
    let observed = record.container(name).and_then(|c| c.current()).map(|a| a.restart_count + 1);
    let reported = pod
        .container_status(name)
        .filter(|status| status["containerID"].as_str().is_some_and(|id| !id.is_empty()))
        .and_then(|status| status["restartCount"].as_u64())
        .and_then(|count| u32::try_from(count + 1).ok());
    observed.or(reported).unwrap_or(0)
}

/// Every container has ended for good, or an init container has failed for good.
pub fn is_completed(pod: &Pod, record: &Record) -> bool {
    let exit_code =
        |c: &Container| record.container(&c.name)?.current().and_then(|a| a.exit()).map(|exit| exit.code);
    let failed_init = !record.initialized
        && pod
            .spec
            .init_containers
            .iter()
            .any(|c| exit_code(c).is_some_and(|code| code != 0 && !restarts(pod, c, code)));
    failed_init
        || pod.spec.containers.iter().all(|c| exit_code(c).is_some_and(|code| !restarts(pod, c, code)))
}

/// The pod's end: containers stop, the sandbox goes, then the object.
fn end(pod: &Pod, record: &Record, now: Instant, plan: &mut Plan) {
    match &record.operation {
        Some(Operation::SetUp | Operation::Start { .. } | Operation::Refresh) => plan.act(Action::Cancel),
        Some(Operation::Resize | Operation::TearDown | Operation::Delete) | None => {}
    }
    stop_all(pod, record, plan);
    if record.operation.is_some() || record.any_running() {
        return;
    }
    if let Some(at) = record.retry_at.filter(|at| *at > now) {
        plan.wake(at);
        return;
    }
    if !record.is_torn_down() {
        plan.act(Action::TearDown);
    } else if pod.is_deleted() || record.deleted_from_api {
        plan.act(Action::Delete);
    }
}

/// Sidecars outlive the containers they serve and stop in reverse order.
fn stop_all(pod: &Pod, record: &Record, plan: &mut Plan) {
    let is_sidecar = |name: &str| pod.container(name).is_some_and(Container::is_sidecar);
    let running: Vec<&String> =
        record.containers.iter().filter(|(_, c)| c.is_running()).map(|(name, _)| name).collect();
    let mains: Vec<&String> = running.iter().copied().filter(|name| !is_sidecar(name)).collect();
    let turn = if mains.is_empty() {
        let last = pod.spec.init_containers.iter().rev().find(|c| running.contains(&&c.name));
        last.map(|c| vec![&c.name]).unwrap_or_default()
    } else {
        mains
    };
    for name in turn {
        if record.container(name).is_some_and(|c| !c.stopping) {
            plan.act(Action::Stop {
                container: name.clone(),
                why: StopReason::PodEnds,
                grace_seconds: pod.grace_seconds(),
            });
        }
    }
}
