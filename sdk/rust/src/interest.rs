use crate::bindings::scheduler::orch::host::interests;

/// A kind a plugin reads, and the parts of it. The host sends objects cut down to these paths and
/// wakes the plugin only when one of them changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// `v1`, `apps/v1`; `*` with kind `*` in a controller: every kind, metadata only.
    pub api_version: String,
    pub kind: String,
    /// Dotted paths; `[*]` steps into each item of a list. Empty: the whole object.
    pub fields: Vec<String>,
}

impl Interest {
    pub fn new(api_version: &str, kind: &str, fields: &[&str]) -> Self {
        Interest {
            api_version: api_version.into(),
            kind: kind.into(),
            fields: fields.iter().map(|field| field.to_string()).collect(),
        }
    }
}

impl From<Interest> for interests::Interest {
    fn from(interest: Interest) -> Self {
        let Interest { api_version, kind, fields } = interest;
        interests::Interest { api_version, kind, fields }
    }
}
