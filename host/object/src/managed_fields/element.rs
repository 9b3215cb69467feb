//! One step of an owned path, in the wire form: `f:NAME`, `k:{"name":"web"}`, `v:"value"`, `i:0`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::schema::{ListType, Node};

pub(crate) fn field_element(name: &str) -> String {
    let mut element = String::with_capacity(name.len() + 2);
    element.push_str("f:");
    element.push_str(name);
    element
}

/// The field an `f:` element names.
pub(crate) fn name_of(element: &str) -> Option<&str> {
    element.strip_prefix("f:")
}

/// How an item of a set or list map is told apart; the error says what is wrong with it.
pub(crate) fn item_element(item: &Value, list: Node<'_>) -> Result<String, String> {
    match list.list_type() {
        ListType::Map(keys) => keyed(item, keys, list.items()),
        ListType::Set => scalar(item),
        ListType::Atomic => Err("invalid indexing of non-associative list".to_owned()),
    }
}

fn keyed(item: &Value, keys: &[String], item_node: Option<Node<'_>>) -> Result<String, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let of = |key: &'_ String| match fields.get(key) {
        Some(value) => Some(value),
        None => item_node.and_then(|node| node.field(key)).and_then(|node| node.default_value()),
    };
    let mut found: Vec<(&str, &Value)> = keys.iter().filter_map(|k| Some((k.as_str(), of(k)?))).collect();
    if found.is_empty() {
        return Err(format!(
            "associative list with keys has an element that omits all key fields {} (and doesn't have default \
             values for any key fields)",
            quoted(keys)
        ));
    }
    found.sort_unstable_by_key(|(key, _)| *key);
    let mut element = String::with_capacity(24);
    element.push_str("k:{");
    for (position, (key, value)) in found.into_iter().enumerate() {
        if position > 0 {
            element.push(',');
        }
        push_json_string(&mut element, key);
        element.push(':');
        push_json(&mut element, value);
    }
    element.push('}');
    Ok(element)
}

fn scalar(item: &Value) -> Result<String, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let mut element = String::from("v:");
            push_json(&mut element, item);
            Ok(element)
        }
    }
}

/// `["a" "b"]`, as Go prints a slice of strings with `%q`.
fn quoted(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    format!("[{}]", keys.join(" "))
}

fn push_json(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_json_string(out, text),
        other => out.push_str(&other.to_string()),
    }
}

fn push_json_string(out: &mut String, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// The one spelling of an element that a client sent; `None`: not an element we know, which upstream
/// drops; an error for one that cannot be read.
pub(crate) fn canonical(element: &str) -> Result<Option<Cow<'_, str>>, String> {
    let Some((kind, content)) = element.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        return Err(format!("missing colon: {element}"));
    };
    let unreadable = |e: serde_json::Error| format!("parsing {element}: {e}");
    Ok(match kind {
        "f" => Some(Cow::Borrowed(element)),
        "i" => {
            let index: i64 = content.parse().map_err(|_| format!("not an index: {element}"))?;
            Some(Cow::Owned(format!("i:{index}")))
        }
        "v" => {
            let value: Value = serde_json::from_str(content).map_err(unreadable)?;
            Some(Cow::Owned(format!("v:{value}")))
        }
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(content).map_err(unreadable)?;
            Some(Cow::Owned(format!("k:{}", Value::Object(keys))))
        }
        _ => None,
    })
}

/// A path as messages show it: `.spec.template.spec.containers[name="app"].image`.
pub(crate) fn display_path(path: &[&str]) -> String {
    path.iter().map(|element| display(element)).collect()
}

fn display(element: &str) -> String {
    let content = element.get(2..).unwrap_or_default();
    match element.get(..2) {
        Some("k:") => match serde_json::from_str::<Map<String, Value>>(content) {
            Ok(keys) => {
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            Err(_) => format!("[{content}]"),
        },
        Some("v:") => format!("[={content}]"),
        Some("i:") => format!("[{content}]"),
        _ => format!(".{content}"),
    }
}
