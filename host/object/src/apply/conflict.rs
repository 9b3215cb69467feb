//! Fields that others own, in upstream's words.

use std::fmt;

use serde_json::{Value, json};

use crate::managed_fields::{Entry, FieldSet, Operation, display_path};
use crate::status::Status;

/// One field and one of its owners.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// `"kubectl-client-side-apply" using apps/v1`, as messages name the owner.
    pub owner: String,
    /// `.spec.replicas`
    pub field: String,
    /// The same, element by element in wire form.
    pub(crate) path: Vec<String>,
}

/// Never empty when it is an error; sorted by owner.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    pub(crate) fn new<'e>(owned: impl Iterator<Item = (&'e Entry, FieldSet)>) -> Self {
        let mut owned: Vec<_> = owned.filter(|(_, fields)| !fields.is_empty()).collect();
        owned.sort_by_key(|(entry, _)| (&entry.manager, entry.operation, &entry.api_version));
        let mut conflicts = Vec::new();
        for (entry, fields) in owned {
            let owner = owner(entry);
            conflicts.extend(fields.paths().into_iter().map(|path| Conflict {
                owner: owner.clone(),
                field: display_path(&path),
                path: path.into_iter().map(str::to_owned).collect(),
            }));
        }
        Conflicts(conflicts)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn owner(entry: &Entry) -> String {
    let mut owner = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        owner += &format!(" with subresource {:?}", entry.subresource);
    }
    if entry.operation == Operation::Update {
        owner += &format!(" using {}", entry.api_version);
    }
    owner
}

impl std::error::Error for Conflicts {}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.0[..] {
            return write!(f, "Apply failed with 1 conflict: conflict with {}: {}", only.owner, only.field);
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut previous = None;
        for (position, conflict) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            if previous != Some(&conflict.owner) {
                writeln!(f, "conflicts with {}:", conflict.owner)?;
                previous = Some(&conflict.owner);
            }
            write!(f, "- {}", conflict.field)?;
        }
        Ok(())
    }
}

impl From<Conflicts> for Status {
    fn from(conflicts: Conflicts) -> Self {
        let cause = |conflict: &Conflict| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {}", conflict.owner),
                "field": conflict.field,
            })
        };
        let causes: Vec<Value> = conflicts.0.iter().map(cause).collect();
        let details = Some(json!({ "causes": causes }));
        Status { details, ..Status::new(409, "Conflict", conflicts.to_string()) }
    }
}
