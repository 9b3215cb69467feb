use super::PLAIN;
use crate::kind::Strategy;
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy { validate: validation::event::validate, ..PLAIN };
