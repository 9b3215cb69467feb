//! Workloads that stay.

use serde_json::Value;

use super::pod::defaults::default_template;
use super::{PLAIN, WITH_STATUS, default_to, drop_status, each, ensure, part, restore, restore_status};
use crate::kind::Strategy;
use crate::validation::pod::warnings;
use crate::validation::{self, Path, items};

pub(crate) const DEPLOYMENT: Strategy = Strategy {
    default: default_deployment,
    prepare_create: drop_status,
    prepare_update: restore_status,
    reset_by_status: &["spec", "metadata.labels"],
    validate: validation::workload::validate_deployment,
    // The labels stay with the template's author.
    prepare_part: |new, old, _, _| {
        if let Some(metadata) = part(new, "metadata") {
            restore(metadata, &old["metadata"], "labels");
        }
    },
    validate_part: Some(validation::workload::validate_deployment_part),
    warn: warn_of_replicas,
    ..PLAIN
};

pub(crate) const REPLICA_SET: Strategy = Strategy {
    default: default_replica_set,
    prepare_create: drop_status,
    prepare_update: restore_status,
    validate: validation::workload::validate_replica_set,
    validate_part: Some(validation::workload::validate_replicas_part),
    warn: warn_of_replicas,
    ..PLAIN
};

pub(crate) const DAEMON_SET: Strategy = Strategy {
    default: default_daemon_set,
    prepare_create: |set| {
        drop_status(set);
        set_template_generation(set, 1);
    },
    prepare_update: count_templates,
    validate: validation::workload::validate_daemon_set,
    validate_part: Some(validation::workload::validate_daemon_set_part),
    warn: |set, old| match old {
        Some(old) if old["spec"]["template"] == set["spec"]["template"] => Vec::new(),
        _ => warn_of_template(set),
    },
    ..WITH_STATUS
};

pub(crate) const STATEFUL_SET: Strategy = Strategy {
    default: default_stateful_set,
    validate: validation::workload::validate_stateful_set,
    validate_part: Some(validation::workload::validate_stateful_set_part),
    warn: warn_of_stateful_set,
    ..WITH_STATUS
};

pub(crate) const REPLICATION_CONTROLLER: Strategy = Strategy {
    default: default_replication_controller,
    validate: validation::workload::validate_replication_controller,
    validate_part: Some(validation::workload::validate_replicas_part),
    warn: warn_of_replicas,
    ..WITH_STATUS
};

pub(crate) const CONTROLLER_REVISION: Strategy =
    Strategy { validate: validation::workload::validate_controller_revision, ..PLAIN };

pub(crate) const POD_TEMPLATE: Strategy = Strategy {
    default: |object| {
        if let Some(template) = part(object, "template") {
            default_template(template);
        }
    },
    validate: validation::workload::validate_pod_template,
    warn: |object, old| match old {
        Some(old) if old["template"] == object["template"] => Vec::new(),
        _ => warnings::of_template(&object["template"], &Path::new("template")),
    },
    ..PLAIN
};

/// Of a new object's name and template, of a changed one's template.
fn warn_of_replicas(object: &Value, old: Option<&Value>) -> Vec<String> {
    match old {
        None => [warnings::of_owner_name(object), warn_of_template(object)].concat(),
        Some(old) if old["spec"] != object["spec"] => warn_of_template(object),
        Some(_) => Vec::new(),
    }
}

fn warn_of_template(object: &Value) -> Vec<String> {
    warnings::of_template(&object["spec"]["template"], &Path::new("spec").child("template"))
}

