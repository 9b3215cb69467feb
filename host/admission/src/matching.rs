//! Which requests a webhook, a policy or a binding is about: rules, selectors, match policy
//! (`apiserver/pkg/admission/plugin/policy/matching`, `…/webhook/predicates`).

use std::sync::Arc;

use orch_object::selector::{LabelSelector, SelectorError};
use orch_object::{Kind, Kinds, Status};
use orch_plugin::calls::admission::Operation;
use serde_json::Value;

use crate::Review;
use crate::review::operation_name;

pub use orch_plugin::relevance::Namespaces;

/// Read once from its object, asked for every request.
#[derive(Debug, Clone)]
pub struct Matcher {
    namespace: LabelSelector,
    object: LabelSelector,
    /// `None`: every request.
    rules: Option<Vec<Rule>>,
    excluded: Vec<Rule>,
    /// `matchPolicy: Equivalent`: other versions of a resource count as it.
    equivalent: bool,
}

#[derive(Debug, Clone)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: Scope,
    /// None: every name.
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Cluster,
    Namespaced,
    /// No such scope: nothing is in it.
    Unknown,
}

impl Matcher {
    /// Of an entry of `webhooks`: its `rules`, `matchPolicy` and selectors. Without rules it matches
    /// nothing.
    pub fn of_webhook(webhook: &Value) -> Result<Matcher, SelectorError> {
        Matcher::read(webhook, Some(rules(&webhook["rules"])))
    }

    /// Of `matchConstraints` or `matchResources`. Without rules (or null) it matches everything.
    pub fn of_resources(resources: &Value) -> Result<Matcher, SelectorError> {
        let included = rules(&resources["resourceRules"]);
        Matcher::read(resources, (!included.is_empty()).then_some(included))
    }

    fn read(from: &Value, included: Option<Vec<Rule>>) -> Result<Matcher, SelectorError> {
        Ok(Matcher {
            namespace: selector(&from["namespaceSelector"])?,
            object: selector(&from["objectSelector"])?,
            rules: included,
            excluded: rules(&from["excludeResourceRules"]),
            equivalent: from["matchPolicy"] != "Exact",
        })
    }

    /// The version of the request's kind that the rules name, if they match; the object should be
    /// shown in that version. `object` is null for a delete.
    ///
    /// # Errors
    /// A namespace whose labels are asked for is missing, and everything else matches: 404.
    pub fn matches<'k>(
        &self,
        review: &Review<'k>,
        object: &Value,
        kinds: &'k Kinds,
        namespaces: Namespaces<'_>,
    ) -> Result<Option<&'k Kind>, Status> {
        let in_namespace = self.namespace_matches(review, object, namespaces);
        if matches!(in_namespace, Ok(false)) || !self.object_matches(review, object) {
            return Ok(None);
        }
        if self.named_by(&self.excluded, review, kinds).is_some() {
            return Ok(None);
        }
        let matched = match &self.rules {
            None => Some(review.kind),
            Some(rules) => self.named_by(rules, review, kinds),
        };
        match matched {
            None => Ok(None),
            Some(kind) => in_namespace.map(|_| Some(kind)),
        }
    }

    fn named_by<'k>(&self, rules: &[Rule], review: &Review<'k>, kinds: &'k Kinds) -> Option<&'k Kind> {
        if rules.iter().any(|rule| rule.matches(review, review.kind)) {
            return Some(review.kind);
        }
        if !self.equivalent {
            return None;
        }
        let other =
            |kind: &&Arc<Kind>| kind.version != review.kind.version || kind.group != review.kind.group;
        let others: Vec<&Arc<Kind>> = equivalents(review.kind, kinds).filter(other).collect();
        rules
            .iter()
            .find_map(|rule| others.iter().find(|kind| rule.matches(review, kind)).map(|kind| &***kind))
    }

    fn namespace_matches(
        &self,
        review: &Review<'_>,
        object: &Value,
        namespaces: Namespaces<'_>,
    ) -> Result<bool, Status> {
        let about_namespace = review.kind.strategy.is_namespace;
        let name = namespace_of(review);
        if (name.is_empty() && !about_namespace) || self.namespace.is_empty() {
            return Ok(true);
        }
        // The namespace under way is newer than the one that is stored.
        let written = matches!(review.operation, Operation::Create | Operation::Update);
        if about_namespace && review.subresource.is_empty() && written {
            return Ok(self.namespace.matches_object(object));
        }
        match namespaces(name) {
            Some(namespace) => Ok(self.namespace.matches_object(&namespace)),
            None => Err(no_namespace(name)),
        }
    }

    fn object_matches(&self, review: &Review<'_>, object: &Value) -> bool {
        let labelled = |object: &Value| object.is_object() && self.object.matches_object(object);
        self.object.is_empty() || labelled(object) || review.old.is_some_and(labelled)
    }
}

