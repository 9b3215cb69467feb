//! `spec.strategy` in numbers.

use orch_sdk::Value;
use orch_sdk::object::Object;

pub fn is_rolling_update(deployment: &Value) -> bool {
    deployment.at(&["spec", "strategy", "type"]).as_str().unwrap_or("RollingUpdate") == "RollingUpdate"
}

pub fn replicas(deployment: &Value) -> i64 {
    deployment.at(&["spec", "replicas"]).as_i64().unwrap_or(1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenceposts {
    pub max_surge: i64,
    pub max_unavailable: i64,
}

/// Recreate knows neither surge nor unavailability.
pub fn fenceposts(deployment: &Value) -> Fenceposts {
    if !is_rolling_update(deployment) {
        return Fenceposts { max_surge: 0, max_unavailable: 0 };
    }
    let rolling = deployment.at(&["spec", "strategy", "rollingUpdate"]);
    resolve(rolling.at(&["maxSurge"]), rolling.at(&["maxUnavailable"]), replicas(deployment))
}

/// Surge is rounded up, unavailability down; when both come to nothing, one may be unavailable.
pub fn resolve(max_surge: &Value, max_unavailable: &Value, desired: i64) -> Fenceposts {
    let max_surge = int_or_percent(max_surge, desired, Rounding::Up);
    let max_unavailable = int_or_percent(max_unavailable, desired, Rounding::Down);
    let nothing_moves = max_surge == 0 && max_unavailable == 0;
    Fenceposts {
        max_surge,
        max_unavailable: if nothing_moves { 1 } else { max_unavailable.min(desired.max(1)) },
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

/// The API server fills in 25% where nothing is said.
fn int_or_percent(value: &Value, of: i64, rounding: Rounding) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().unwrap_or("25%").trim_end_matches('%').parse().unwrap_or(0);
    match rounding {
        Rounding::Up => (percent * of + 99) / 100,
        Rounding::Down => percent * of / 100,
    }
}

/// Seconds; `None` also for the largest 32-bit number, which means never.
pub fn progress_deadline_seconds(deployment: &Value) -> Option<u64> {
    let seconds = deployment.at(&["spec", "progressDeadlineSeconds"]).as_u64()?;
    (seconds != i32::MAX as u64).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn fenceposts_as_upstreams() {
        let cases = [
            // (maxSurge, maxUnavailable, desired) → (surge, unavailable)
            (json!("0%"), json!("1%"), 2, (0, 1)),
            (json!("0%"), json!("1%"), 1, (0, 1)),
            (json!("1%"), json!("25%"), 2, (1, 0)),
            (json!("1%"), json!("25%"), 1, (1, 0)),
            (json!("1%"), json!("0%"), 2, (1, 0)),
            (json!("25%"), json!("25%"), 10, (3, 2)),
            (json!(3), json!(2), 10, (3, 2)),
            (Value::Null, Value::Null, 3, (1, 0)),
        ];
        for (surge, unavailable, desired, expected) in cases {
            let posts = resolve(&surge, &unavailable, desired);
            assert_eq!((posts.max_surge, posts.max_unavailable), expected, "{surge} {unavailable} {desired}");
        }
    }
}
