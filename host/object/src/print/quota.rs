//! Limit ranges and quotas.

use serde_json::Value;

use super::{age, created_at, name, str_of, text};
use crate::kind::Column;

pub(crate) fn limit_range_columns() -> Vec<Column> {
    vec![name(), created_at()]
}

pub(crate) fn resource_quota_columns() -> Vec<Column> {
    vec![
        name(),
        text("Request", "What is used of what may be requested.", |quota| used(quota, false)),
        text("Limit", "What is used of what may be the limit.", |quota| used(quota, true)),
        age(),
    ]
}

/// `cpu: 1/2, pods: 3/10`
fn used(quota: &Value, limits: bool) -> Value {
    let status = &quota["status"];
    let hard = status["hard"].as_object().into_iter().flatten();
    let mut shown: Vec<String> = hard
        .filter(|(resource, _)| resource.starts_with("limits") == limits)
        .map(|(resource, hard)| {
            let used = status["used"][resource].as_str().unwrap_or("0");
            format!("{resource}: {used}/{}", str_of(hard))
        })
        .collect();
    shown.sort();
    shown.join(", ").into()
}
