//! One rule about one value, in upstream's words.

use serde_json::Value;

use super::Change;
use crate::names;
use crate::status::FieldError;
use crate::validation::{IMMUTABLE, Path, items, text};

#[derive(Debug)]
pub(super) enum Rule {
    Required,
    Optional,
    Immutable,
    /// As the former, but only tried out: it ends what is said of the value, and says nothing.
    SilentlyImmutable,
    /// Set or taken away it may be, but not made another.
    NoModify,
    MaxItems(usize),
    MaxBytes(usize),
    MaxLength(usize),
    Minimum(i64),
    Name(names::Rule),
    /// Of each key of a map.
    Keys(names::Rule),
    /// Names whose errors are of more kinds than one.
    Words(fn(&Path, &str) -> Vec<FieldError>),
    Enum(Vec<&'static str>),
    /// No item twice, by these of its fields or as a whole.
    Unique(Vec<&'static str>),
    /// Exactly one of these fields.
    Union(Vec<&'static str>),
    Member(Member),
}

/// A field that belongs to one value of another field.
#[derive(Debug)]
pub(super) struct Member {
    field: &'static str,
    by: &'static str,
    value: &'static str,
    required: bool,
}

impl Rule {
    pub fn parse(word: &'static str) -> Option<Rule> {
        let (name, value) = word.split_once(['=', ':']).unwrap_or((word, ""));
        let list = || value.split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>();
        Some(match name {
            "required" => Rule::Required,
            "optional" => Rule::Optional,
            "immutable" => Rule::Immutable,
            "~immutable" => Rule::SilentlyImmutable,
            "no-modify" => Rule::NoModify,
            "max-items" => Rule::MaxItems(value.parse().ok()?),
            "max-bytes" => Rule::MaxBytes(value.parse().ok()?),
            "max-length" => Rule::MaxLength(value.parse().ok()?),
            "min" => Rule::Minimum(value.parse().ok()?),
            "enum" => Rule::Enum(value.split('|').collect()),
            "unique" => Rule::Unique(list()),
            "union" => Rule::Union(list()),
            "key" => Rule::Keys(named(value)?),
            "pool-name" => Rule::Words(pool_name),
            "fully-qualified-name" => Rule::Words(fully_qualified_name),
            "member" => match list()[..] {
                [field, by, value, must] => {
                    Rule::Member(Member { field, by, value, required: must == "required" })
                }
                _ => return None,
            },
            name => Rule::Name(named(name)?),
        })
    }

    /// Rules that, broken, leave nothing to be said by the others.
    pub fn comes_first(&self) -> bool {
        matches!(
            self,
            Rule::Required
                | Rule::Optional
                | Rule::Immutable
                | Rule::SilentlyImmutable
                | Rule::NoModify
                | Rule::MaxItems(_)
        )
    }

    pub fn is_silent(&self) -> bool {
        matches!(self, Rule::SilentlyImmutable)
    }

    pub fn is_optional(&self) -> bool {
        matches!(self, Rule::Optional)
    }

    pub fn check(&self, change: Change<'_>, path: &Path) -> Vec<FieldError> {
        match (self, change.new) {
            (Rule::Required, None) => vec![FieldError::required(path.as_str(), "")],
            (Rule::Immutable | Rule::SilentlyImmutable, _) if change.update => {
                vec![FieldError::invalid(path.as_str(), Value::Null, IMMUTABLE)]
            }
            (Rule::NoModify, Some(_)) if change.old.flatten().is_some_and(is_set) => {
                let detail = "field cannot be modified once set";
                vec![FieldError::invalid(path.as_str(), Value::Null, detail)]
            }
            (Rule::Minimum(least), value) => minimum(value, *least, path),
            (_, Some(value)) => self.check_value(value, change, path),
            (_, None) => Vec::new(),
        }
    }

    fn check_value(&self, value: &Value, change: Change<'_>, path: &Path) -> Vec<FieldError> {
        let at = path.as_str();
        let invalid = |value: &str, why: String| FieldError::invalid(at, value, why);
        match self {
            Rule::MaxItems(most) if items(value).len() > *most => {
                vec![FieldError::too_many(at, items(value).len(), *most)]
            }
            Rule::MaxBytes(most) if text(value).len() > *most => vec![FieldError::too_long(at, *most)],
            Rule::MaxLength(most) if text(value).chars().count() > *most => {
                vec![FieldError::too_long_characters(at, *most)]
            }
            Rule::Enum(known) if !known.contains(&text(value)) => {
                vec![FieldError::not_supported(at, value.clone(), known)]
            }
            Rule::Name(rule) => rule(text(value)).into_iter().map(|why| invalid(text(value), why)).collect(),
            Rule::Keys(rule) => {
                let keys = value.as_object().into_iter().flat_map(|map| map.keys());
                keys.flat_map(|key| rule(key).into_iter().map(|why| invalid(key, why))).collect()
            }
            Rule::Words(rule) => rule(path, text(value)),
            Rule::Unique(keys) => unique(items(value), keys, path),
            Rule::Union(members) => union(value, members, change, path).into_iter().collect(),
            Rule::Member(member) => member.check(value, change, path).into_iter().collect(),
            Rule::Required
            | Rule::Optional
            | Rule::Immutable
            | Rule::SilentlyImmutable
            | Rule::NoModify
            | Rule::Minimum(_)
            | Rule::MaxItems(_)
            | Rule::MaxBytes(_)
            | Rule::MaxLength(_)
            | Rule::Enum(_) => Vec::new(),
        }
    }
}

fn named(name: &str) -> Option<names::Rule> {
    Some(match name {
        "short-name" => names::short_name,
        "long-name" => names::long_name,
        "long-name-caseless" => names::long_name_caseless,
        "label-key" => names::qualified_name,
        "extended-resource-name" => extended_resource_name,
        "uuid" => uuid,
        _ => return None,
    })
}

/// Go's zeros are as good as nothing.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Object(_) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
    }
}

fn minimum(value: Option<&Value>, least: i64, path: &Path) -> Vec<FieldError> {
    let number = value.and_then(Value::as_i64).unwrap_or_default();
    if number >= least {
        return Vec::new();
    }
    vec![FieldError::invalid(path.as_str(), number, format!("must be greater than or equal to {least}"))]
}

fn unique(items: &[Value], keys: &[&str], path: &Path) -> Vec<FieldError> {
    let alike = |a: &Value, b: &Value| match keys {
        [] => a == b,
        keys => keys.iter().all(|key| a[*key] == b[*key]),
    };
    let again =
        items.iter().enumerate().filter(|(index, item)| items[..*index].iter().any(|i| alike(i, item)));
    let duplicate =
        |(index, item): (usize, &Value)| FieldError::duplicate(path.index(index).as_str(), item.clone());
    again.map(duplicate).collect()
}

fn union(value: &Value, members: &[&'static str], change: Change<'_>, path: &Path) -> Option<FieldError> {
    let given = |value: &Value| -> Vec<&str> {
        members.iter().copied().filter(|member| !value[*member].is_null()).collect()
    };
    let set = given(value);
    if change.update && change.old.flatten().is_some_and(|old| given(old) == set) {
        return None;
    }
    let all = members.iter().map(|member| format!("`{member}`")).collect::<Vec<_>>().join(", ");
    match set[..] {
        [] => Some(FieldError::invalid(path.as_str(), "", format!("must specify one of: {all}"))),
        [_] => None,
        _ => {
            let shown = format!("{{{}}}", set.join(", "));
            Some(FieldError::invalid(path.as_str(), shown, format!("must specify exactly one of: {all}")))
        }
    }
}

impl Member {
    fn check(&self, value: &Value, change: Change<'_>, path: &Path) -> Option<FieldError> {
        let at = path.child(self.field);
        let (is_its, is_given) = (value[self.by] == self.value, !value[self.field].is_null());
        let same = |old: &Value| old[self.by] == value[self.by] && old[self.field] == value[self.field];
        if change.update && change.old.flatten().is_some_and(same) {
            return None;
        }
        match (is_its, is_given) {
            (true, false) if self.required => Some(FieldError::required(at.as_str(), "")),
            (false, true) => Some(FieldError::forbidden(at.as_str(), "")),
            _ => None,
        }
    }
}

fn uuid(text: &str) -> Vec<String> {
    let good = text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    if good { Vec::new() } else { vec!["must be a lowercase UUID in 8-4-4-4-12 format".into()] }
}

fn extended_resource_name(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if !name.contains('/') {
        errors.push("a name must be a domain-prefixed path, such as 'example.com/my-prop'".to_owned());
    } else if name.contains("kubernetes.io/") {
        errors.push("must not have \"kubernetes.io/\" domain".into());
    }
    if name.starts_with("requests.") {
        errors.push("must not have \"requests.\" prefix".into());
    }
    errors.extend(names::qualified_name(&format!("requests.{name}")));
    errors
}

fn pool_name(path: &Path, name: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if name.len() > names::SUBDOMAIN_LENGTH {
        errors.push(FieldError::too_long(path.as_str(), names::SUBDOMAIN_LENGTH));
    }
    for (index, part) in name.split('/').enumerate() {
        let (shown, found) = match part {
            "" => (name, vec!["must not be empty".to_owned()]),
            part => (part, names::long_name(part)),
        };
        errors.extend(
            found
                .into_iter()
                .map(|why| FieldError::invalid(path.as_str(), shown, format!("segment {index}: {why}"))),
        );
    }
    errors
}

fn fully_qualified_name(path: &Path, name: &str) -> Vec<FieldError> {
    let mut errors = device_name(path, name);
    if !name.contains('/') {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        errors.push(FieldError::invalid(path.as_str(), name, why));
    }
    errors
}

/// `[domain/]identifier`: attributes and capacities of devices.
fn device_name(path: &Path, name: &str) -> Vec<FieldError> {
    let at = path.as_str();
    let mut parts = name.split('/');
    let (first, second, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(second) = second else { return identifier(path, first) };
    if more.is_some() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    if first.is_empty() {
        errors.push(FieldError::invalid(at, "", "prefix must not be empty"));
    } else {
        if first.len() > 63 {
            errors.push(FieldError::too_long(at, 63));
        }
        let wrong = names::long_name(first).into_iter();
        errors.extend(wrong.map(|why| FieldError::invalid(at, first, format!("prefix: {why}"))));
    }
    match second {
        "" => errors.push(FieldError::invalid(at, "", "name must not be empty")),
        second => errors.extend(identifier(path, second)),
    }
    errors
}

fn identifier(path: &Path, name: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if name.len() > 32 {
        errors.push(FieldError::too_long(path.as_str(), 32));
    }
    let wrong = names::c_identifier(name).into_iter();
    errors.extend(wrong.map(|why| FieldError::invalid(path.as_str(), name, why)));
    errors
}
