//! `matchConditions` of webhooks and policies
//! (`apiserver/pkg/admission/plugin/webhook/matchconditions`).

use std::sync::Arc;

use orch_object::cel::{self, Composition, Given, MATCH_CONDITIONS, Meter};
use serde_json::Value;

use super::compiled::Compiled;
use super::inputs::{Inputs, Scope};

/// All must hold; none: they do.
#[derive(Debug)]
pub struct MatchConditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    expression: String,
    program: Compiled,
}

impl MatchConditions {
    /// Of the list in a webhook or policy. What is wrong with a condition is said when it is asked.
    pub fn compile(conditions: &Value, params: bool) -> MatchConditions {
        let given = Given { params, authorizer: true };
        let read = |condition: &Value| {
            let expression = condition["expression"].as_str().unwrap_or_default().trim().to_owned();
            Condition { program: Composition::default().condition(&expression, given), expression }
        };
        MatchConditions(conditions.as_array().into_iter().flatten().map(read).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the webhook or policy is about the request. One that does not hold decides, also when
    /// others have no answer.
    ///
    /// # Errors
    /// Why conditions have no answer; what follows from that is the failure policy's.
    pub fn hold(&self, inputs: &Inputs<'_>, params: Option<Arc<Value>>) -> Result<bool, String> {
        let meter = Meter::new(MATCH_CONDITIONS);
        let scope = Scope::new(inputs, params, &[], &meter).without_namespace();
        let mut failures = Vec::new();
        for condition in &self.0 {
            match evaluate(&condition.program, &condition.expression, &scope) {
                Ok(cel::Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(Failure::OutOfBudget) => return Err(OUT_OF_BUDGET.to_owned()),
                Err(Failure::Here(why)) => failures.push(why),
            }
        }
        match &failures[..] {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// Why an expression gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Here(String),
    /// No more expressions can be run either.
    #[error("{OUT_OF_BUDGET}")]
    OutOfBudget,
}

/// The value of an expression, or upstream's words for why it has none.
pub(super) fn evaluate(
    program: &Compiled,
    expression: &str,
    scope: &Scope<'_>,
) -> Result<cel::Value, Failure> {
    let program = program.as_ref().map_err(|why| Failure::Here(format!("compilation error: {why}")))?;
    let value = program.run(scope, scope.meter);
    if scope.meter.is_spent() {
        return Err(Failure::OutOfBudget);
    }
    value.map_err(|fault| Failure::Here(format!("expression '{expression}' resulted in error: {fault}")))
}