fn warn_of_stateful_set(set: &Value, old: Option<&Value>) -> Vec<String> {
    let mut found = match old {
        Some(old) if old["spec"] == set["spec"] => Vec::new(),
        _ => warn_of_template(set),
    };
    let at = Path::new("spec").child("volumeClaimTemplates");
    for (index, claim) in items(&set["spec"]["volumeClaimTemplates"]).iter().enumerate() {
        let at = at.index(index);
        // Of a change upstream names it as Go does.
        let at = if old.is_some() { at.child("Spec") } else { at };
        found.extend(warnings::of_claim(&claim["spec"], &at));
    }
    if set["spec"]["revisionHistoryLimit"].as_i64().is_some_and(|limit| limit < 0) {
        found.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is \
             recommended"
                .into(),
        );
    }
    found
}

/// Counts the templates a DaemonSet has had; all that is left of a field of older versions.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn count_templates(new: &mut Value, old: &Value) {
    restore_status(new, old);
    let before = old["metadata"]["annotations"][TEMPLATE_GENERATION].as_str();
    let before: i64 = before.and_then(|count| count.parse().ok()).unwrap_or(0);
    let changed = new["spec"]["template"] != old["spec"]["template"];
    set_template_generation(new, before + i64::from(changed));
}

fn set_template_generation(set: &mut Value, generation: i64) {
    let annotations = ensure(set, "metadata").and_then(|metadata| ensure(metadata, "annotations"));
    if let Some(annotations) = annotations {
        annotations[TEMPLATE_GENERATION] = generation.to_string().into();
    }
}

fn default_daemon_set(set: &mut Value) {
    if set["metadata"]["annotations"][TEMPLATE_GENERATION].is_null() {
        set_template_generation(set, 0);
    }
    let Some(spec) = ensure(set, "spec") else { return };
    default_to(spec, "revisionHistoryLimit", 10);
    if let Some(strategy) = ensure(spec, "updateStrategy") {
        default_to(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = ensure(strategy, "rollingUpdate")
        {
            default_to(rolling, "maxUnavailable", 1);
            default_to(rolling, "maxSurge", 0);
        }
    }
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

fn default_stateful_set(set: &mut Value) {
    let Some(spec) = ensure(set, "spec") else { return };
    default_to(spec, "podManagementPolicy", "OrderedReady");
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    if let Some(strategy) = ensure(spec, "updateStrategy") {
        if strategy["type"].is_null() {
            default_to(strategy, "type", "RollingUpdate");
            ensure(strategy, "rollingUpdate");
        }
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = part(strategy, "rollingUpdate")
        {
            default_to(rolling, "partition", 0);
            default_to(rolling, "maxUnavailable", 1);
        }
    }
    if let Some(retention) = ensure(spec, "persistentVolumeClaimRetentionPolicy") {
        default_to(retention, "whenDeleted", "Retain");
        default_to(retention, "whenScaled", "Retain");
    }
    for claim in each(spec, "volumeClaimTemplates") {
        default_to(claim, "apiVersion", "v1");
        default_to(claim, "kind", "PersistentVolumeClaim");
        super::storage::default_claim(claim);
    }
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

/// The template's labels stand in for a missing selector and missing labels.
fn default_replication_controller(controller: &mut Value) {
    let labels = controller["spec"]["template"]["metadata"]["labels"].clone();
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        for (part, field) in [("spec", "selector"), ("metadata", "labels")] {
            let Some(Value::Object(fields)) = ensure(controller, part) else { continue };
            if fields.get(field).and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
                fields.insert(field.into(), labels.clone());
            }
        }
    }
    let Some(spec) = ensure(controller, "spec") else { return };
    default_to(spec, "replicas", 1);
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

fn default_deployment(deployment: &mut Value) {
    let Some(spec) = ensure(deployment, "spec") else { return };
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    default_to(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = ensure(spec, "strategy") {
        default_to(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = ensure(strategy, "rollingUpdate")
        {
            default_to(rolling, "maxUnavailable", "25%");
            default_to(rolling, "maxSurge", "25%");
        }
    }
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}

fn default_replica_set(replica_set: &mut Value) {
    let Some(spec) = ensure(replica_set, "spec") else { return };
    default_to(spec, "replicas", 1);
    if let Some(template) = part(spec, "template") {
        default_template(template);
    }
}
