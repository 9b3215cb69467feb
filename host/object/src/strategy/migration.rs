//! StorageVersionMigrations.

use super::{WITH_STATUS, ensure, restore_metadata};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    default: |migration| {
        ensure(migration, "status");
    },
    prepare_part: |new, old, _, _| restore_metadata(new, old),
    validate: validation::migration::validate_migration,
    validate_part: Some(validation::migration::validate_status),
    ..WITH_STATUS
};
