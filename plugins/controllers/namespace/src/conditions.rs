//! A terminating namespace's five conditions.

use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

use crate::content::Remaining;

struct Condition {
    condition_type: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn fine(condition_type: &'static str, reason: &'static str, message: &str) -> Condition {
    Condition { condition_type, status: "False", reason, message: message.into() }
}

fn wrong(condition_type: &'static str, reason: &'static str, message: String) -> Condition {
    Condition { condition_type, status: "True", reason, message }
}

fn conditions(remaining: &Remaining) -> [Condition; 5] {
    let listed = |parts: Vec<String>| parts.join(", ");
    let errors = &remaining.errors;
    let objects =
        remaining.objects.iter().map(|(name, count)| format!("{name} has {count} resource instances"));
    let finalizers =
        remaining.finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances"));
    [
        if remaining.undiscovered.is_empty() {
            let message = "All resources successfully discovered";
            fine("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", message)
        } else {
            let stale = remaining.undiscovered.iter();
            let stale = stale.map(|version| format!("{version}: stale GroupVersion discovery: {version}"));
            let message = format!(
                "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
                remaining.undiscovered.len(),
                listed(stale.collect())
            );
            wrong("NamespaceDeletionDiscoveryFailure", "DiscoveryFailed", message)
        },
        fine(
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        if errors.is_empty() {
            let message = "All content successfully deleted, may be waiting on finalization";
            fine("NamespaceDeletionContentFailure", "ContentDeleted", message)
        } else {
            let message = format!(
                "Failed to delete all resource types, {} remaining: {}",
                errors.len(),
                errors.join(", ")
            );
            wrong("NamespaceDeletionContentFailure", "ContentDeletionFailed", message)
        },
        if remaining.objects.is_empty() {
            fine("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
        } else {
            let message = format!("Some resources are remaining: {}", listed(objects.collect()));
            wrong("NamespaceContentRemaining", "SomeResourcesRemain", message)
        },
        if remaining.finalizers.is_empty() {
            let message = "All content-preserving finalizers finished";
            fine("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", message)
        } else {
            let message = format!(
                "Some content in the namespace has finalizers remaining: {}",
                listed(finalizers.collect())
            );
            wrong("NamespaceFinalizersRemaining", "SomeFinalizersRemain", message)
        },
    ]
}

/// The conditions anew; transition times stay where the status does, other conditions as they are.
pub fn update(before: &[Value], remaining: &Remaining, now_ms: u64) -> Vec<Value> {
    let mut after = before.to_vec();
    for Condition { condition_type, status, reason, message } in conditions(remaining) {
        let new = json!({
            "type": condition_type, "status": status, "lastTransitionTime": rfc3339(now_ms),
            "reason": reason, "message": message,
        });
        match after.iter_mut().find(|condition| condition["type"] == condition_type) {
            None => after.push(new),
            Some(current) => {
                let since =
                    (current["status"] == new["status"]).then(|| current["lastTransitionTime"].clone());
                *current = new;
                if let Some(since) = since {
                    current["lastTransitionTime"] = since;
                }
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_remains_and_what_holds_it() {
        let remaining = Remaining {
            objects: [("pods.".to_string(), 2), ("deployments.apps".to_string(), 1)].into(),
            finalizers: [("example.org/hold".to_string(), 1)].into(),
            undiscovered: ["a.example/v1".to_string(), "b.example/v1".to_string()].into(),
            ..Remaining::default()
        };
        let told = update(&[], &remaining, 0);
        let message = |of: &str| {
            told.iter().find(|c| c["type"] == of).unwrap()["message"].as_str().unwrap().to_string()
        };
        assert_eq!(
            message("NamespaceContentRemaining"),
            "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances"
        );
        assert_eq!(
            message("NamespaceFinalizersRemaining"),
            "Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances"
        );
        assert_eq!(
            message("NamespaceDeletionDiscoveryFailure"),
            "Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: \
             a.example/v1: stale GroupVersion discovery: a.example/v1, b.example/v1: stale GroupVersion discovery: b.example/v1"
        );
        let later = update(&told, &Remaining::default(), 5000);
        assert_eq!(later.len(), 5);
        assert!(later.iter().all(|condition| condition["status"] == "False"));
        assert_eq!(later[1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(later[3]["lastTransitionTime"], "1970-01-01T00:00:05Z");
        assert_eq!(update(&later, &Remaining::default(), 9000), later);
    }
}
