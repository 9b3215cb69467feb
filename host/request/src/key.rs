//! The keys under which objects are stored: `GROUP/PLURAL/NAME`, `GROUP/PLURAL/NAMESPACE/NAME`.

use orch_object::Kind;

/// The core group has no name, and a key no empty segment.
fn group_segment(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

/// Every object of a resource, or those of one namespace.
pub fn prefix(group: &str, plural: &str, namespace: Option<&str>) -> String {
    let group = group_segment(group);
    match namespace {
        Some(namespace) => format!("{group}/{plural}/{namespace}/"),
        None => format!("{group}/{plural}/"),
    }
}

/// One object; `namespace` is empty for cluster-scoped ones.
pub fn object(group: &str, plural: &str, namespace: &str, name: &str) -> String {
    let group = group_segment(group);
    match namespace {
        "" => format!("{group}/{plural}/{name}"),
        namespace => format!("{group}/{plural}/{namespace}/{name}"),
    }
}

/// Where objects of a kind are listed: cluster-scoped kinds have no namespaces.
pub fn kind_prefix(kind: &Kind, namespace: Option<&str>) -> String {
    let namespace = namespace.filter(|n| kind.namespaced() && !n.is_empty());
    prefix(kind.stored_group(), &kind.plural, namespace)
}

/// Where an object of a kind is kept.
pub fn of(kind: &Kind, namespace: &str, name: &str) -> String {
    object(kind.stored_group(), &kind.plural, if kind.namespaced() { namespace } else { "" }, name)
}
