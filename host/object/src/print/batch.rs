//! Jobs and CronJobs.

use jiff::Timestamp;
use serde_json::Value;

use super::workload::selector;
use super::{NONE, age, boolean, int_of, integer, list, name, path, str_of, text, wide};
use crate::duration;
use crate::kind::Column;

pub(crate) fn job_columns() -> Vec<Column> {
    vec![
        name(),
        text("Status", "How far it is.", |job| status(job).into()),
        text("Completions", "Pods that succeeded of those wanted.", |job| completions(job).into()),
        text("Duration", "How long it runs, or ran.", lasted),
        age(),
        wide(text("Containers", "Names of the template's containers.", |job| containers(job, "name"))),
        wide(text("Images", "Images of the template's containers.", |job| containers(job, "image"))),
        wide(text("Selector", "Which pods belong to it.", |job| selector(&job["spec"]["selector"]))),
    ]
}

pub(crate) fn cron_job_columns() -> Vec<Column> {
    vec![
        name(),
        path("Schedule", "When it runs, in cron's notation.", "spec.schedule"),
        text("Timezone", "Where that time is.", |job| super::or(&job["spec"]["timeZone"], NONE)),
        boolean("Suspend", "Whether it is paused.", |job| match job["spec"]["suspend"].as_bool() {
            Some(true) => "True".into(),
            Some(false) => "False".into(),
            None => "<unset>".into(),
        }),
        integer("Active", "Jobs that run.", |job| list(&job["status"]["active"]).len().into()),
        text("Last Schedule", "Time since it last ran.", |job| match &job["status"]["lastScheduleTime"] {
            Value::Null => NONE.into(),
            time => duration::since(time).into(),
        }),
        age(),
        wide(text("Containers", "Names of the template's containers.", |job| {
            containers(&job["spec"]["jobTemplate"], "name")
        })),
        wide(text("Images", "Images of the template's containers.", |job| {
            containers(&job["spec"]["jobTemplate"], "image")
        })),
        wide(text("Selector", "Which pods belong to its jobs.", |job| {
            selector(&job["spec"]["jobTemplate"]["spec"]["selector"])
        })),
    ]
}

fn containers(job: &Value, field: &str) -> Value {
    let containers = list(&job["spec"]["template"]["spec"]["containers"]);
    containers.iter().map(|container| str_of(&container[field])).collect::<Vec<_>>().join(",").into()
}

fn status(job: &Value) -> &'static str {
    let is = |name: &str| {
        let conditions = list(&job["status"]["conditions"]);
        conditions.iter().any(|condition| condition["type"] == name && condition["status"] == "True")
    };
    match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if job["metadata"]["deletionTimestamp"].is_string() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let succeeded = int_of(&job["status"]["succeeded"]);
    match (job["spec"]["completions"].as_i64(), job["spec"]["parallelism"].as_i64().unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn lasted(job: &Value) -> Value {
    let moment = |field: &str| str_of(&job["status"][field]).parse::<Timestamp>().ok();
    match (moment("startTime"), moment("completionTime")) {
        (None, _) => "".into(),
        (Some(start), end) => {
            let end = end.unwrap_or_else(Timestamp::now);
            duration::human(end.as_second() - start.as_second()).into()
        }
    }
}
