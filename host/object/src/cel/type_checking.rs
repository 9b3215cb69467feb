//! A closer look at a policy's expressions, with the types of the kinds it is about. What it finds is
//! a warning: the policy serves all the same
//! (`apiserver/pkg/admission/plugin/policy/validating/typechecking.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::{Composition, Given, Wanted};
use super::{Fields, Type};
use crate::custom::escaped;
use crate::schema::{Node, ValueType};
use crate::{Kind, Kinds};

/// Kinds of one rule that are looked at.
const MOST_KINDS: usize = 10;

/// `status.typeChecking.expressionWarnings` of a validating policy; empty: nothing was found.
pub fn expression_warnings(policy: &Value, kinds: &Kinds) -> Vec<Value> {
    let about = kinds_of(&policy["spec"]["matchConstraints"], kinds);
    let validations = policy["spec"]["validations"].as_array().into_iter().flatten().enumerate();
    let fields = ["expression", "messageExpression"];
    let expressions = validations.flat_map(|(index, validation)| {
        fields.map(|field| (format!("spec.validations[{index}].{field}"), &validation[field]))
    });
    let written = expressions.filter(|(_, text)| text.as_str().is_some_and(|text| !text.is_empty()));
    written
        .filter_map(|(field, text)| {
            let warnings: Vec<String> =
                about.iter().filter_map(|kind| warning(policy, kind, kinds, text.as_str()?)).collect();
            let warning = json!({ "fieldRef": field, "warning": warnings.join("\n") });
            (!warnings.is_empty()).then_some(warning)
        })
        .collect()
}

/// The kinds that the rules name; wildcards are not followed.
fn kinds_of<'k>(constraints: &Value, kinds: &'k Kinds) -> Vec<&'k Arc<Kind>> {
    let mut found: BTreeMap<(&str, &str, &str), &Arc<Kind>> = BTreeMap::new();
    for rule in constraints["resourceRules"].as_array().into_iter().flatten() {
        let names = |field: &str| -> Vec<&str> {
            rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let (groups, versions, resources) = (names("apiGroups"), names("apiVersions"), names("resources"));
        if groups.iter().chain(&versions).any(|name| name.contains('*')) {
            continue;
        }
        let named = kinds.rows().iter().filter(|kind| {
            groups.contains(&kind.group.as_str())
                && versions.contains(&kind.version.as_str())
                && resources.contains(&kind.plural.as_str())
        });
        found.extend(named.take(MOST_KINDS).map(|kind| ((&*kind.group, &*kind.version, &*kind.kind), kind)));
    }
    found.into_values().collect()
}

fn warning(policy: &Value, kind: &Arc<Kind>, kinds: &Kinds, text: &str) -> Option<String> {
    let spec = &policy["spec"];
    let param_kind = &spec["paramKind"];
    let params = kinds.by_kind(
        param_kind["apiVersion"].as_str().unwrap_or_default(),
        param_kind["kind"].as_str().unwrap_or_default(),
    );
    let given = Given { params: !param_kind.is_null(), authorizer: true };
    let mut composition = Composition::typed(object_type(kind)?, params.and_then(object_type));
    for variable in spec["variables"].as_array().into_iter().flatten() {
        let of = |field: &str| variable[field].as_str().unwrap_or_default();
        // What is wrong with a variable shows where it is used.
        drop(composition.declare(of("name"), of("expression"), given));
    }
    let why = composition.compile(text, given, Wanted::Anything).err()?;
    Some(format!("{}, Kind={}: {why}\n", kind.api_version(), kind.kind))
}

/// The type of a kind's objects; `None`: there is no schema.
fn object_type(kind: &Arc<Kind>) -> Option<Type> {
    let root = Place { kind: kind.clone(), name: kind.kind.clone(), path: Vec::new() };
    root.node().and_then(|node| root.of(node))
}

/// A place within a kind's objects. Its node is found again each time: it borrows from the kind.
#[derive(Debug, Clone)]
struct Place {
    kind: Arc<Kind>,
    /// Tells it from other places.
    name: String,
    path: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Items,
    Values,
}

