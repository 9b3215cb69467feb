//! The rows against facts from Kubernetes 1.37's discovery.

use serde_json::json;

use crate::{Connects, Kinds, Schemas, Source};

const ALL: &str = "create delete deletecollection get list patch update watch";

/// The facts of a table that lies beside this file, without its comments.
fn facts(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn rows_are_found_by_plural_and_by_kind() {
    let builtin = Kinds::builtin();
    let mut row = crate::Kind::clone(builtin.by_kind("v1", "Pod").unwrap());
    row.group = "shop.example.com".into();
    let kinds = builtin.with([std::sync::Arc::new(row)]);
    for kind in kinds.rows() {
        let found = kinds.by_plural(&kind.group, &kind.version, &kind.plural).expect(&kind.plural);
        assert_eq!((&found.group, &found.plural), (&kind.group, &kind.plural));
        let found = kinds.by_kind(&kind.api_version(), &kind.kind).expect(&kind.kind);
        assert_eq!((&found.group, &found.kind), (&kind.group, &kind.kind));
    }
    assert!(kinds.by_plural("other.example.com", "v1", "pods").is_none());
    assert!(kinds.by_kind("v1", "Poodle").is_none());
}

#[test]
fn rows_are_what_discovery_says_upstream() {
    let kinds = Kinds::builtin();
    for fact in facts(include_str!("tests/discovery.txt")) {
        let fields: Vec<&str> =
            fact.split(" | ").map(|field| if field == "-" { "" } else { field }).collect();
        let [api_version, name, plural, scope, short_names, verbs, subresources] = fields[..] else {
            panic!("seven fields: {fact}")
        };
        let verbs = if verbs == "all" { ALL } else { verbs };
        let kind = kinds.by_kind(api_version, name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(kind.plural, plural);
        assert_eq!(kind.singular, name.to_lowercase());
        assert_eq!(kind.namespaced(), scope == "N", "{name}");
        assert_eq!(kind.short_names.join(" "), short_names, "{name}");
        assert_eq!(kind.verbs.join(" "), verbs, "{name}");
        assert_eq!(shown_subresources(kind), subresources, "{name}");
    }
}

fn shown_subresources(kind: &crate::Kind) -> String {
    let shown = |part: &crate::Subresource| {
        let group = match part.version.as_str() {
            "" => String::new(),
            version => format!("{}/{version}/", part.group),
        };
        let of = if part.kind == kind.kind { String::new() } else { format!(":{group}{}", part.kind) };
        format!("{}{of}={}", part.name, part.verbs.join(","))
    };
    kind.subresources.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_pods_services_and_workloads_are_in_all() {
    let kinds = Kinds::builtin();
    let mut all: Vec<&str> = kinds
        .rows()
        .iter()
        .filter(|kind| kind.conversion.is_none())
        .filter(|kind| kind.categories.iter().any(|category| category == "all"))
        .map(|kind| kind.plural.as_str())
        .collect();
    all.sort_unstable();
    let expected = [
        "cronjobs",
        "daemonsets",
        "deployments",
        "horizontalpodautoscalers",
        "jobs",
        "pods",
        "replicasets",
        "replicationcontrollers",
        "services",
        "statefulsets",
    ];
    assert_eq!(all, expected);
}

#[test]
fn every_row_has_a_schema_and_every_stored_kind_columns() {
    for kind in Kinds::builtin().rows() {
        assert!(Schemas::builtin().root(&kind.schema).is_some(), "{}", kind.schema);
        assert_eq!(kind.columns.is_empty(), !kind.verbs.iter().any(|verb| verb == "list"), "{}", kind.kind);
    }
}

/// Name, type and priority of each column, as upstream's Table names them.
#[test]
fn columns_are_upstreams() {
    let kinds = Kinds::builtin();
    for fact in facts(include_str!("tests/columns.txt")) {
        let (resource, expected) = fact.split_once(": ").expect("a colon");
        let (api_version, name) = resource.split_once(' ').expect("apiVersion and kind");
        let kind = kinds.by_kind(api_version, name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(shown(kind), spelled_out(expected), "{name}");
    }
}

fn shown(kind: &crate::Kind) -> Vec<String> {
    let column = |column: &crate::Column| {
        let sign = match column.column_type {
            crate::ColumnType::String => "",
            crate::ColumnType::Integer => "#",
            crate::ColumnType::Number => "%",
            crate::ColumnType::Boolean => "?",
            crate::ColumnType::Date => "@",
        };
        let wide = if column.priority > 0 { "|" } else { "" };
        format!("{wide}{}{sign}", column.name.replace(' ', "-"))
    };
    kind.columns.iter().map(column).collect()
}

/// A bar alone makes all that follow wide, a bar before a name that one.
fn spelled_out(columns: &str) -> Vec<String> {
    let mut wide = "";
    let mut names = Vec::new();
    for name in columns.split(' ') {
        if name == "|" {
            wide = "|";
        } else {
            names.push(format!("{wide}{name}"));
        }
    }
    names
}

#[test]
fn generation_counts_the_spec_only() {
    let kinds = Kinds::builtin();
    let kind = kinds.by_kind("apps/v1", "Deployment").unwrap();
    let old = json!({"metadata": {"generation": 3}, "spec": {"a": 1}, "status": {}});
    let mut new = json!({"metadata": {"generation": 3, "labels": {}}, "spec": {"a": 1}, "status": {"b": 1}});
    kind.count_generation(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 3);
    new["spec"]["a"] = 2.into();
    kind.count_generation(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 4);
}

#[test]
fn marks_are_on_the_rows_they_are_about() {
    let kinds = Kinds::builtin();
    let named = |marked: fn(&crate::Strategy) -> bool| -> Vec<String> {
        let rows = kinds.rows().iter().filter(|kind| marked(&kind.strategy));
        rows.map(|kind| kind.qualified_resource()).collect()
    };
    assert_eq!(named(|strategy| strategy.is_namespace), ["namespaces"]);
    assert_eq!(named(|strategy| strategy.source == Source::Components), ["componentstatuses"]);
    let mut deprecated = named(|strategy| !strategy.deprecated.is_empty());
    deprecated.sort();
    assert_eq!(deprecated, ["componentstatuses", "endpoints"]);
    // Whatever streams leads somewhere.
    for kind in kinds.rows() {
        let connects = kind.strategy.connects;
        assert!(!kind.has_subresource("proxy") || connects.is_some(), "{}", kind.kind);
        assert_eq!(kind.has_subresource("exec"), connects == Some(Connects::Pod), "{}", kind.kind);
        assert!(!kind.has_subresource("log") || connects.is_some(), "{}", kind.kind);
    }
}
