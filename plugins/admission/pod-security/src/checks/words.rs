//! How violations are put, as upstream puts them.

use std::collections::BTreeSet;

use super::{Verdict, Violation};
use crate::pod::{Container, Pod};

pub fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`
pub fn quoted<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect::<Vec<_>>().join(", ")
}

/// `container "a"`, `containers "a", "b"`
pub fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Those who set something themselves: the pod, containers, or both.
pub fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let of_containers = (!names.is_empty()).then(|| containers(names));
    let of_pod = pod.then(|| "pod".to_string());
    let all: Vec<String> = of_pod.into_iter().chain(of_containers).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

pub fn violation(reason: &'static str, detail: String) -> Verdict {
    Some(Violation { reason, detail })
}

/// The containers for which this holds.
pub fn which<'a>(pod: &Pod<'a>, holds: impl Fn(&Container<'a>) -> bool) -> Vec<&'a str> {
    pod.containers().filter(|container| holds(container)).map(|container| container.name()).collect()
}

/// The containers that have values they must not have, and these values in order.
pub fn offenders<'a, T: Ord>(
    pod: &Pod<'a>,
    bad: impl Fn(&Container<'a>) -> Vec<T>,
) -> (Vec<&'a str>, BTreeSet<T>) {
    let (mut names, mut values) = (Vec::new(), BTreeSet::new());
    for container in pod.containers() {
        let bad = bad(&container);
        if !bad.is_empty() {
            names.push(container.name());
            values.extend(bad);
        }
    }
    (names, values)
}
