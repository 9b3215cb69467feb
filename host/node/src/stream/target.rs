//! Which container, and which of its runs, a request is about; errors in upstream's words. Pure but
//! for the look-up of the pod.

use std::sync::Arc;

use orch_client::Status;
use orch_client::node::PodRef;

use crate::agent::NodeAgent;
use crate::pod::record::{Attempt, Record};
use crate::pod::spec::{Container, Pod};

const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

impl NodeAgent {
    /// The pod as its worker last saw it.
    pub(super) fn see(&self, pod: &PodRef) -> Result<(Arc<Pod>, Arc<Record>), Status> {
        let view = self.agent.pods.view(&pod.uid).ok_or_else(|| {
            let message = format!("pod \"{}\" in namespace \"{}\" not found", pod.name, pod.namespace);
            Status::new(404, "NotFound", message)
        })?;
        Ok(view.see())
    }
}

/// The container of this name; without a name the default one.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Result<&'a Container, Status> {
    let name = match pod.metadata.annotations.get(DEFAULT_CONTAINER) {
        Some(default) if name.is_empty() && pod.container(default).is_some() => default,
        Some(_) | None => name,
    };
    let pod_name = &pod.metadata.name;
    if !name.is_empty() {
        return pod
            .container(name)
            .ok_or_else(|| Status::bad_request(format!("container {name} is not valid for pod {pod_name}")));
    }
    if let [only] = pod.spec.containers.as_slice() {
        return Ok(only);
    }
    let names = |all: &[Container]| all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" ");
    let mut message = format!(
        "a container name must be specified for pod {pod_name}, choose one of: [{}]",
        names(&pod.spec.containers)
    );
    if !pod.spec.init_containers.is_empty() {
        message.push_str(&format!(" or one of the init containers: [{}]", names(&pod.spec.init_containers)));
    }
    if !pod.spec.ephemeral_containers.is_empty() {
        let names = names(&pod.spec.ephemeral_containers);
        message.push_str(&format!(" or one of the ephemeral containers: [{names}]"));
    }
    Err(Status::bad_request(message))
}

/// The run whose log is meant.
pub fn logged<'a>(
    pod: &Pod,
    record: &'a Record,
    container: &Container,
    previous: bool,
) -> Result<&'a Attempt, Status> {
    let (name, pod_name) = (&container.name, &pod.metadata.name);
    let waits = |reason: &str| {
        let why = match reason {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            reason => reason,
        };
        Status::bad_request(format!("container \"{name}\" in pod \"{pod_name}\" is waiting to start: {why}"))
    };
    let no_previous = || {
        let message = format!("previous terminated container \"{name}\" in pod \"{pod_name}\" not found");
        Status::bad_request(message)
    };
    let default = if pod.spec.init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    let known = record.container(name);
    let waiting = known.and_then(|c| c.waiting.as_ref());
    let reason = waiting.map_or(default, |w| w.reason.as_str());
    let Some(current) = known.and_then(|c| c.current()) else {
        return Err(if previous { no_previous() } else { waits(reason) });
    };
    let is_dead = current.exit().is_some();
    if previous {
        // While a container waits for its next start, the run before that is the last one.
        let last =
            if is_dead && waiting.is_some() { Some(current) } else { known.and_then(|c| c.previous()) };
        return last.ok_or_else(no_previous);
    }
    if is_dead || current.is_running() { Ok(current) } else { Err(waits(reason)) }
}

pub fn running(pod: &Pod, record: &Record, container: &Container) -> Result<String, Status> {
    let attempt = record.container(&container.name).and_then(|c| c.current()).filter(|a| a.is_running());
    attempt.map(|a| a.id.clone()).ok_or_else(|| {
        let message = format!("container not found (\"{}\")", container.name);
        tracing::debug!(pod = pod.key(), message);
        Status::new(404, "NotFound", message)
    })
}

/// Whether this run can still write to its log.
pub fn runs(record: &Record, id: &str) -> bool {
    let mut attempts = record.containers.values().flat_map(|c| &c.attempts);
    attempts.any(|a| a.id == id && a.exit().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::record::{ContainerRecord, Waiting};
    use orch_container::runtime::{Exit, State};
    use serde_json::json;

    fn pod(containers: &[&str]) -> Pod {
        let containers: Vec<_> = containers.iter().map(|name| json!({ "name": name })).collect();
        let raw = json!({"metadata": {"name": "p"}, "spec": {"containers": containers}});
        Pod::read(Arc::new(raw)).unwrap()
    }

    fn attempt(id: &str, restart_count: u32, running: bool) -> Attempt {
        let exit = Exit {
            code: 1,
            signal: None,
            oom_killed: false,
            started_at_ms: 0,
            finished_at_ms: 0,
            start_error: None,
        };
        Attempt {
            id: id.into(),
            restart_count,
            state: if running { State::Running { started_at_ms: 0 } } else { State::Exited(exit) },
            image: String::new(),
            image_id: String::new(),
            resources: None,
            log_path: id.into(),
            stop_signal: None,
            message: None,
            exited_at: None,
        }
    }

    fn logged_id(known: ContainerRecord, previous: bool) -> Result<String, String> {
        let pod = pod(&["c"]);
        let mut record = Record::default();
        record.containers.insert("c".into(), known);
        let found = logged(&pod, &record, &pod.spec.containers[0], previous);
        found.map(|a| a.id.clone()).map_err(|status| status.message)
    }

    #[test]
    fn the_container_has_to_be_named_when_there_are_several() {
        assert_eq!(container(&pod(&["c"]), "").unwrap().name, "c");
        let message = container(&pod(&["a", "b"]), "").unwrap_err().message;
        assert_eq!(message, "a container name must be specified for pod p, choose one of: [a b]");
        assert_eq!(container(&pod(&["a"]), "z").unwrap_err().message, "container z is not valid for pod p");
    }

    #[test]
    fn waiting_and_previous_runs_are_told_apart() {
        let empty = ContainerRecord::default();
        assert_eq!(
            logged_id(empty.clone(), false).unwrap_err(),
            "container \"c\" in pod \"p\" is waiting to start: ContainerCreating"
        );
        assert_eq!(
            logged_id(empty, true).unwrap_err(),
            "previous terminated container \"c\" in pod \"p\" not found"
        );
        let restarted = ContainerRecord {
            attempts: vec![attempt("old", 0, false), attempt("new", 1, true)],
            ..ContainerRecord::default()
        };
        assert_eq!(logged_id(restarted.clone(), false).unwrap(), "new");
        assert_eq!(logged_id(restarted, true).unwrap(), "old");
        let crashing = ContainerRecord {
            attempts: vec![attempt("dead", 0, false)],
            waiting: Some(Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }),
            ..ContainerRecord::default()
        };
        assert_eq!(logged_id(crashing.clone(), false).unwrap(), "dead");
        assert_eq!(logged_id(crashing, true).unwrap(), "dead");
    }
}
