//! What an expression may name: variables and their types, and the objects it may make.

use std::sync::Arc;

use super::types::{Fields, Type};

/// The declarations that expressions of one place are checked against.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<(String, Type)>,
    makes_objects: bool,
    binds: bool,
    hidden: Vec<&'static str>,
}

impl Environment {
    /// With a variable more; a later one of the same name hides the earlier.
    pub fn with(mut self, name: &str, of: Type) -> Environment {
        self.variables.push((name.to_owned(), of));
        self
    }

    /// With what mutations are made of: `Object{…}`, `Object.spec{…}`, `JSONPatch{…}`.
    pub fn with_patches(mut self) -> Environment {
        self.makes_objects = true;
        self
    }

    /// With `cel.bind(name, value, expression)`.
    pub fn with_bindings(mut self) -> Environment {
        self.binds = true;
        self
    }

    /// Without a function that is known elsewhere.
    pub fn without(mut self, function: &'static str) -> Environment {
        self.hidden.push(function);
        self
    }

    pub(super) fn hides(&self, function: &str) -> bool {
        self.hidden.contains(&function) || (function == "jsonpatch.escapeKey" && !self.makes_objects)
    }

    pub(super) fn binds(&self) -> bool {
        self.binds
    }

    pub(super) fn variable(&self, name: &str) -> Option<Type> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, of)| of.clone())
    }

    pub(super) fn object_type(&self, name: &str) -> Option<Arc<dyn Fields>> {
        if !self.makes_objects {
            return None;
        }
        match name {
            "JSONPatch" => Some(Arc::new(JsonPatch)),
            name if name == "Object" || name.starts_with("Object.") => Some(Arc::new(Made(name.to_owned()))),
            _ => None,
        }
    }
}

/// `Object.spec`: any field may be set; the schema has its say when the patch is applied.
#[derive(Debug)]
struct Made(String);

impl Fields for Made {
    fn name(&self) -> &str {
        &self.0
    }

    fn field(&self, _: &str) -> Option<Type> {
        Some(Type::Dyn)
    }
}

#[derive(Debug)]
struct JsonPatch;

impl Fields for JsonPatch {
    fn name(&self) -> &str {
        "JSONPatch"
    }

    fn field(&self, name: &str) -> Option<Type> {
        match name {
            "op" | "path" | "from" => Some(Type::String),
            "value" => Some(Type::Dyn),
            _ => None,
        }
    }
}

/// Fields that are written down in the program.
#[derive(Debug)]
pub struct Declared {
    name: &'static str,
    fields: Vec<(&'static str, Type)>,
}

impl Declared {
    pub fn object(name: &'static str, fields: Vec<(&'static str, Type)>) -> Type {
        Type::Object(Arc::new(Declared { name, fields }))
    }
}

impl Fields for Declared {
    fn name(&self) -> &str {
        self.name
    }

    fn field(&self, name: &str) -> Option<Type> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, of)| of.clone())
    }
}
