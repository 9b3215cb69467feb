use super::PLAIN;
use crate::kind::Strategy;
use crate::validation;

/// Of `events.k8s.io`, which asks for more.
pub(crate) const NEW: Strategy = Strategy { validate: validation::event::validate_new, ..PLAIN };

pub(crate) const STRATEGY: Strategy = Strategy { validate: validation::event::validate, ..PLAIN };
