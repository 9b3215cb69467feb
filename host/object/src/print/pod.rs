use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, age, int_of, list, name, or, str_of, text, wide};
use crate::duration;
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        name(),
        text("Ready", "Ready containers of all.", |pod| {
            let summary = Summary::of(pod);
            format!("{}/{}", summary.ready, summary.total).into()
        }),
        text("Status", "The phase, or the reason that matters most.", |pod| Summary::of(pod).reason.into()),
        text("Restarts", "Restarts of the containers, and when the last one was.", |pod| {
            restarts(&Summary::of(pod))
        }),
        age(),
        wide(text("IP", "The pod's address.", ip)),
        wide(text("Node", "Where it runs.", |pod| or(&pod["spec"]["nodeName"], NONE))),
        wide(text("Nominated Node", "Where room is being made for it.", |pod| {
            or(&pod["status"]["nominatedNodeName"], NONE)
        })),
        wide(text("Readiness Gates", "Conditions of others that hold, of those awaited.", readiness_gates)),
    ]
}

/// Why a finished or failed pod counts as done in a Table row (`RowCompleted`).
pub(crate) fn completed(pod: &Value) -> Option<(&'static str, &'static str)> {
    match str_of(&pod["status"]["phase"]) {
        "Succeeded" => Some(("Succeeded", "The pod has completed successfully.")),
        "Failed" => Some(("Failed", "The pod failed.")),
        _ => None,
    }
}

/// What the columns are drawn from.
#[derive(Default)]
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

/// Restarts of some containers, and the latest end that led to one.
#[derive(Default, Clone, Copy)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += int_of(&status["restartCount"]);
        let finished = status["lastState"]["terminated"]["finishedAt"].as_str();
        self.last = self.last.max(finished.and_then(|time| time.parse().ok()));
    }
}

impl Summary {
    fn of(pod: &Value) -> Summary {
        let mut summary = Summary { reason: phase_reason(pod), ..Summary::default() };
        let sidecars =
            list(&pod["spec"]["initContainers"]).iter().filter(|container| restartable(container)).count();
        summary.total = list(&pod["spec"]["containers"]).len() + sidecars;
        let (initializing, of_sidecars) = summary.init_containers(pod);
        if !initializing || has_condition(pod, "Initialized") {
            summary.containers(pod, of_sidecars);
        }
        summary.deletion(pod);
        summary
    }

    /// Takes over restarts and reason while init containers run; returns whether they do, and the
    /// restarts of those that keep running beside the containers.
    fn init_containers(&mut self, pod: &Value) -> (bool, Restarts) {
        let specs = list(&pod["spec"]["initContainers"]);
        let (mut all, mut of_sidecars) = (Restarts::default(), Restarts::default());
        let mut initializing = false;
        for (index, status) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            let sidecar = specs.iter().any(|spec| spec["name"] == status["name"] && restartable(spec));
            all.add(status);
            if sidecar {
                of_sidecars.add(status);
            }
            if status["state"]["terminated"]["exitCode"] == 0 {
                continue;
            }
            if sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = init_reason(status, index, specs.len());
            initializing = true;
            break;
        }
        (self.restarts, self.last_restart) = (all.count, all.last);
        (initializing, of_sidecars)
    }

    fn containers(&mut self, pod: &Value, of_sidecars: Restarts) {
        let mut restarts = of_sidecars;
        let mut running = false;
        for status in list(&pod["status"]["containerStatuses"]).iter().rev() {
            restarts.add(status);
            let state = &status["state"];
            let waiting = str_of(&state["waiting"]["reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if state["terminated"].is_object() {
                self.reason = exit_reason(&state["terminated"]);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        (self.restarts, self.last_restart) = (restarts.count, restarts.last);
        // One container has ended while others run: the pod is not over.
        if self.reason == "Completed" && running {
            self.reason = if has_condition(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn deletion(&mut self, pod: &Value) {
        if !pod["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        if pod["status"]["reason"] == "NodeLost" {
            self.reason = "Unknown".to_owned();
        } else if completed(pod).is_none() {
            self.reason = "Terminating".to_owned();
        }
    }
}

fn phase_reason(pod: &Value) -> String {
    let gated = list(&pod["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated");
    if gated {
        return "SchedulingGated".to_owned();
    }
    match str_of(&pod["status"]["reason"]) {
        "" => str_of(&pod["status"]["phase"]).to_owned(),
        reason => reason.to_owned(),
    }
}

fn init_reason(status: &Value, index: usize, total: usize) -> String {
    let state = &status["state"];
    if state["terminated"].is_object() {
        return format!("Init:{}", exit_reason(&state["terminated"]));
    }
    match str_of(&state["waiting"]["reason"]) {
        "" | "PodInitializing" => format!("Init:{index}/{total}"),
        reason => format!("Init:{reason}"),
    }
}

fn exit_reason(terminated: &Value) -> String {
    match (str_of(&terminated["reason"]), int_of(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", int_of(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn restartable(init_container: &Value) -> bool {
    init_container["restartPolicy"] == "Always"
}

fn has_condition(pod: &Value, name: &str) -> bool {
    list(&pod["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == name && condition["status"] == "True")
}

fn restarts(summary: &Summary) -> Value {
    match (summary.restarts, summary.last_restart) {
        (0, _) | (_, None) => summary.restarts.to_string().into(),
        (count, Some(last)) => {
            let ago = duration::human(Timestamp::now().as_second() - last.as_second());
            format!("{count} ({ago} ago)").into()
        }
    }
}

fn ip(pod: &Value) -> Value {
    match list(&pod["status"]["podIPs"]).first() {
        Some(first) => or(&first["ip"], NONE),
        None => or(&pod["status"]["podIP"], NONE),
    }
}

fn readiness_gates(pod: &Value) -> Value {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return NONE.into();
    }
    let met = gates.iter().filter(|gate| has_condition(pod, str_of(&gate["conditionType"]))).count();
    format!("{met}/{}", gates.len()).into()
}
