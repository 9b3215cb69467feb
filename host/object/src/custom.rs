//! Kinds that come at run time: a CustomResourceDefinition becomes rows of the table, one for each
//! served version. What hooks do for built-in kinds, the version's schema does for these.

mod columns;
mod complete;
mod default;
mod expression;
mod format;
mod keywords;
mod path;
mod prune;
mod rules;
mod scale;
mod schema;
pub(crate) mod structural;
mod validate;

pub mod names;

use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) use expression::escaped;
pub(crate) use format::matches as matches_format;
pub use path::FieldPath;
pub use scale::ScalePath;
use serde_json::{Value, json};

use crate::client_config::ClientConfig;
use crate::kind::{Kind, Scope, Subresource};
use crate::schema::{Decoded, Schemas, decode};
use crate::status::{FieldError, FieldErrorKind};
use crate::strategy::PLAIN;
use crate::validation::metadata::validate_custom;

/// Upstream's name of a custom resource's root in messages and managed fields has none of this; it only
/// keeps definitions of the table apart.
const EVERY_OBJECT: &str = "dev.orch.EveryObject";

/// What the row of a custom resource has beside its data.
#[derive(Debug)]
pub struct Custom {
    schema: schema::Schema,
    /// For patches, apply and field selectors.
    schemas: Schemas,
    /// The definition as OpenAPI shows it.
    openapi: Value,
    /// The `apiVersion` under which instances are stored.
    pub stored_as: String,
    pub scale: Option<Scale>,
    /// Who shows instances stored under another version.
    webhook: Option<ConversionWebhook>,
    /// The definition is being deleted: nothing new is made.
    pub terminating: bool,
    fingerprint: u64,
}

/// `spec.conversion.webhook` of a definition.
#[derive(Debug)]
pub struct ConversionWebhook {
    pub client: ClientConfig,
    /// Versions of ConversionReview that it understands.
    pub versions: Vec<String>,
    /// Another definition, or another webhook of the same, has another.
    pub fingerprint: u64,
}

/// Where the fields of `autoscaling/v1` Scale are found.
#[derive(Debug)]
pub struct Scale {
    pub spec_replicas: ScalePath,
    pub status_replicas: ScalePath,
    pub label_selector: Option<ScalePath>,
}

/// Why a definition has no rows, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    #[error("its names are not accepted")]
    NamesNotAccepted,
    #[error("it has no storage version")]
    NoStorageVersion,
}

/// The rows of a definition, its preferred version first.
pub fn rows(definition: &Value) -> Result<Vec<Kind>, NotServed> {
    if !names::is_accepted(definition) {
        return Err(NotServed::NamesNotAccepted);
    }
    let versions = schema::list(&definition["spec"]["versions"]);
    let stored = versions.iter().find(|version| version["storage"] == true);
    let stored = stored.and_then(|version| version["name"].as_str()).ok_or(NotServed::NoStorageVersion)?;
    let mut served: Vec<&Value> = versions.iter().filter(|version| version["served"] == true).collect();
    served.sort_by_key(|version| names::VersionRank::of(text(&version["name"])));
    Ok(served.into_iter().map(|version| row(definition, version, stored)).collect())
}

/// The row under which a definition's instances are stored, served or not.
pub fn stored_row(definition: &Value) -> Option<Kind> {
    let versions = schema::list(&definition["spec"]["versions"]);
    let stored = versions.iter().find(|version| version["storage"] == true)?;
    // Names never accepted were never served: there is no instance.
    let plural = text(&definition["status"]["acceptedNames"]["plural"]);
    (!plural.is_empty()).then(|| row(definition, stored, text(&stored["name"])))
}

