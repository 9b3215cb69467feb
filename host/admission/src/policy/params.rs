//! The objects a binding parametrises its policy with.

use std::sync::Arc;

use orch_object::LabelSelector;
use serde_json::Value;

use super::compiled::{Binding, Policy};
use crate::Cluster;

/// One evaluation for each; `None` is an evaluation without params. Empty: there is nothing to do.
///
/// # Errors
/// In upstream's words, without `failed to configure …`.
pub(super) fn collect(
    policy: &Policy,
    binding: &Binding,
    namespace: &str,
    cluster: &Arc<dyn Cluster>,
) -> Result<Vec<Option<Arc<Value>>>, String> {
    let Some((api_version, kind_name)) = &policy.param_kind else { return Ok(vec![None]) };
    let reference = &binding.param_ref;
    if reference.is_null() {
        return Ok(vec![None]);
    }
    let kinds = cluster.kinds();
    let kind = kinds
        .by_kind(api_version, kind_name)
        .ok_or_else(|| format!("paramKind kind `{api_version}, Kind={kind_name}` not known"))?;
    let given = reference["namespace"].as_str().unwrap_or_default();
    let place = match (kind.namespaced(), given, namespace) {
        (false, "", _) => "",
        (false, _, _) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into());
        }
        (true, "", "") => {
            let why =
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            return Err(why.into());
        }
        (true, "", namespace) => namespace,
        (true, given, _) => given,
    };
    let found: Vec<Arc<Value>> = match reference["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => cluster.get(kind, place, name).into_iter().collect(),
        None => {
            let selector =
                LabelSelector::from_json(reference.get("selector")).map_err(|error| error.to_string())?;
            let all = cluster.list(kind, place).into_iter();
            all.filter(|object| selector.matches_object(object)).collect()
        }
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
    }
    Ok(found.into_iter().map(Some).collect())
}
