//! Where a custom resource has the numbers that its Scale shows.

use serde_json::Value;

use super::{FieldPath, Scale};
use crate::status::FieldError;

/// `.spec.replicas`: a field of an object, by plain names.
#[derive(Debug, Clone)]
pub struct ScalePath {
    /// As the definition has it.
    pub text: String,
    pub path: FieldPath,
}

impl ScalePath {
    pub fn parse(text: &str) -> ScalePath {
        ScalePath { text: text.into(), path: FieldPath::parse(text) }
    }

    /// The value, `None` where there is none.
    ///
    /// # Errors
    /// Something on the way is no object, in upstream's words (`unstructured.NestedFieldNoCopy`).
    fn value<'v>(&self, object: &'v Value) -> Result<Option<&'v Value>, String> {
        let mut place = object;
        let mut walked = String::new();
        for name in self.text.trim_start_matches('.').split('.') {
            walked = format!("{walked}.{name}");
            place = match place {
                Value::Null => return Ok(None),
                Value::Object(fields) => match fields.get(name) {
                    Some(value) => value,
                    None => return Ok(None),
                },
                other => return Err(unexpected(&walked, other, "map[string]interface{}")),
            };
        }
        Ok(Some(place))
    }

    /// # Errors
    /// The value is no whole number, or something on the way is no object.
    pub fn number(&self, object: &Value) -> Result<Option<i64>, String> {
        let Some(value) = self.value(object)? else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| unexpected(&self.shown(), value, "int64"))
    }

    /// # Errors
    /// The value is no text, or something on the way is no object.
    pub fn word<'v>(&self, object: &'v Value) -> Result<Option<&'v str>, String> {
        let Some(value) = self.value(object)? else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| unexpected(&self.shown(), value, "string"))
    }

    fn shown(&self) -> String {
        format!(".{}", self.text.trim_start_matches('.'))
    }
}

fn unexpected(path: &str, value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!(
        "{path} accessor error: {} is of the type {kind}, expected {wanted}",
        crate::patch::go_text(value)
    )
}

impl Scale {
    /// What keeps the object from being scaled.
    pub(super) fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors: Vec<FieldError> = [&self.spec_replicas, &self.status_replicas]
            .into_iter()
            .filter_map(|path| judge(path, object))
            .collect();
        if let Some(path) = &self.label_selector
            && let Err(why) = path.word(object)
        {
            errors.push(FieldError::invalid(&path.text, "", why));
        }
        errors
    }
}

fn judge(path: &ScalePath, object: &Value) -> Option<FieldError> {
    let (shown, why) = match path.number(object) {
        Err(why) => (0, why),
        Ok(Some(number)) if number < 0 => (number, "should be a non-negative integer".to_owned()),
        Ok(Some(number)) if number > i64::from(i32::MAX) => {
            (number, format!("should be less than or equal to {}", i32::MAX))
        }
        Ok(_) => return None,
    };
    Some(FieldError::invalid(&path.text, shown, why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_scaled_is_refused() {
        let scale = Scale {
            spec_replicas: ScalePath::parse(".spec.replicas"),
            status_replicas: ScalePath::parse(".status.replicas"),
            label_selector: Some(ScalePath::parse(".status.selector")),
        };
        let found = |object: Value| -> Vec<String> {
            scale.validate(&object).iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(json!({})), [""; 0]);
        assert_eq!(found(json!({ "spec": { "replicas": 1 }, "status": { "selector": "a=b" } })), [""; 0]);
        assert_eq!(
            found(json!({ "spec": "word", "status": { "replicas": -1, "selector": 1 } })),
            [
                ".spec.replicas: Invalid value: 0: .spec.replicas accessor error: word is of the type string, expected map[string]interface{}",
                ".status.replicas: Invalid value: -1: should be a non-negative integer",
                ".status.selector: Invalid value: \"\": .status.selector accessor error: 1 is of the type int64, expected string",
            ]
        );
    }
}