fn row(definition: &Value, version: &Value, stored: &str) -> Kind {
    let spec = &definition["spec"];
    let accepted = &definition["status"]["acceptedNames"];
    let (group, name) = (text(&spec["group"]), text(&version["name"]));
    let kind = text(&accepted["kind"]);
    let root = definition_name(group, name, kind);
    Kind {
        group: group.into(),
        version: name.into(),
        kind: kind.into(),
        list_kind: text(&accepted["listKind"]).into(),
        plural: text(&accepted["plural"]).into(),
        singular: text(&accepted["singular"]).into(),
        scope: if spec["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
        short_names: texts(&accepted["shortNames"]),
        categories: texts(&accepted["categories"]),
        // In upstream's order, which discovery shows.
        verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            .map(String::from)
            .into(),
        subresources: subresources(group, name, kind, &version["subresources"]),
        columns: columns::columns(&version["additionalPrinterColumns"]),
        selectable_fields: schema::list(&version["selectableFields"])
            .iter()
            .map(|field| text(&field["jsonPath"]).trim_start_matches('.').to_owned())
            .collect(),
        schema: root.clone(),
        has_generation: true,
        strategy: PLAIN,
        conversion: None,
        custom: Some(std::sync::Arc::new(custom(definition, version, stored, &root))),
    }
}

fn custom(definition: &Value, version: &Value, stored: &str, root: &str) -> Custom {
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut hasher = DefaultHasher::new();
    version.to_string().hash(&mut hasher);
    definition["spec"]["names"].to_string().hash(&mut hasher);
    Custom {
        schema: schema::Schema::parse(schema),
        schemas: Schemas::custom_resource(root, schema),
        openapi: crate::schema::with_object_fields(schema),
        stored_as: format!("{}/{stored}", text(&definition["spec"]["group"])),
        scale: scale(&version["subresources"]["scale"]),
        webhook: conversion_webhook(definition),
        terminating: definition["metadata"]["deletionTimestamp"].is_string(),
        fingerprint: hasher.finish(),
    }
}

fn conversion_webhook(definition: &Value) -> Option<ConversionWebhook> {
    let conversion = &definition["spec"]["conversion"];
    if conversion["strategy"] != "Webhook" {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    definition["metadata"]["uid"].to_string().hash(&mut hasher);
    definition["metadata"]["generation"].to_string().hash(&mut hasher);
    Some(ConversionWebhook {
        client: ClientConfig::parse(&conversion["webhook"]["clientConfig"]),
        versions: texts(&conversion["webhook"]["conversionReviewVersions"]),
        fingerprint: hasher.finish(),
    })
}

fn scale(json: &Value) -> Option<Scale> {
    Some(Scale {
        spec_replicas: ScalePath::parse(json["specReplicasPath"].as_str()?),
        status_replicas: ScalePath::parse(json["statusReplicasPath"].as_str()?),
        label_selector: json["labelSelectorPath"].as_str().map(ScalePath::parse),
    })
}

fn subresources(group: &str, version: &str, kind: &str, json: &Value) -> Vec<Subresource> {
    let part = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs: ["get", "patch", "update"].map(String::from).into(),
    };
    let mut parts = Vec::new();
    if json["status"].is_object() {
        parts.push(part("status", group, version, kind));
    }
    if json["scale"].is_object() {
        parts.push(part("scale", "autoscaling", "v1", "Scale"));
    }
    parts
}

/// `com.example.v1.Widget`: as upstream names it in OpenAPI.
fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a column's path can be read.
pub(crate) fn is_json_path(path: &str) -> bool {
    columns::json_path(path).is_some()
}

fn texts(value: &Value) -> Vec<String> {
    schema::list(value).iter().map(|item| text(item).to_owned()).collect()
}

impl Custom {
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    pub fn webhook(&self) -> Option<&ConversionWebhook> {
        self.webhook.as_ref()
    }

    pub(crate) fn openapi(&self) -> &Value {
        &self.openapi
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn default(&self, object: &mut Value) {
        default::default(&self.schema, object);
    }

    /// Metadata is decoded as of every kind; what the schema does not know is dropped and named.
    pub fn decode(&self, object: &mut Value) -> Decoded {
        let mut decoded = match every_object().root(EVERY_OBJECT) {
            Some(node) => decode(node, object),
            None => Decoded::default(),
        };
        let dropped = prune::prune(&self.schema, object);
        decoded.unknown.extend(dropped.into_iter().map(|path| format!("unknown field \"{path}\"")));
        decoded
    }

    /// What was stored, as this version shows it: under its name, without what its schema has dropped
    /// since, with the defaults it has got. `None`: nothing to change.
    pub(crate) fn present(&self, object: &Value, api_version: &str) -> Option<Value> {
        if object["apiVersion"] == api_version && complete::is_complete(&self.schema, object, true) {
            return None;
        }
        let mut shown = object.clone();
        shown["apiVersion"] = api_version.into();
        prune::prune(&self.schema, &mut shown);
        self.default(&mut shown);
        (shown != *object).then_some(shown)
    }

    pub(crate) fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut errors = validate_custom(object, old);
        let mut found = Vec::new();
        validate::validate(&self.schema, object, "", &mut found);
        if let Some(old) = old {
            ratchet(&self.schema, &mut found, object, old);
        }
        if let Some(scale) = &self.scale {
            found.extend(scale.validate(object));
        }
        match self.schema.has_rules && found.iter().any(blocks_rules) {
            true => found.push(FieldError::invalid("<nil>", Value::Null, RULES_NOT_CHECKED)),
            false => found.extend(rules::evaluate(&self.schema, object, old)),
        }
        errors.extend(found);
        errors
    }
}

const RULES_NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Rules expect values of the types and sizes that their schema promises.
fn blocks_rules(error: &FieldError) -> bool {
    match error.kind {
        FieldErrorKind::Required
        | FieldErrorKind::NotSupported
        | FieldErrorKind::TooLong
        | FieldErrorKind::TooMany
        | FieldErrorKind::TypeInvalid => true,
        FieldErrorKind::Invalid
        | FieldErrorKind::Duplicate
        | FieldErrorKind::Forbidden
        | FieldErrorKind::NotFound => false,
    }
}

/// What was wrong before and has not been touched is not held against an update.
fn ratchet(schema: &schema::Schema, found: &mut Vec<FieldError>, new: &Value, old: &Value) {
    if found.is_empty() {
        return;
    }
    let mut before = Vec::new();
    validate::validate(schema, old, "", &mut before);
    found.retain(|error| {
        let path = FieldPath::parse(&error.field);
        let untouched = !error.field.is_empty() && path.get(new) == path.get(old) && path.get(new).is_some();
        !(untouched && before.contains(error))
    });
}

/// The schema of `metadata`, everything else being left alone.
fn every_object() -> &'static Schemas {
    static SCHEMAS: std::sync::OnceLock<Schemas> = std::sync::OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        Schemas::custom_resource(EVERY_OBJECT, &open)
    })
}

#[cfg(test)]
mod tests;
