//! Expressions that select devices (`k8s.io/dynamic-resource-allocation/cel`).

use super::{Bounds, Declared, Environment, Type, compile};

/// Units one expression may cost at most (`CELSelectorExpressionMaxCost`).
const MOST: u64 = 1_000_000;

/// What is wrong with an expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// In upstream's words.
    Invalid(String),
    TooCostly,
}

/// Whether an expression about `device` can select one.
pub(crate) fn check(text: &str) -> Result<(), Refusal> {
    let program = compile(text, &environment())
        .map_err(|issues| Refusal::Invalid(format!("compilation failed: {issues}")))?;
    match program.of() {
        Type::Bool | Type::Any => {}
        other => {
            let why = format!("must evaluate to bool or the unknown type, not {other}");
            return Err(Refusal::Invalid(why));
        }
    }
    if program.most_cost(&Size::Variables) > MOST { Err(Refusal::TooCostly) } else { Ok(()) }
}

fn environment() -> Environment {
    // Attributes are no lists as long as `DRAListTypeAttributes` is off.
    Environment::default().with("device", device_type()).with_bindings().without("includes")
}

fn device_type() -> Type {
    let by_domain = |of: Type| Type::map(Type::String, Type::map(Type::String, of));
    Declared::object(
        "kubernetes.DRADevice",
        vec![
            ("driver", Type::String),
            ("allowMultipleAllocations", Type::Bool),
            // Only while it runs it is known what an attribute is.
            ("attributes", by_domain(Type::Any)),
            ("capacity", by_domain(Type::Native("kubernetes.Quantity"))),
        ],
    )
}

/// How large the parts of a device can be.
#[derive(Debug, Clone, Copy)]
enum Size {
    Variables,
    Device,
    /// Maps by domain, of maps by name.
    Domains,
    Names,
    /// Bytes.
    Text(u64),
}

/// Bytes of a driver's name.
const DRIVER: u64 = 63;
/// Entries of each map, attributes and capacities together.
const ENTRIES: u64 = 32;
/// Bytes of an attribute's value.
const VALUE: u64 = 64;

impl<'b> Bounds<'b> for Size {
    fn variable(&self, name: &str) -> Option<Box<dyn Bounds<'b> + 'b>> {
        (name == "device").then(|| Size::Device.boxed())
    }

    fn field(&self, name: &str) -> Option<Box<dyn Bounds<'b> + 'b>> {
        match (self, name) {
            (Size::Device, "driver") => Some(Size::Text(DRIVER).boxed()),
            (Size::Device, "attributes" | "capacity") => Some(Size::Domains.boxed()),
            (Size::Domains | Size::Names, _) => self.each(),
            (Size::Variables | Size::Device | Size::Text(_), _) => None,
        }
    }

    fn each(&self) -> Option<Box<dyn Bounds<'b> + 'b>> {
        match self {
            Size::Domains => Some(Size::Names.boxed()),
            Size::Names => Some(Size::Text(VALUE).boxed()),
            Size::Variables | Size::Device | Size::Text(_) => None,
        }
    }

    fn most(&self) -> Option<u64> {
        match self {
            Size::Domains | Size::Names => Some(ENTRIES),
            Size::Text(bytes) => Some(*bytes),
            Size::Variables | Size::Device => None,
        }
    }
}

impl Size {
    fn boxed<'b>(self) -> Box<dyn Bounds<'b> + 'b> {
        Box::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(text: &str) -> u64 {
        compile(text, &environment()).unwrap().most_cost(&Size::Variables)
    }

    #[test]
    fn costs_are_upstreams_where_sizes_are_known() {
        for (text, expected) in [
            ("true", 0),
            ("device.attributes[\"a.example\"].name", 4),
            ("cel.bind(a, device.attributes[\"a.example\"], a.name)", 15),
            ("device.driver == \"dra.example.com\"", 4),
            ("device.attributes[\"a.example\"].name == \"fish\"", 5),
            ("device.attributes[\"a.example\"].services.matches(\"[^a]?sym\")", 18),
        ] {
            assert_eq!(cost(text), expected, "{text}");
        }
    }

    #[test]
    fn attributes_are_one_thing_each() {
        let why = |text: &str| match check(text) {
            Err(Refusal::Invalid(why)) => why,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(check("device.attributes['a.example'].healthy"), Ok(()));
        assert_eq!(why("dyn(1)"), "must evaluate to bool or the unknown type, not dyn");
        assert_eq!(
            why("device.attributes['a.example'].a.b"),
            "must evaluate to bool or the unknown type, not dyn"
        );
        let includes = why("device.attributes['a.example'].a.includes(1)");
        assert!(includes.contains("undeclared reference to 'includes'"), "{includes}");
        let each = why("device.attributes['a.example'].ids.exists(i, i == 1)");
        assert!(each.contains("expression of type 'any' cannot be range of a comprehension"), "{each}");
    }

    #[test]
    fn names_are_bound_once_and_only_here() {
        assert_eq!(check("cel.bind(a, device.attributes['a.example'], a.b && a.c)"), Ok(()));
        let Err(Refusal::Invalid(why)) = check("cel.bind(a, 1, b)") else { panic!("b is nothing") };
        assert!(why.contains("undeclared reference to 'b'"), "{why}");
        let Err(Refusal::Invalid(why)) = check("cel.bind(a, 1, a + 1)") else { panic!("it is a number") };
        assert_eq!(why, "must evaluate to bool or the unknown type, not int");
        let Err(Refusal::Invalid(why)) = check("cel.bind('a', 1, true)") else { panic!("no name") };
        assert!(why.contains("cel.bind() variable names must be simple identifiers"), "{why}");
        assert!(compile("cel.bind(a, 1, true)", &Environment::default()).is_err());
    }

    #[test]
    fn a_bound_name_has_its_value() {
        let environment = Environment::default().with_bindings();
        let program = compile("cel.bind(a, 20, cel.bind(b, a + 1, a + b == 41))", &environment).unwrap();
        let nothing: Vec<(&str, super::super::Value)> = Vec::new();
        let meter = super::super::Meter::new(1000);
        assert_eq!(program.run(&nothing, &meter).unwrap(), super::super::Value::Bool(true));
    }

    #[test]
    fn what_could_cost_too_much_is_refused() {
        let ten = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
        let mut text = "int('1'.find('[0-9]*')) < 100".to_owned();
        for depth in 0..7 {
            text = format!("{ten}.all(x{depth}, {text})");
        }
        assert_eq!(check(&text), Err(Refusal::TooCostly));
    }
}
