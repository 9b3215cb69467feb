//! Why an expression has no value.

/// In cel-go's words: clients see them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no such overload")]
    NoSuchOverload,
    #[error("no such key: {0}")]
    NoSuchKey(String),
    #[error("undeclared reference to '{0}'")]
    NoSuchVariable(String),
    /// The expression costs more than one may.
    #[error("operation cancelled: actual cost limit exceeded")]
    TooCostly,
    #[error("{0}")]
    Other(String),
}

impl Fault {
    pub fn other(why: impl Into<String>) -> Fault {
        Fault::Other(why.into())
    }

    /// Nothing in the expression can make up for it.
    pub fn is_final(&self) -> bool {
        matches!(self, Fault::TooCostly)
    }
}