impl Rule {
    fn read(rule: &Value) -> Rule {
        Rule {
            operations: texts(&rule["operations"]),
            groups: texts(&rule["apiGroups"]),
            versions: texts(&rule["apiVersions"]),
            resources: texts(&rule["resources"]),
            scope: match rule["scope"].as_str() {
                None | Some("" | "*") => Scope::All,
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                Some(_) => Scope::Unknown,
            },
            names: texts(&rule["resourceNames"]),
        }
    }

    /// Whether it names the request, were it about this version of the kind.
    fn matches(&self, review: &Review<'_>, kind: &Kind) -> bool {
        self.in_scope(review)
            && names(&self.operations, operation_name(review.operation))
            && names(&self.groups, &kind.group)
            && names(&self.versions, &kind.version)
            && self.resources.iter().any(|resource| is_resource(resource, kind, review.subresource))
            && (self.names.is_empty() || self.names.iter().any(|name| name == review.name))
    }

    fn in_scope(&self, review: &Review<'_>) -> bool {
        let namespaced = !review.kind.strategy.is_namespace && !review.namespace.is_empty();
        match self.scope {
            Scope::All => true,
            Scope::Namespaced => namespaced,
            Scope::Cluster => !namespaced,
            Scope::Unknown => false,
        }
    }
}

/// Kinds that admission itself is configured by: what is written there must not lock the door.
pub fn is_exempt(kind: &Kind) -> bool {
    let exempt = [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    ];
    kind.group == "admissionregistration.k8s.io" && exempt.contains(&kind.kind.as_str())
}

/// The namespace a request counts to; of a namespace it is its own name.
pub fn namespace_of<'a>(review: &Review<'a>) -> &'a str {
    if review.kind.strategy.is_namespace { review.name } else { review.namespace }
}

/// The kind discovery shows for a sub-resource, or the row's own: group, version, kind.
pub fn request_kind<'k>(kind: &'k Kind, subresource: &str) -> (&'k str, &'k str, &'k str) {
    match kind.subresources.iter().find(|sub| sub.name == subresource) {
        Some(sub) if !sub.version.is_empty() => (&sub.group, &sub.version, &sub.kind),
        Some(sub) => (&kind.group, &kind.version, &sub.kind),
        None => (&kind.group, &kind.version, &kind.kind),
    }
}

/// The rows whose objects are stored in the same place.
fn equivalents<'k>(kind: &'k Kind, kinds: &'k Kinds) -> impl Iterator<Item = &'k Arc<Kind>> {
    let same = |row: &&Arc<Kind>| row.stored_group() == kind.stored_group() && row.plural == kind.plural;
    kinds.rows().iter().filter(same)
}

fn no_namespace(name: &str) -> Status {
    let details = serde_json::json!({ "name": name, "kind": "namespaces" });
    Status {
        details: Some(details),
        ..Status::new(404, "NotFound", format!("namespaces {name:?} not found"))
    }
}

/// A missing selector selects everything, as its default does.
fn selector(json: &Value) -> Result<LabelSelector, SelectorError> {
    if json.is_null() { Ok(LabelSelector::everything()) } else { LabelSelector::from_json(Some(json)) }
}

fn rules(json: &Value) -> Vec<Rule> {
    json.as_array().into_iter().flatten().map(Rule::read).collect()
}

fn texts(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
}

fn names(listed: &[String], asked: &str) -> bool {
    listed.iter().any(|name| name == "*" || name == asked)
}

/// `pods`, `pods/status`, `pods/*`, `*` (no sub-resources), `*/*`, `*/scale`.
fn is_resource(pattern: &str, kind: &Kind, subresource: &str) -> bool {
    let (resource, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    (resource == "*" || resource == kind.plural) && (sub == "*" || sub == subresource)
}
