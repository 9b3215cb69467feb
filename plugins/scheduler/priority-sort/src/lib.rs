//! Puts waiting pods of higher priority first; the host lets the one that waits longer go first among
//! equals.

use orch_sdk::pod::Pod;
use orch_sdk::scheduler::{Description, Policy};
use orch_sdk::serde::Deserialize;

#[derive(Default)]
pub struct PrioritySort;

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Spec {
    /// Admission resolves `priorityClassName`; a pod without either has priority 0.
    priority: Option<i32>,
}

orch_sdk::export_scheduler!(PrioritySort);

impl Policy for PrioritySort {
    fn describe() -> Description {
        Description::new().pod(&["spec.priority"]).ranks()
    }

    fn rank(&mut self, pod: &str) -> Result<i64, String> {
        let pod = Pod::<Spec>::parse(pod)?;
        Ok(pod.spec.priority.unwrap_or(0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::scheduler::Scheduler;
    use orch_sdk::json;

    #[test]
    fn pods_rank_by_priority() {
        let mut host = Scheduler::<PrioritySort>::new();
        assert_eq!(host.rank(&json!({"spec": {"priority": 2_000_001_000}})), 2_000_001_000);
        assert_eq!(host.rank(&json!({"spec": {"priority": -5}})), -5);
        assert_eq!(host.rank(&json!({"spec": {"priority": null}})), 0);
        assert_eq!(host.rank(&json!({})), 0);
    }

    #[test]
    fn what_is_no_pod_is_an_error() {
        assert!(PrioritySort.rank("{").unwrap_err().starts_with("pod: "));
    }
}