impl Place {
    fn node(&self) -> Option<Node<'_>> {
        self.path.iter().try_fold(self.kind.node()?, |node, step| match step {
            Step::Field(name) => node.named_field(name).map(|(_, node)| node),
            Step::Items => node.items(),
            Step::Values => node.values(),
        })
    }

    fn below(&self, step: Step, name: &str) -> Place {
        let path = self.path.iter().cloned().chain([step]).collect();
        Place { kind: self.kind.clone(), name: format!("{}.{name}", self.name), path }
    }

    /// The type of what stands here.
    fn of(&self, node: Node<'_>) -> Option<Type> {
        Some(match node.value_type() {
            ValueType::Array => {
                let items = node.items()?;
                Type::list(self.below(Step::Items, "@idx").of(items)?)
            }
            ValueType::Map => match node.values() {
                Some(values) => Type::map(Type::String, self.below(Step::Values, "@elem").of(values)?),
                None => Type::Dyn,
            },
            ValueType::Object if node.fields().next().is_none() => Type::Dyn,
            ValueType::Object => Type::Object(Arc::new(self.clone())),
            ValueType::Integer => Type::Int,
            ValueType::Number => Type::Double,
            ValueType::Boolean => Type::Bool,
            ValueType::Time | ValueType::MicroTime => Type::Timestamp,
            ValueType::String | ValueType::Quantity => Type::String,
            ValueType::Bytes => Type::Bytes,
            _ => Type::Dyn,
        })
    }
}

impl Fields for Place {
    fn name(&self) -> &str {
        &self.name
    }

    fn field(&self, name: &str) -> Option<Type> {
        let node = self.node()?;
        if node.preserves_unknown() {
            return Some(Type::Dyn);
        }
        let (field, child) = match node.named_field(name) {
            Some(found) => found,
            None => node.fields().find(|(field, _)| escaped(field) == name)?,
        };
        Some(self.below(Step::Field(field.to_owned()), field).of(child).unwrap_or(Type::Dyn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(resources: &[&str], spec: Value) -> Vec<(String, String)> {
        let mut policy = json!({ "spec": spec });
        policy["spec"]["matchConstraints"] = json!({ "resourceRules": [
            { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": resources },
        ] });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        expression_warnings(&policy, &Kinds::builtin())
            .iter()
            .map(|warning| (text(&warning["fieldRef"]), text(&warning["warning"])))
            .collect()
    }

    #[test]
    fn fields_and_types_of_the_kinds_are_known() {
        let good = json!({ "validations": [
            { "expression": "object.spec.replicas > 1 && object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z')" },
            { "expression": "object.spec.template.spec.containers.all(c, c.image.startsWith('a') && has(c.resources.limits))" },
            { "expression": "object.metadata.labels['a'] == 'b'", "messageExpression": "object.metadata.name" },
        ] });
        assert_eq!(warnings(&["deployments"], good), []);
        let found = warnings(
            &["deployments", "statefulsets"],
            json!({ "validations": [
                { "expression": "object.spec.replicas > '1'" },
                { "expression": "object.foo < 5", "messageExpression": "object.spec.replicas.nothing()" },
            ] }),
        );
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.validations[0].expression",
                "spec.validations[1].expression",
                "spec.validations[1].messageExpression"
            ]
        );
        let (_, warning) = &found[1];
        let one = |kind: &str| {
            format!(
                "apps/v1, Kind={kind}: compilation failed: ERROR: <input>:1:7: undefined field 'foo'\n | object.foo < 5\n | ......^\n"
            )
        };
        assert_eq!(*warning, format!("{}\n{}", one("Deployment"), one("StatefulSet")));
    }

    #[test]
    fn variables_carry_their_types_and_wildcards_are_left_alone() {
        let spec = json!({
            "variables": [{ "name": "replicas", "expression": "object.spec.replicas" }],
            "validations": [{ "expression": "variables.replicas == 'x'" }],
        });
        assert!(warnings(&["deployments"], spec.clone())[0].1.contains("'(int, string)'"));
        assert_eq!(warnings(&["*"], spec), []);
    }
}
