//! Which pods go first when there are too many: upstream's `ActivePodsWithRanks`.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::object::Object;
use crate::time::parse_rfc3339;
use serde_json::Value;

use super::pod;

/// The `count` pods to delete, most expendable first. `related`: see `super::related`.
pub fn to_delete<'a>(active: &'a [Value], related: &[Value], count: usize, now_ms: u64) -> Vec<&'a Value> {
    let mut pods: Vec<&Value> = active.iter().collect();
    if count < pods.len() {
        let company = company(related);
        pods.sort_by(|a, b| compare(a, b, &company, now_ms));
        pods.truncate(count);
    }
    pods
}

fn node(pod: &Value) -> &str {
    pod.at(&["spec", "nodeName"]).as_str().unwrap_or_default()
}

fn company(related: &[Value]) -> HashMap<&str, usize> {
    let mut company = HashMap::new();
    for pod in related {
        *company.entry(node(pod)).or_default() += 1;
    }
    company
}

/// `Less`: `a` goes before `b`.
fn compare(a: &Value, b: &Value, company: &HashMap<&str, usize>, now_ms: u64) -> Ordering {
    let assigned = |pod: &Value| !node(pod).is_empty();
    let crowd = |pod: &Value| company.get(node(pod)).copied().unwrap_or(0);
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase_rank(a).cmp(&phase_rank(b)))
        .then_with(|| pod::is_ready(a).cmp(&pod::is_ready(b)))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| crowd(b).cmp(&crowd(a)))
        .then_with(|| {
            if pod::is_ready(a) && pod::is_ready(b) {
                younger(pod::ready_since(a), pod::ready_since(b), a, b, now_ms)
            } else {
                Ordering::Equal
            }
        })
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| younger(created(a), created(b), a, b, now_ms))
}

fn phase_rank(pod: &Value) -> u8 {
    match pod::phase(pod) {
        "Unknown" => 1,
        "Running" => 2,
        _ => 0,
    }
}

/// `controller.kubernetes.io/pod-deletion-cost`; what is not a number counts as 0.
fn deletion_cost(pod: &Value) -> i32 {
    pod.annotation("controller.kubernetes.io/pod-deletion-cost")
        .and_then(|cost| cost.parse().ok())
        .unwrap_or(0)
}

fn restarts(pod: &Value) -> i64 {
    let statuses = pod.items(&["status", "containerStatuses"]);
    statuses.iter().filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or(0)
}

fn created(pod: &Value) -> u64 {
    parse_rfc3339(pod.creation_timestamp()).unwrap_or(0)
}

/// The younger one first, but only when it is younger by an order of magnitude (of two): otherwise by
/// uid, so that a rollout's pods are spared at random. Times of 0 are unknown and go first.
fn younger(time_a: u64, time_b: u64, a: &Value, b: &Value, now_ms: u64) -> Ordering {
    if time_a == time_b {
        return Ordering::Equal;
    }
    if time_a == 0 || time_b == 0 {
        return time_a.cmp(&time_b);
    }
    let magnitude = |time: u64| now_ms.saturating_sub(time).checked_ilog2().map_or(-1, i64::from);
    magnitude(time_a).cmp(&magnitude(time_b)).then_with(|| a.uid().cmp(b.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::rfc3339;
    use serde_json::json;

    const NOW: u64 = 1_795_262_400_000;

    struct Pod(Value);

    fn pod(name: &str) -> Pod {
        Pod(json!({"metadata": {"name": name, "uid": name, "creationTimestamp": rfc3339(NOW - 1_000_000)},
            "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}))
    }
    impl Pod {
        fn with(mut self, path: &[&str], value: Value) -> Self {
            self.0.set(path, value);
            self
        }
        fn ready(self, seconds_ago: u64) -> Self {
            let since = rfc3339(NOW - seconds_ago * 1000);
            self.with(
                &["status", "conditions"],
                json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]),
            )
        }
    }

    /// All pairs of an ordered list compare as the list says.
    fn assert_order(pods: Vec<Pod>, company: &[(&'static str, usize)]) {
        let company = company.iter().copied().collect();
        for (i, a) in pods.iter().enumerate() {
            for b in &pods[i + 1..] {
                assert_eq!(compare(&a.0, &b.0, &company, NOW), Ordering::Less, "{} before {}", a.0, b.0);
                assert_eq!(compare(&b.0, &a.0, &company, NOW), Ordering::Greater, "{} after {}", b.0, a.0);
            }
        }
    }

    #[test]
    fn from_most_to_least_expendable() {
        let cost = ["metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"];
        assert_order(
            vec![
                pod("unassigned")
                    .with(&["spec", "nodeName"], json!(""))
                    .with(&["status", "phase"], json!("Pending")),
                pod("pending").with(&["status", "phase"], json!("Pending")),
                pod("unknown").with(&["status", "phase"], json!("Unknown")),
                pod("many-restarts").with(&["status", "containerStatuses"], json!([{"restartCount": 9}])),
                pod("unready"),
                pod("cheap").with(&cost, json!("-5")).ready(100),
                pod("crowded").with(&["spec", "nodeName"], json!("full")).ready(100),
                pod("just-ready").ready(1),
                pod("long-ready").ready(10_000),
                pod("dear").with(&cost, json!("10")).ready(1),
            ],
            &[("full", 3), ("n", 1)],
        );
    }

    #[test]
    fn like_ages_are_ordered_by_uid() {
        assert_order(vec![pod("a").ready(1000), pod("b").ready(900), pod("c").ready(1010)], &[]);
    }

    #[test]
    fn younger_pods_go_before_older() {
        let aged = |name: &str, seconds: u64| {
            pod(name).with(&["metadata", "creationTimestamp"], json!(rfc3339(NOW - seconds * 1000)))
        };
        assert_order(vec![aged("z", 10), aged("a", 100_000)], &[]);
    }

    #[test]
    fn all_go_when_all_must() {
        let pods = [pod("a").0, pod("b").0];
        assert_eq!(to_delete(&pods, &[], 2, NOW).len(), 2);
        assert_eq!(to_delete(&pods, &[], 1, NOW)[0].name(), "a");
    }
}
