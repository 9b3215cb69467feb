//! What expressions and their parts are, as the checker sees them.

use std::fmt;
use std::sync::Arc;

/// The type of an expression.
#[derive(Debug, Clone)]
pub enum Type {
    /// Only known while the expression runs.
    Dyn,
    /// As `Dyn`, of what is no list and no map: nothing can be done for each of it.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    /// The type of a type's name.
    Type(Arc<Type>),
    Object(Arc<dyn Fields>),
    /// A type of a library of Kubernetes', by CEL's name for it.
    Native(&'static str),
    /// A letter that stands for any one type within a signature.
    Param(char),
}

/// The fields of an object type. They are asked for one at a time: a schema may contain itself.
pub trait Fields: fmt::Debug + Send + Sync {
    /// As messages name it.
    fn name(&self) -> &str;
    fn field(&self, name: &str) -> Option<Type>;
}

impl Type {
    pub fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }

    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    pub fn optional(of: Type) -> Type {
        Type::Optional(Arc::new(of))
    }

    pub fn is_dyn(&self) -> bool {
        matches!(self, Type::Dyn | Type::Any)
    }

    /// Whether the two are the same, not merely compatible.
    pub fn is_exactly(&self, other: &Type) -> bool {
        self.to_string() == other.to_string()
    }

    /// Null stands for a missing one of these.
    fn takes_null(&self) -> bool {
        matches!(self, Type::Object(_) | Type::Timestamp | Type::Duration | Type::Native(_) | Type::Null)
    }
}

/// As cel-go writes it: `list(string)`, `map(string, int)`, `kubernetes.Quantity`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Any => f.write_str("any"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::List(of) => write!(f, "list({of})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(of) => write!(f, "optional_type({of})"),
            Type::Type(of) => write!(f, "type({of})"),
            Type::Object(fields) => f.write_str(fields.name()),
            Type::Native(name) => f.write_str(name),
            Type::Param(letter) => write!(f, "{letter}"),
        }
    }
}

/// What the letters of a signature stand for in one call.
#[derive(Debug, Default, Clone)]
pub(super) struct Bindings(Vec<(char, Type)>);

impl Bindings {
    /// Whether a value of type `have` may be given where `want` is asked for.
    pub fn fits(&mut self, want: &Type, have: &Type) -> bool {
        match (want, have) {
            (Type::Param(letter), have) => self.bind(*letter, have),
            (Type::Dyn | Type::Any, _) | (_, Type::Dyn | Type::Any) => true,
            (Type::List(want), Type::List(have)) | (Type::Optional(want), Type::Optional(have)) => {
                self.fits(want, have)
            }
            (Type::Map(key, value), Type::Map(have_key, have_value)) => {
                self.fits(key, have_key) && self.fits(value, have_value)
            }
            (Type::Type(_), Type::Type(_)) => true,
            (Type::Object(want), Type::Object(have)) => want.name() == have.name(),
            (Type::Native(want), Type::Native(have)) => want == have,
            (want, Type::Null) => want.takes_null(),
            (want, have) => std::mem::discriminant(want) == std::mem::discriminant(have),
        }
    }

    fn bind(&mut self, letter: char, have: &Type) -> bool {
        let Some(at) = self.0.iter().position(|(bound, _)| *bound == letter) else {
            self.0.push((letter, have.clone()));
            return true;
        };
        let bound = self.0[at].1.clone();
        if bound.is_dyn() || self.fits(&bound, have) {
            // Of two that fit, what is known of the parts: `list(dyn)` gives way to `list(int)`.
            if has_dyn(&bound) && !has_dyn(have) && !bound.is_dyn() {
                self.0[at].1 = have.clone();
            }
            return true;
        }
        if self.fits(have, &bound) {
            self.0[at].1 = have.clone();
            return true;
        }
        false
    }

    /// The type with its letters replaced; one that nothing is known of is dyn.
    pub fn apply(&self, to: &Type) -> Type {
        match to {
            Type::Param(letter) => {
                self.0.iter().find(|(bound, _)| bound == letter).map_or(Type::Dyn, |(_, of)| of.clone())
            }
            Type::List(of) => Type::list(self.apply(of)),
            Type::Map(key, value) => Type::map(self.apply(key), self.apply(value)),
            Type::Optional(of) => Type::optional(self.apply(of)),
            Type::Type(of) => Type::Type(Arc::new(self.apply(of))),
            other => other.clone(),
        }
    }
}

fn has_dyn(of: &Type) -> bool {
    match of {
        Type::Dyn | Type::Any => true,
        Type::List(of) | Type::Optional(of) => has_dyn(of),
        Type::Map(key, value) => has_dyn(key) || has_dyn(value),
        _ => false,
    }
}
