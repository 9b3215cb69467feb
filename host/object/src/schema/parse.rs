//! JSON text to values, noticing what `serde_json::Value` forgets: fields given twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// More duplicates than this say nothing new.
const REPORTED: usize = 100;

#[derive(Debug, thiserror::Error)]
#[error("the body is not valid JSON: {source}")]
pub struct JsonError {
    #[from]
    source: serde_json::Error,
}

/// The value (of fields given twice the last), and `duplicate field "spec.replicas"` for each of those.
/// Nesting deeper than 128 is an error.
pub fn parse_json(bytes: &[u8]) -> Result<(Value, Vec<String>), JsonError> {
    let mut walk = Walk::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Seed(&mut walk).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, walk.duplicates))
}

/// The paths of all fields as the text gives them, `spec.replicas` twice where it is given twice.
pub fn paths(bytes: &[u8]) -> Vec<String> {
    let mut walk = Walk { paths: Some(Vec::new()), ..Walk::default() };
    let read = Seed(&mut walk).deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    debug_assert!(read.is_ok(), "asked of text that is JSON");
    walk.paths.unwrap_or_default()
}

#[derive(Default)]
struct Walk {
    /// `spec`, `.containers`, `[0]`: where the reader stands.
    path: String,
    duplicates: Vec<String>,
    /// Every path so far, where they are wanted.
    paths: Option<Vec<String>>,
}

impl Walk {
    fn enter_field(&mut self, name: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        if let Some(paths) = &mut self.paths {
            paths.push(self.path.clone());
        }
        length
    }

    fn report(&mut self) {
        if self.duplicates.len() < REPORTED {
            self.duplicates.push(format!("duplicate field {:?}", self.path));
        }
    }
}

struct Seed<'w>(&'w mut Walk);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let length = self.0.path.len();
        let mut list = Vec::new();
        loop {
            self.0.path.push_str(&format!("[{}]", list.len()));
            let item = items.next_element_seed(Seed(self.0));
            self.0.path.truncate(length);
            match item? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let length = self.0.enter_field(&name);
            if fields.contains_key(&name) {
                self.0.report();
            }
            let value = entries.next_value_seed(Seed(self.0));
            self.0.path.truncate(length);
            fields.insert(name, value?);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reports_fields_given_twice() {
        let text = br#"{"spec":{"a":1,"list":[{"b":1},{"b":1,"b":2}],"a":2},"x":null,"f":1.5,"n":-1}"#;
        let (value, duplicates) = parse_json(text).expect("valid");
        assert_eq!(
            value,
            json!({"spec": {"a": 2, "list": [{"b": 1}, {"b": 2}]}, "x": null, "f": 1.5, "n": -1})
        );
        assert_eq!(duplicates, [r#"duplicate field "spec.list[1].b""#, r#"duplicate field "spec.a""#]);
    }

    #[test]
    fn paths_are_in_the_texts_order() {
        let text = br#"{"b":{"x":1,"a":[{"c":1}]},"a":0,"a":1}"#;
        assert_eq!(paths(text), ["b", "b.x", "b.a", "b.a[0].c", "a", "a"]);
    }

    #[test]
    fn refuses_bad_text() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", "{", "{} {}", "nope", "{\"a\":}", &deep, "{\"a\":\"\u{1}\"}"] {
            assert!(parse_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_json(b"\xff").is_err());
    }
}
