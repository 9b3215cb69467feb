//! Label and field selectors in kubectl's syntax.

use serde_json::Value;

use crate::object::Object;

pub fn matches_labels(object: &Value, selector: &str) -> bool {
    split_outside_parentheses(selector).all(|term| matches_label(object, term))
}

fn split_outside_parentheses(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    selector
        .split(move |c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
}

fn matches_label(object: &Value, term: &str) -> bool {
    let among = |list: &str, value: &str| {
        list.trim_matches(['(', ')', ' ']).split(',').any(|known| known.trim() == value)
    };
    if let Some(key) = term.strip_prefix('!') {
        return object.label(key).is_none();
    }
    if let Some((key, list)) = term.split_once(" notin ") {
        return object.label(key.trim()).is_none_or(|value| !among(list, value));
    }
    if let Some((key, list)) = term.split_once(" in ") {
        return object.label(key.trim()).is_some_and(|value| among(list, value));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return object.label(key) != Some(value);
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return object.label(key) == Some(value);
    }
    object.label(term).is_some()
}

pub fn matches_fields(object: &Value, selector: &str) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        let (path, value, equal) = match (term.split_once("!="), term.split_once('=')) {
            (Some((path, value)), _) => (path, value, false),
            (None, Some((path, value))) => (path, value.trim_start_matches('='), true),
            (None, None) => return false,
        };
        let found = object.at(&path.split('.').collect::<Vec<_>>()).as_str().unwrap_or_default();
        (found == value) == equal
    })
}
