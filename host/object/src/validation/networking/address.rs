//! The addresses of Services: IPAddresses and the ranges they are taken from.

use serde_json::{Value, json};

use crate::names;
use crate::status::FieldError;
use crate::validation::network::{Network, validate_canonical, validate_canonical_address};
use crate::validation::{Errors, IMMUTABLE, Path, items, metadata, text};

/// An IPAddress is named after the address.
pub(crate) fn validate_address(address: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(address, old, canonical, &mut errors);
    let (path, parent) = (Path::new("spec").child("parentRef"), &address["spec"]["parentRef"]);
    if !parent.is_object() {
        errors.required(&path, "");
        return errors.into_vec();
    }
    if !text(&parent["group"]).is_empty() {
        errors.rule(&path.child("group"), text(&parent["group"]), names::dns1123_subdomain);
    }
    for field in ["resource", "name"] {
        match text(&parent[field]) {
            "" => errors.required(&path.child(field), ""),
            name => errors.rule(&path.child(field), name, names::path_segment),
        }
    }
    errors.rule(&path.child("namespace"), text(&parent["namespace"]), names::path_segment);
    if let Some(old) = old {
        errors.immutable(&path, parent, &old["spec"]["parentRef"]);
    }
    errors.into_vec()
}

/// Why text is no address in its canonical form.
fn canonical(text: &str) -> Vec<String> {
    let mut errors = Errors::default();
    validate_canonical_address(&text.into(), &Path::new(""), &mut errors);
    errors.into_vec().into_iter().map(|error| error.detail).collect()
}

pub(crate) fn validate_range(range: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(range, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec").child("cidrs");
    let (given, before) = (&range["spec"]["cidrs"], old.map(|old| items(&old["spec"]["cidrs"])));
    let new = items(given);
    match before {
        None => validate_cidrs(given, &path, &mut errors),
        // A second family may be added.
        Some(old) if old.len() == new.len() || (old.len(), new.len()) == (1, 2) => {
            let changed = old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
            for (index, (_, new)) in changed {
                errors.invalid(&path.index(index), new, IMMUTABLE);
            }
            if old.len() != new.len() {
                validate_cidrs(given, &path, &mut errors);
            }
        }
        Some(_) => errors.push(FieldError::invalid(path.as_str(), given.clone(), IMMUTABLE)),
    }
    errors.into_vec()
}

fn validate_cidrs(given: &Value, path: &Path, errors: &mut Errors) {
    let cidrs = items(given);
    match cidrs.len() {
        0 => return errors.required(path, "at least one CIDR required"),
        1 | 2 => {}
        _ => return errors.invalid(path, &json!({ "CIDRs": given }), "may only hold up to 2 values"),
    }
    for (index, range) in cidrs.iter().enumerate() {
        validate_canonical(range, &path.index(index), errors);
    }
    let families: Vec<bool> = cidrs
        .iter()
        .filter_map(|range| Network::parse(text(range)))
        .map(|range| range.address.is_ipv4())
        .collect();
    if families.len() == 2 && families[0] == families[1] {
        let detail =
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(path, given, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
    }

    fn range(cidrs: &[&str]) -> Value {
        json!({ "metadata": { "name": "r" }, "spec": { "cidrs": cidrs } })
    }

    #[test]
    fn ranges_are_canonical_and_of_different_families() {
        for good in [&["10.0.0.0/16"][..], &["0.0.0.0/0"], &["10.0.0.0/16", "2001:db8::/64"]] {
            assert_eq!(details(validate_range(&range(good), None)), [""; 0], "{good:?}");
        }
        let wrong = |cidrs: &[&str]| details(validate_range(&range(cidrs), None));
        assert_eq!(wrong(&[]), ["spec.cidrs: at least one CIDR required"]);
        assert_eq!(
            wrong(&["10.0.0.0/33"]),
            ["spec.cidrs[0]: must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
        );
        assert_eq!(
            wrong(&["10.0.0.1/16"]),
            ["spec.cidrs[0]: must not have bits set beyond the prefix length"]
        );
        assert!(wrong(&["10.0.0.0/16", "10.1.0.0/16"])[0].contains("no more than one IP for each IP family"));
        assert_eq!(wrong(&["10.0.0.0/16"; 3]), ["spec.cidrs: may only hold up to 2 values"]);
    }

    #[test]
    fn a_range_grows_by_a_family_and_changes_in_no_other_way() {
        let old = range(&["10.0.0.0/16"]);
        assert_eq!(validate_range(&range(&["10.0.0.0/16", "fd00::/108"]), Some(&old)), []);
        assert_eq!(
            details(validate_range(&range(&["10.1.0.0/16"]), Some(&old))),
            ["spec.cidrs[0]: field is immutable"]
        );
        assert_eq!(details(validate_range(&range(&[]), Some(&old))), ["spec.cidrs: field is immutable"]);
    }

    #[test]
    fn an_address_is_named_by_itself_and_says_whose_it_is() {
        let address = |name: &str, parent: Value| json!({ "metadata": { "name": name }, "spec": { "parentRef": parent } });
        let parent = json!({ "resource": "services", "name": "s", "namespace": "n" });
        assert_eq!(validate_address(&address("10.0.0.7", parent.clone()), None), []);
        assert_eq!(
            details(validate_address(&address("x", parent.clone()), None)),
            ["metadata.name: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
        );
        assert_eq!(
            details(validate_address(&address("::0:1", parent), None)),
            ["metadata.name: must be in canonical form (\"::1\")"]
        );
        assert_eq!(details(validate_address(&address("::1", Value::Null), None)), ["spec.parentRef: "]);
    }
}
