//! A few fields of an object, read from its JSON without parsing the rest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Which fields: dotted paths, each with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields(Keep);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Keep {
    All,
    Some(BTreeMap<String, Keep>),
}

impl Fields {
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keep = Keep::Some(BTreeMap::new());
        paths.into_iter().for_each(|path| keep.add(path.split('.')));
        Fields(keep)
    }

    /// The object with these fields alone, where they stand.
    pub fn read(&self, json: &[u8]) -> Result<Value, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let value = self.0.deserialize(&mut reader)?;
        reader.end().map(|()| value)
    }
}

impl Keep {
    fn add<'a>(&mut self, mut steps: impl Iterator<Item = &'a str>) {
        match (steps.next(), &mut *self) {
            (None, _) => *self = Keep::All,
            (Some(_), Keep::All) => {}
            (Some(step), Keep::Some(fields)) => {
                fields.entry(step.into()).or_insert_with(|| Keep::Some(BTreeMap::new())).add(steps);
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &Keep {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Keep::All => Value::deserialize(deserializer),
            Keep::Some(fields) => deserializer.deserialize_any(Kept(fields)),
        }
    }
}

struct Kept<'k>(&'k BTreeMap<String, Keep>);

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(Key(name)) = entries.next_key::<Key<'de>>()? {
            match self.0.get(&*name) {
                Some(keep) => {
                    let value = entries.next_value_seed(keep)?;
                    kept.insert(name.into_owned(), value);
                }
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    // What has no fields has none of these.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(object: &Value, paths: &[&str]) -> Value {
        Fields::new(paths.iter().copied()).read(object.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_is_asked_for() {
        let object = json!({
            "kind": "Pod",
            "metadata": { "name": "a", "labels": { "app": "web", "q\"u": "\u{e9}\n" }, "annotations": { "x": "y" } },
            "spec": { "nodeName": "n", "containers": [{ "name": "c" }, 1, 2.5, true, null, -3] },
        });
        assert_eq!(
            read(&object, &["metadata.labels", "spec.nodeName", "status.phase"]),
            json!({ "metadata": { "labels": { "app": "web", "q\"u": "\u{e9}\n" } }, "spec": { "nodeName": "n" } })
        );
        assert_eq!(read(&object, &["spec", "spec.nodeName"]), json!({ "spec": object["spec"] }));
        assert_eq!(read(&object, &[]), json!({}));
    }

    #[test]
    fn fields_of_what_has_none() {
        for scalar in
            [json!(null), json!(1), json!(-1), json!(1.5), json!(true), json!("text"), json!([1, {}])]
        {
            assert_eq!(read(&json!({ "a": scalar }), &["a.b"]), json!({ "a": null }), "{scalar}");
        }
        assert!(Fields::new(["a"]).read(b"{\"a\":1").is_err());
        assert!(Fields::new(["a"]).read(b"{} x").is_err());
    }
}
