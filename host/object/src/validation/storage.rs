//! Volumes and claims.

mod claim;
mod volume;

pub(crate) use claim::{validate_claim, validate_claim_part, validate_claim_spec};
pub(crate) use volume::{validate_volume, validate_volume_part};
