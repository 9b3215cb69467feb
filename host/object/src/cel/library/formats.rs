//! Named formats: what a text must be like, and what is wrong with it.

use super::url::Url;
use super::{Fault, Native, Row, Value, text};
use crate::custom::matches_format;
use crate::names;

/// A format an expression may name.
#[derive(Debug)]
pub struct NamedFormat {
    pub name: &'static str,
    /// What is wrong with a text.
    validate: fn(&str) -> Vec<String>,
    /// For the cost: letters of the regular expression upstream uses.
    pattern: u64,
}

static FORMATS: [NamedFormat; 13] = [
    NamedFormat { name: "dns1123Label", validate: names::dns1123_label, pattern: 30 },
    NamedFormat { name: "dns1123Subdomain", validate: names::dns1123_subdomain, pattern: 60 },
    NamedFormat { name: "dns1035Label", validate: names::dns1035_label, pattern: 30 },
    NamedFormat { name: "qualifiedName", validate: names::qualified_name, pattern: 60 },
    NamedFormat {
        name: "dns1123LabelPrefix",
        validate: |p| names::dns1123_label(&completed(p)),
        pattern: 30,
    },
    NamedFormat {
        name: "dns1123SubdomainPrefix",
        validate: |p| names::dns1123_subdomain(&completed(p)),
        pattern: 60,
    },
    NamedFormat {
        name: "dns1035LabelPrefix",
        validate: |p| names::dns1035_label(&completed(p)),
        pattern: 30,
    },
    NamedFormat { name: "labelValue", validate: names::label_value, pattern: 40 },
    NamedFormat { name: "uri", validate: |text| Url::parse(text).err().into_iter().collect(), pattern: 1103 },
    NamedFormat {
        name: "uuid",
        validate: |text| unless("uuid", text, "does not match the UUID format"),
        pattern: 80,
    },
    NamedFormat { name: "byte", validate: |text| unless("byte", text, "invalid base64"), pattern: 84 },
    NamedFormat { name: "date", validate: |text| unless("date", text, "invalid date"), pattern: 120 },
    NamedFormat {
        name: "datetime",
        validate: |text| unless("datetime", text, "invalid datetime"),
        pattern: 120,
    },
];

pub(super) const ROWS: &[Row] = &[
    ("format.named(string): optional<kubernetes.NamedFormat>", |a, _| {
        let name = text(&a[0])?;
        Ok(Value::Optional(named(name).map(std::sync::Arc::new)))
    }),
    ("format.dns1123Label(): kubernetes.NamedFormat", |_, _| known("dns1123Label")),
    ("format.dns1123Subdomain(): kubernetes.NamedFormat", |_, _| known("dns1123Subdomain")),
    ("format.dns1035Label(): kubernetes.NamedFormat", |_, _| known("dns1035Label")),
    ("format.qualifiedName(): kubernetes.NamedFormat", |_, _| known("qualifiedName")),
    ("format.dns1123LabelPrefix(): kubernetes.NamedFormat", |_, _| known("dns1123LabelPrefix")),
    ("format.dns1123SubdomainPrefix(): kubernetes.NamedFormat", |_, _| known("dns1123SubdomainPrefix")),
    ("format.dns1035LabelPrefix(): kubernetes.NamedFormat", |_, _| known("dns1035LabelPrefix")),
    ("format.labelValue(): kubernetes.NamedFormat", |_, _| known("labelValue")),
    ("format.uri(): kubernetes.NamedFormat", |_, _| known("uri")),
    ("format.uuid(): kubernetes.NamedFormat", |_, _| known("uuid")),
    ("format.byte(): kubernetes.NamedFormat", |_, _| known("byte")),
    ("format.date(): kubernetes.NamedFormat", |_, _| known("date")),
    ("format.datetime(): kubernetes.NamedFormat", |_, _| known("datetime")),
    ("(kubernetes.NamedFormat).validate(string): optional<list<string>>", |a, meter| {
        let Value::Native(native) = &a[0] else { return Err(Fault::NoSuchOverload) };
        let Native::Format(format) = &**native else { return Err(Fault::NoSuchOverload) };
        let text = text(&a[1])?;
        meter.spend((text.len() as u64 + 1).div_ceil(10) * format.pattern.div_ceil(4))?;
        let wrong = (format.validate)(text);
        Ok(if wrong.is_empty() { Value::none() } else { Value::some(Value::texts(wrong)) })
    }),
];

fn named(name: &str) -> Option<Value> {
    let format = FORMATS.iter().find(|format| format.name == name)?;
    Some(Value::native(Native::Format(format)))
}

fn known(name: &str) -> Result<Value, Fault> {
    named(name).ok_or(Fault::NoSuchOverload)
}

/// What a generated name may grow to: a dash at the end of the prefix is not the name's end.
fn completed(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(stem) if !stem.is_empty() => format!("{stem}a"),
        _ => prefix.to_owned(),
    }
}

fn unless(format: &str, text: &str, why: &str) -> Vec<String> {
    if matches_format(format, text) { Vec::new() } else { vec![why.to_owned()] }
}
