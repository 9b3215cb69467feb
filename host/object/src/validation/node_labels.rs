//! Labels of nodes that have other names by now (`pkg/api/node/util.go`).

use serde_json::Value;

use super::{Path, items, text};

const DEPRECATED: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", r#"deprecated since v1.14; use "kubernetes.io/arch" instead"#),
    ("beta.kubernetes.io/os", r#"deprecated since v1.14; use "kubernetes.io/os" instead"#),
    (
        "failure-domain.beta.kubernetes.io/region",
        r#"deprecated since v1.17; use "topology.kubernetes.io/region" instead"#,
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        r#"deprecated since v1.17; use "topology.kubernetes.io/zone" instead"#,
    ),
    (
        "beta.kubernetes.io/instance-type",
        r#"deprecated since v1.17; use "node.kubernetes.io/instance-type" instead"#,
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", r#"use "node-role.kubernetes.io/control-plane" instead"#),
];

/// What to use instead of a label.
pub(crate) fn deprecated(key: &str) -> Option<&'static str> {
    DEPRECATED.iter().find(|(label, _)| *label == key).map(|(_, words)| *words)
}

/// Warnings about a label selector that finds nodes.
pub(crate) fn selector_warnings(selector: &Value, path: &Path) -> Vec<String> {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, _)| (path.child("matchLabels").key(key), key.as_str()));
    let expressions = items(&selector["matchExpressions"]).iter().enumerate();
    let expressions = expressions.map(|(index, expression)| {
        (path.child("matchExpressions").index(index).child("key"), text(&expression["key"]))
    });
    let warning = |(at, key): (Path, &str)| deprecated(key).map(|words| format!("{at}: {words}"));
    expressions.chain(labels).filter_map(warning).collect()
}
