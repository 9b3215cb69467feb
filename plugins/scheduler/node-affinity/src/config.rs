//! `spec.config`: upstream's `NodeAffinityArgs`. The affinity is checked as a pod's would be by the API.

use orch_sdk::Value;
use orch_sdk::config::Field;
use orch_sdk::pod::{NodeAffinity, NodeSelector, NodeSelectorTerm, PreferredTerm};
use orch_sdk::selector::{Operator, Requirement};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
const FIELD_OPERATORS: [&str; 2] = ["In", "NotIn"];

/// What holds for every pod, on top of what it asks for itself.
pub fn added_affinity(config: &Value) -> Result<NodeAffinity, String> {
    let added = Field::root(config).only(&["addedAffinity"])?.child("addedAffinity");
    let added = added.only(&[REQUIRED, PREFERRED])?;
    let required = added.child(REQUIRED);
    Ok(NodeAffinity {
        required: if required.is_absent() { None } else { Some(selector(required)?) },
        preferred: added.child(PREFERRED).items()?.into_iter().map(preferred).collect::<Result<_, _>>()?,
    })
}

fn selector(field: Field) -> Result<NodeSelector, String> {
    let terms = field.only(&["nodeSelectorTerms"])?.child("nodeSelectorTerms");
    Ok(NodeSelector { node_selector_terms: terms.items()?.into_iter().map(term).collect::<Result<_, _>>()? })
}

fn preferred(field: Field) -> Result<PreferredTerm, String> {
    let field = field.only(&["weight", "preference"])?;
    Ok(PreferredTerm {
        weight: field.child("weight").integer(1..=100)?,
        preference: term(field.child("preference"))?,
    })
}

fn term(field: Field) -> Result<NodeSelectorTerm, String> {
    let field = field.only(&["matchExpressions", "matchFields"])?;
    let read = |name: &str, operators: &[&str]| -> Result<Vec<Requirement>, String> {
        field.child(name).items()?.into_iter().map(|item| requirement(item, operators)).collect()
    };
    Ok(NodeSelectorTerm {
        match_expressions: read("matchExpressions", &OPERATORS)?,
        match_fields: read("matchFields", &FIELD_OPERATORS)?,
    })
}

fn requirement(field: Field, operators: &[&str]) -> Result<Requirement, String> {
    let field = field.only(&["key", "operator", "values"])?;
    let (key, list) = (field.child("key").text()?.to_string(), field.child("values"));
    let operator = field.child("operator");
    let name = operator.text()?;
    if !operators.contains(&name) {
        return Err(operator.unsupported(operators));
    }
    let values: Vec<String> =
        list.items()?.iter().map(|item| item.text().map(String::from)).collect::<Result<_, _>>()?;
    let parsed = match (name, values.as_slice()) {
        ("In" | "NotIn", []) => {
            return Err(list.required("must be specified when `operator` is 'In' or 'NotIn'"));
        }
        ("In" | "NotIn", [_, _, ..]) if operators == FIELD_OPERATORS => {
            return Err(list.invalid("must have one element"));
        }
        ("In", _) => Operator::In,
        ("NotIn", _) => Operator::NotIn,
        ("Exists" | "DoesNotExist", [_, ..]) => {
            return Err(list.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        ("Exists", _) => Operator::Exists,
        ("DoesNotExist", _) => Operator::DoesNotExist,
        ("Gt", [bound]) if bound.parse::<i64>().is_ok() => Operator::Gt,
        ("Lt", [bound]) if bound.parse::<i64>().is_ok() => Operator::Lt,
        ("Gt" | "Lt", _) => return Err(list.invalid("must be one integer when `operator` is 'Gt' or 'Lt'")),
        _ => return Err(operator.unsupported(operators)),
    };
    Ok(Requirement { key, operator: parsed, values })
}
