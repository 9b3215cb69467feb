//! StorageVersionMigrations.

use super::{WITH_LONE_STATUS, ensure};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    default: |migration| {
        ensure(migration, "status");
    },
    validate: validation::migration::validate_migration,
    validate_part: Some(validation::migration::validate_status),
    ..WITH_LONE_STATUS
};
