//! Expressions that select devices (`k8s.io/dynamic-resource-allocation/cel`).

use super::{Declared, Environment, Type, compile};

/// Gives a value a name within an expression, which only who chooses devices understands.
const BINDING: &str = "cel.bind(";

/// # Errors
/// What is wrong with an expression about `device`, in upstream's words.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.contains(BINDING) {
        return Ok(());
    }
    let environment = Environment::default().with("device", device_type());
    let program = compile(text, &environment).map_err(|issues| format!("compilation failed: {issues}"))?;
    match program.of() {
        Type::Bool | Type::Dyn => Ok(()),
        other => Err(format!("must evaluate to bool or the unknown type, not {other}")),
    }
}

fn device_type() -> Type {
    let by_domain = |of: Type| Type::map(Type::String, Type::map(Type::String, of));
    Declared::object(
        "kubernetes.DRADevice",
        vec![
            ("driver", Type::String),
            ("allowMultipleAllocations", Type::Bool),
            // Only while it runs it is known what an attribute is.
            ("attributes", by_domain(Type::Dyn)),
            ("capacity", by_domain(Type::Native("kubernetes.Quantity"))),
        ],
    )
}
