//! Refuses namespaces that name no owner.

use orch_sdk::admission::{Admitted, Check, Denial, Description, Operation, Request};
use orch_sdk::object::Object;

const OWNER: &str = "example.com/owner";

#[derive(Default)]
pub struct {{Pascal}};

orch_sdk::export_admission!({{Pascal}});

impl Check for {{Pascal}} {
    fn describe() -> Description {
        Description::new().reviews(&[Operation::Create, Operation::Update], &[""], &["namespaces"])
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        match request.object.label(OWNER) {
            Some(_) => Ok(Admitted::unchanged()),
            None => Err(Denial::forbidden(format!("a namespace needs the label {OWNER}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{Value, json, serde_json};

    fn review(labels: Value) -> Result<Admitted, Denial> {
        let request = json!({"operation": "CREATE", "object": {"metadata": {"labels": labels}}});
        {{Pascal}}.review(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn namespaces_need_an_owner() {
        assert!(review(json!({OWNER: "me"})).is_ok());
        let denial = review(json!({})).unwrap_err();
        assert_eq!((denial.code, denial.message.contains(OWNER)), (403, true));
    }
}
