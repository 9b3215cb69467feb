//! Leases, disruption budgets, priority classes, runtime classes.

use super::{PLAIN, WITH_STATUS, default_to, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const LEASE: Strategy = Strategy { validate: validation::policy::validate_lease, ..PLAIN };

pub(crate) const PRIORITY_CLASS: Strategy = Strategy {
    default: |class| default_to(class, "preemptionPolicy", "PreemptLowerPriority"),
    // No change of a class counts.
    prepare_create: |class| {
        if let Some(metadata) = part(class, "metadata") {
            metadata["generation"] = 1.into();
        }
    },
    validate: validation::policy::validate_priority_class,
    ..PLAIN
};

pub(crate) const DISRUPTION_BUDGET: Strategy = Strategy {
    validate: validation::policy::validate_disruption_budget,
    validate_part: Some(validation::policy::validate_disruption_status),
    ..WITH_STATUS
};

pub(crate) const RUNTIME_CLASS: Strategy = Strategy {
    validate: validation::policy::validate_runtime_class,
    warn: validation::policy::warn_of_runtime_class,
    ..PLAIN
};
