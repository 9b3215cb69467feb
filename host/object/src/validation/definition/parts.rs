//! The parts of a version: its schema, sub-resources, columns and fields for selectors.

use serde_json::Value;

use crate::custom::structural;
use crate::validation::{Errors, Path, items, text};

const NO_PATH: &str = "must be a simple json path starting with .";

pub(super) fn has_schema(version: &Value) -> bool {
    version["schema"]["openAPIV3Schema"].is_object()
}

/// `has_status`: instances have a `status` of their own.
pub(super) fn validate_part(
    field: &str,
    version: &Value,
    has_status: bool,
    path: &Path,
    errors: &mut Errors,
) {
    let part = &version[field];
    match field {
        "schema" if has_schema(version) => {
            let at = path.child("openAPIV3Schema");
            structural::validate_schema(&part["openAPIV3Schema"], has_status, &at, errors);
        }
        "subresources" => validate_scale(&part["scale"], &path.child("scale"), errors),
        "additionalPrinterColumns" => {
            for (index, column) in items(part).iter().enumerate() {
                validate_column(column, &path.index(index), errors);
            }
        }
        "selectableFields" => validate_selectable(version, path, errors),
        _ => {}
    }
}

fn validate_selectable(version: &Value, path: &Path, errors: &mut Errors) {
    let schema = &version["schema"]["openAPIV3Schema"];
    for (index, field) in items(&version["selectableFields"]).iter().enumerate() {
        let at = path.index(index).child("jsonPath");
        let place = text(&field["jsonPath"])
            .split('.')
            .skip(1)
            .try_fold(schema, |schema, name| schema["properties"].get(name));
        match place {
            _ if text(&field["jsonPath"]).is_empty() => errors.required(&at, ""),
            None => {
                errors.invalid(&at, &field["jsonPath"], "is an invalid path: does not refer to a valid field")
            }
            Some(place) if !matches!(place["type"].as_str(), Some("string" | "boolean" | "integer")) => {
                errors.invalid(&at, &field["jsonPath"], "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
            }
            Some(_) => {}
        }
    }
}

fn validate_scale(scale: &Value, path: &Path, errors: &mut Errors) {
    if !scale.is_object() {
        return;
    }
    let rules: [(&str, &[&str], &str); 3] = [
        ("specReplicasPath", &[".spec."], "should be a json path under .spec"),
        ("statusReplicasPath", &[".status."], "should be a json path under .status"),
        ("labelSelectorPath", &[".spec.", ".status."], "should be a json path under either .spec or .status"),
    ];
    for (field, prefixes, detail) in rules {
        let at = path.child(field);
        match text(&scale[field]) {
            "" if field == "labelSelectorPath" => {}
            "" => errors.required(&at, ""),
            given if !given.starts_with('.') => errors.invalid(&at, &scale[field], NO_PATH),
            given if !prefixes.iter().any(|prefix| given.starts_with(prefix)) => {
                errors.invalid(&at, &scale[field], detail);
            }
            _ => {}
        }
    }
}

fn validate_column(column: &Value, path: &Path, errors: &mut Errors) {
    if text(&column["name"]).is_empty() {
        errors.required(&path.child("name"), "");
    }
    let types = ["boolean", "date", "integer", "number", "string"];
    match text(&column["type"]) {
        "" => errors.required(&path.child("type"), "must be one of boolean,date,integer,number,string"),
        name if !types.contains(&name) => {
            errors.invalid(
                &path.child("type"),
                &column["type"],
                "must be one of boolean,date,integer,number,string",
            );
        }
        _ => {}
    }
    let at = path.child("JSONPath");
    match text(&column["jsonPath"]) {
        "" => errors.required(&at, ""),
        given if !given.starts_with('.') => {
            errors.invalid(&at, &column["jsonPath"], NO_PATH);
        }
        given if !crate::custom::is_json_path(given) => {
            errors.invalid(&at, &column["jsonPath"], "is an invalid JSONPath");
        }
        _ => {}
    }
}
