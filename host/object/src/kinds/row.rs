//! How a row is written down: what is the same for most kinds is left out.

use crate::conversion::Conversion;
use crate::kind::{Column, Kind, Scope, Strategy, Subresource};
use crate::strategy;

/// A sub-resource as `(name, response kind, verbs)`; the kind is `Pod`, or `autoscaling/v1/Scale` with
/// its group where discovery shows one.
pub(super) type Sub = (&'static str, &'static str, &'static [&'static str]);

pub(super) const ALL: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
pub(super) const STATUS: &[&str] = &["get", "patch", "update"];

pub(super) struct Row {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub scope: Scope,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub verbs: &'static [&'static str],
    pub subresources: Vec<Sub>,
    pub selectable: &'static [&'static str],
    pub columns: Vec<Column>,
    /// Up to the version: `io.k8s.api.core`.
    pub schema: &'static str,
    pub generation: bool,
    pub conversion: Option<Conversion>,
    pub strategy: Strategy,
}

impl Row {
    pub fn namespaced(api_version: &'static str, kind: &'static str, plural: &'static str) -> Row {
        Row {
            api_version,
            kind,
            plural,
            scope: Scope::Namespaced,
            short_names: &[],
            categories: &[],
            verbs: ALL,
            subresources: Vec::new(),
            selectable: &[],
            columns: Vec::new(),
            schema: schema_group(api_version),
            generation: false,
            conversion: None,
            strategy: strategy::PLAIN,
        }
    }

    pub fn cluster(api_version: &'static str, kind: &'static str, plural: &'static str) -> Row {
        Row { scope: Scope::Cluster, ..Row::namespaced(api_version, kind, plural) }
    }

    /// Adds the `status` sub-resource.
    pub fn with_status(mut self) -> Row {
        self.subresources.push(("status", self.kind, STATUS));
        self
    }

    /// Adds the `scale` sub-resource.
    pub fn with_scale(mut self) -> Row {
        self.subresources.push(("scale", "autoscaling/v1/Scale", STATUS));
        self
    }

    pub fn build(self) -> Kind {
        let (group, version) = split_version(self.api_version);
        let mut subresources: Vec<_> = self.subresources.iter().map(subresource).collect();
        subresources.sort_by(|a, b| a.name.cmp(&b.name));
        Kind {
            schema: format!("{}.{version}.{}", self.schema, self.kind),
            group: group.into(),
            version: version.into(),
            kind: self.kind.into(),
            list_kind: format!("{}List", self.kind),
            plural: self.plural.into(),
            singular: self.kind.to_lowercase(),
            scope: self.scope,
            short_names: owned(self.short_names),
            categories: owned(self.categories),
            verbs: owned(self.verbs),
            subresources,
            columns: self.columns,
            selectable_fields: owned(self.selectable),
            has_generation: self.generation,
            strategy: self.strategy,
            conversion: self.conversion,
            custom: None,
        }
    }
}

fn subresource(&(name, kind, verbs): &Sub) -> Subresource {
    let mut parts = kind.rsplitn(3, '/');
    let kind = parts.next().unwrap_or(kind);
    let version = parts.next().unwrap_or("");
    let group = parts.next().unwrap_or("");
    Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs: owned(verbs),
    }
}

fn split_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The prefix of upstream's definition names for a group.
fn schema_group(api_version: &str) -> &'static str {
    match split_version(api_version).0 {
        "" => "io.k8s.api.core",
        "admissionregistration.k8s.io" => "io.k8s.api.admissionregistration",
        "apiextensions.k8s.io" => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        "apiregistration.k8s.io" => "io.k8s.kube-aggregator.pkg.apis.apiregistration",
        "apps" => "io.k8s.api.apps",
        "autoscaling" => "io.k8s.api.autoscaling",
        "batch" => "io.k8s.api.batch",
        "authentication.k8s.io" => "io.k8s.api.authentication",
        "authorization.k8s.io" => "io.k8s.api.authorization",
        "certificates.k8s.io" => "io.k8s.api.certificates",
        "coordination.k8s.io" => "io.k8s.api.coordination",
        "discovery.k8s.io" => "io.k8s.api.discovery",
        "events.k8s.io" => "io.k8s.api.events",
        "flowcontrol.apiserver.k8s.io" => "io.k8s.api.flowcontrol",
        "networking.k8s.io" => "io.k8s.api.networking",
        "node.k8s.io" => "io.k8s.api.node",
        "policy" => "io.k8s.api.policy",
        "rbac.authorization.k8s.io" => "io.k8s.api.rbac",
        "resource.k8s.io" => "io.k8s.api.resource",
        "scheduling.k8s.io" => "io.k8s.api.scheduling",
        "storage.k8s.io" => "io.k8s.api.storage",
        "storagemigration.k8s.io" => "io.k8s.api.storagemigration",
        "plugins.orch.dev" => "dev.orch.plugins",
        other => unreachable!("no schema prefix is known for the group {other}"),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
