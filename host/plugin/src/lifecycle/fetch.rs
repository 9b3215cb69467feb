use super::SourceSpec;
use crate::Source;

/// A component that may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub source: Source,
    /// The same component, whatever becomes of tags and files: what a rollback declares.
    pub pinned: SourceSpec,
}

/// Why there is nothing to load, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// CamelCase, for the condition.
    pub reason: &'static str,
    pub message: String,
}
