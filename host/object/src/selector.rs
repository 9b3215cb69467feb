//! Label and field selectors: parsing, matching, printing.
//!
//! Grammar and messages are those of `k8s.io/apimachinery/pkg/labels` and `…/pkg/fields`.

mod field;
mod label;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub use field::{FieldRequirement, FieldSelector, field_text};
pub use label::{LabelSelector, Operator, Requirement};

/// Why a selector cannot be used; the message is what upstream answers in a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);

impl From<SelectorError> for crate::Status {
    fn from(error: SelectorError) -> Self {
        crate::Status::bad_request(error.0)
    }
}
