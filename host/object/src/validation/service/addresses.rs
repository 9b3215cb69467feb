//! The addresses of Services within the cluster, and their families.

use serde_json::Value;

use super::super::{Errors, Path, ip, is_empty, items, text};
use super::is_headless;

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const FIXED: &str = "may not change once set";

pub(super) fn validate(spec: &Value, path: &Path, errors: &mut Errors) {
    if spec["type"] == "ExternalName" {
        return;
    }
    let (ips, at) = (items(&spec["clusterIPs"]), path.child("clusterIPs"));
    match (is_empty(&spec["clusterIP"]), ips.first()) {
        (false, None) => errors.required(&at, ""),
        (false, Some(first)) if *first != spec["clusterIP"] => {
            errors.invalid(&at, &spec["clusterIPs"], "first value must match `clusterIP`");
        }
        (true, Some(_)) => {
            errors.invalid(&at, &spec["clusterIPs"], "must be empty when `clusterIP` is not specified");
        }
        _ => {}
    }
    validate_families(spec, path, errors);
    let before = errors.len();
    for (index, address) in ips.iter().enumerate() {
        match (index, text(address)) {
            (0, "None") if ips.len() > 1 => {
                errors.invalid(&at, &spec["clusterIPs"], "'None' must be the first and only value");
            }
            (0, "None") => {}
            _ => ip::validate(address, &at.index(index), errors),
        }
    }
    let wrong = errors.len() > before;
    if ips.len() > 2 {
        errors.invalid(&at, &spec["clusterIPs"], "may only hold up to 2 values");
    }
    if !wrong {
        validate_stacks(spec, &at, errors);
    }
}

fn validate_families(spec: &Value, path: &Path, errors: &mut Errors) {
    let (families, at) = (items(&spec["ipFamilies"]), path.child("ipFamilies"));
    for (index, family) in families.iter().enumerate() {
        errors.one_of(&at.index(index), family, &FAMILIES);
        if families[..index].contains(family) {
            errors.duplicate(&at.index(index), family.clone());
        }
    }
    errors.given_one_of(&path.child("ipFamilyPolicy"), &spec["ipFamilyPolicy"], &POLICIES);
}

fn family(address: &Value) -> &'static str {
    if text(address).contains(':') { "IPv6" } else { "IPv4" }
}

/// One address for each family, in the families' order.
fn validate_stacks(spec: &Value, path: &Path, errors: &mut Errors) {
    let ips = items(&spec["clusterIPs"]);
    if let [first, second, ..] = ips
        && family(first) == family(second)
    {
        let detail = "may specify no more than one IP for each IP family";
        errors.invalid(path, &spec["clusterIPs"], detail);
    }
    if is_headless(spec) {
        return;
    }
    for (index, (address, wanted)) in ips.iter().zip(items(&spec["ipFamilies"])).enumerate() {
        let known = FAMILIES.contains(&text(wanted));
        if known && family(address) != text(wanted) {
            let detail = format!("expected an {} value as indicated by `ipFamilies[{index}]`", text(wanted));
            errors.invalid(&path.index(index), address, detail);
        }
    }
}

pub(super) fn validate_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    if spec["type"] == "ExternalName" || old["type"] == "ExternalName" {
        return;
    }
    if !(is_headless(spec) && is_headless(old)) {
        validate_kept(
            spec,
            old,
            "clusterIPs",
            "primary clusterIP can not be unset",
            "clusterIP",
            path,
            errors,
        );
    }
    if !is_headless(spec) && !is_headless(old) {
        validate_kept(spec, old, "ipFamilies", "primary ipFamily can not be unset", "ipFamily", path, errors);
    }
}

/// What is first stays; what is second may come and go.
fn validate_kept(
    spec: &Value,
    old: &Value,
    field: &str,
    unset: &str,
    called: &str,
    path: &Path,
    errors: &mut Errors,
) {
    let (new, before, at) = (items(&spec[field]), items(&old[field]), path.child(field));
    if new.len() == before.len() {
        for index in (0..new.len()).filter(|index| new[*index] != before[*index]) {
            let at = at.index(if field == "clusterIPs" { index } else { 0 });
            errors.shown(&at, &spec[field], FIXED);
        }
        return;
    }
    if new.is_empty() {
        errors.shown(&at.index(0), &spec[field], unset);
    }
    if let (Some(first), Some(was)) = (new.first(), before.first())
        && first != was
    {
        errors.shown(&at.index(0), &spec["clusterIPs"], FIXED);
    }
    if new.len() == 1 && before.len() > 1 && spec["ipFamilyPolicy"] != "SingleStack" {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {called}");
        errors.shown(&path.child("ipFamilyPolicy"), &spec["ipFamilyPolicy"], &detail);
    }
}
