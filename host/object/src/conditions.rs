//! `matchConditions` of webhooks and policies: CEL over an admission request
//! (`k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions`).

use serde_json::Value as Json;

use crate::cel::{self, Environment, MATCH_CONDITIONS, Meter, Program, Type, Value, Variables};

/// What a condition may speak of.
fn environment() -> Environment {
    let authorizer = Type::Native("kubernetes.authorization.Authorizer");
    let objects = ["object", "oldObject", "request", "namespaceObject"].into_iter();
    let environment = objects.fold(Environment::default(), |known, name| known.with(name, Type::Dyn));
    environment.with("authorizer", authorizer)
}

fn compiled(expression: &str) -> Result<Program, String> {
    let program =
        cel::compile(expression, &environment()).map_err(|why| format!("compilation failed: {why}"))?;
    match program.of() {
        Type::Bool | Type::Dyn => Ok(program),
        _ => Err("must evaluate to bool".into()),
    }
}

/// What the conditions of one check say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    Yes,
    /// One of them is false.
    No,
    /// None is false, and these could not be evaluated.
    Failed(String),
}

/// Conditions, compiled once.
#[derive(Debug)]
pub struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    source: String,
    program: Result<Program, String>,
}

/// What is wrong with an expression; `None`: it compiles.
pub fn problem(expression: &str) -> Option<String> {
    compiled(expression).err()
}

impl Conditions {
    /// Reads a list of `{name, expression}`.
    pub fn parse(given: &Json) -> Conditions {
        let listed = given.as_array().map_or(&[][..], Vec::as_slice);
        Conditions(listed.iter().map(Condition::parse).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `request` is the AdmissionRequest without its objects; an absent object is null.
    pub fn evaluate(&self, object: &Json, old: &Json, request: &Json) -> Matched {
        if self.0.is_empty() {
            return Matched::Yes;
        }
        let meter = Meter::new(MATCH_CONDITIONS);
        let values = [("object", object), ("oldObject", old), ("request", request)];
        let values = values.map(|(name, json)| (name, Value::from_json(json))).to_vec();
        let mut failures = Vec::new();
        for condition in &self.0 {
            match condition.holds(&values, &meter) {
                Ok(true) => {}
                Ok(false) => return Matched::No,
                Err(why) => failures.push(why),
            }
        }
        match failures.as_slice() {
            [] => Matched::Yes,
            [one] => Matched::Failed(one.clone()),
            many => Matched::Failed(format!("[{}]", many.join(", "))),
        }
    }
}

impl Condition {
    fn parse(json: &Json) -> Condition {
        let source = json["expression"].as_str().unwrap_or_default().trim().to_owned();
        Condition { program: compiled(&source), source }
    }

    fn holds(&self, values: &dyn Variables, meter: &Meter) -> Result<bool, String> {
        let program = self.program.as_ref().map_err(|why| why.clone())?;
        let failed = |why: String| format!("expression '{}' resulted in error: {why}", self.source);
        match program.run(values, meter) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(failed("must evaluate to bool".into())),
            Err(fault) => Err(failed(fault.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conditions(expressions: &[&str]) -> Conditions {
        let listed: Vec<Json> = expressions.iter().map(|e| json!({ "name": "n", "expression": e })).collect();
        Conditions::parse(&listed.into())
    }

    #[test]
    fn all_must_hold() {
        let object = json!({ "metadata": { "name": "skip-me" }, "data": { "a": "1" } });
        let request = json!({ "operation": "CREATE", "dryRun": false });
        let cases: [(&[&str], Matched); 4] = [
            (&[], Matched::Yes),
            (&["object.metadata.name == 'skip-me'", "request.operation == 'CREATE'"], Matched::Yes),
            (&["object.metadata.name != 'skip-me'"], Matched::No),
            // False outweighs what cannot be evaluated.
            (&["object.absent.x == 1", "oldObject != null"], Matched::No),
        ];
        for (expressions, expected) in cases {
            let found = conditions(expressions).evaluate(&object, &Json::Null, &request);
            assert_eq!(found, expected, "{expressions:?}");
        }
        let failed = conditions(&["object.absent.x == 1"]).evaluate(&object, &Json::Null, &request);
        assert!(
            matches!(failed, Matched::Failed(why) if why.starts_with("expression 'object.absent.x == 1' resulted in error: "))
        );
    }
}
