//! Names and amounts of resources (`pkg/apis/core/helper`).

use serde_json::Value;

use super::{Errors, NOT_NEGATIVE, Path};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const HUGE_PAGES: &str = "hugepages-";
/// Kubernetes' own names of what is measured.
const MEASURED: [&str; 11] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "storage",
    "requests.storage",
];
/// And of what is counted: whole amounts alone.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(crate) fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

fn is_standard(name: &str) -> bool {
    MEASURED.contains(&name) || COUNTED.contains(&name)
}

/// Kubernetes' own, rather than a vendor's.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

pub(crate) fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// Of a quota, but for `count/…` and the like, which have a slash.
pub(crate) fn is_of_quotas(name: &str) -> bool {
    let huge = is_huge_page(name) || name.starts_with("requests.hugepages-");
    huge || (name != "storage" && is_standard(name))
}

pub(crate) fn validate_name(name: &str, path: &Path, errors: &mut Errors) {
    let found = names::qualified_name(name);
    let huge = is_huge_page(name) || name.starts_with("requests.hugepages-");
    if found.is_empty() && !name.contains('/') && !huge && !is_standard(name) {
        errors.invalid(path, &name.into(), "must be a standard resource type or fully qualified");
    }
    for message in found {
        errors.invalid(path, &name.into(), message);
    }
}

pub(crate) fn validate_container_name(name: &str, path: &Path, errors: &mut Errors) {
    validate_name(name, path, errors);
    if !name.contains('/') {
        if !OF_CONTAINERS.contains(&name) && !is_huge_page(name) {
            errors.invalid(path, &name.into(), "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, &name.into(), "doesn't follow extended resource name standard");
    }
}

/// Of the pod as a whole.
pub(crate) fn validate_pod_name(name: &str, path: &Path, errors: &mut Errors) {
    let before = errors.len();
    validate_name(name, path, errors);
    let supported = name == "cpu" || name == "memory" || is_huge_page(name);
    if errors.len() == before && !supported {
        errors.push(FieldError::not_listed(path.as_str(), name, &["cpu", "hugepages-", "memory"]));
    }
}

pub(crate) fn validate_quota_name(name: &str, path: &Path, errors: &mut Errors) {
    validate_name(name, path, errors);
    if !name.contains('/') && !is_of_quotas(name) {
        errors.invalid(path, &name.into(), "must be a standard resource for quota");
    }
}

pub(crate) fn validate_amount(name: &str, amount: &Value, path: &Path, errors: &mut Errors) {
    let Ok(quantity) = Quantity::from_json(amount) else { return };
    if quantity < Quantity::ZERO {
        errors.invalid(path, amount, NOT_NEGATIVE);
    }
    if (COUNTED.contains(&name) || is_extended(name)) && quantity.is_fractional() {
        errors.invalid(path, amount, "must be an integer");
    }
}

/// Whole pages only.
pub(crate) fn validate_pages(name: &str, amount: &Value, path: &Path, errors: &mut Errors) {
    let Some(size) = name.strip_prefix(HUGE_PAGES) else { return };
    let (Ok(size), Ok(quantity)) = (size.parse::<Quantity>(), Quantity::from_json(amount)) else { return };
    if size.value() <= 0 || quantity.value() % size.value() != 0 {
        errors.invalid(path, amount, format!("{quantity} is not positive integer multiple of {name}"));
    }
}

pub(crate) fn validate_positive(amount: &Value, path: &Path, errors: &mut Errors) {
    if Quantity::from_json(amount).is_ok_and(|amount| amount <= Quantity::ZERO) {
        errors.invalid(path, amount, "must be greater than zero");
    }
}

pub(crate) fn entries(list: &Value) -> impl Iterator<Item = (&String, &Value)> {
    list.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_their_places() {
        let found = |rule: fn(&str, &Path, &mut Errors), name: &str| {
            let mut errors = Errors::default();
            rule(name, &Path::new("x"), &mut errors);
            errors.into_vec().into_iter().map(|error| error.detail).collect::<Vec<_>>()
        };
        let (standard, container) = (
            "must be a standard resource type or fully qualified",
            "must be a standard resource for containers",
        );
        assert_eq!(found(validate_container_name, "foo"), [standard, container]);
        assert_eq!(found(validate_container_name, "pods"), [container]);
        for good in ["cpu", "hugepages-2Mi", "example.com/gpu"] {
            assert!(found(validate_container_name, good).is_empty(), "{good}");
        }
        assert_eq!(found(validate_quota_name, "storage"), ["must be a standard resource for quota"]);
        assert!(found(validate_quota_name, "count/pods").is_empty());
        assert_eq!(
            found(validate_pod_name, "pods"),
            ["supported values: \"cpu\", \"hugepages-\", \"memory\""]
        );
    }
}
