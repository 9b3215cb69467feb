//! Kubernetes quantities: exact fixed-point numbers with a suffix (`500m`, `1Gi`, `1e3`).
//!
//! Grammar, rounding and canonical form follow `k8s.io/apimachinery/pkg/api/resource`: nothing smaller
//! than a billionth (rounded up), nothing beyond 2⁶³-1 (capped).

mod parse;
mod print;

use std::cmp::Ordering;
use std::ops::Neg;

use serde_json::Value;

const NANO: i128 = 1_000_000_000;
const MICRO_PER_MILLI: i128 = 1_000_000;
/// The largest amount, in billionths.
const MAX: i128 = i64::MAX as i128 * NANO;

/// An amount, and the family of suffixes it was written with.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// The family of suffixes that a quantity keeps when it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`
    BinarySi,
    /// `e3`
    DecimalExponent,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Upstream's words: clients see them.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Malformed,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    pub const ZERO: Quantity = Quantity { nano: 0, format: Format::DecimalSi };

    /// Whole units, printed with decimal suffixes.
    pub const fn decimal(units: i64) -> Quantity {
        Quantity { nano: units as i128 * NANO, format: Format::DecimalSi }
    }

    /// Bytes, printed with binary suffixes.
    pub const fn binary(bytes: i64) -> Quantity {
        Quantity { nano: bytes as i128 * NANO, format: Format::BinarySi }
    }

    /// Thousandths: `Quantity::milli(500)` is `500m`.
    pub const fn milli(thousandths: i64) -> Quantity {
        Quantity { nano: thousandths as i128 * MICRO_PER_MILLI, format: Format::DecimalSi }
    }

    /// A field of an object: a string, or a plain number as YAML allows it.
    pub fn from_json(value: &Value) -> Result<Quantity, QuantityError> {
        match value {
            Value::String(text) => text.trim().parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(QuantityError::Malformed),
        }
    }

    /// Whole units, rounded up: bytes, cores, pods.
    pub fn value(&self) -> i64 {
        saturate(ceil_div(self.nano, NANO))
    }

    /// Thousandths, rounded up: a cpu's millicores.
    pub fn milli_value(&self) -> i64 {
        saturate(ceil_div(self.nano, MICRO_PER_MILLI))
    }

    /// The whole units, if it is nothing but whole.
    pub fn whole(&self) -> Option<i64> {
        if self.nano % NANO == 0 { i64::try_from(self.nano / NANO).ok() } else { None }
    }

    /// The nearest double.
    pub fn approximate(&self) -> f64 {
        let (units, rest) = (self.nano / NANO, self.nano % NANO);
        units as f64 + rest as f64 / NANO as f64
    }

    /// Whether there is more than whole units, as upstream asks it: of thousandths, rounded up.
    pub fn is_fractional(&self) -> bool {
        self.milli_value() % 1000 != 0
    }

    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The sum, in the format of the first that is not zero.
    pub fn add(&self, other: &Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nano: (self.nano + other.nano).clamp(-MAX, MAX), format }
    }

    pub fn sub(&self, other: &Quantity) -> Quantity {
        self.add(&-*other)
    }

    /// The amount in whole thousandths; `None` when it is already.
    pub fn rounded_up_to_milli(&self) -> Option<Quantity> {
        let rounded = ceil_div(self.nano, MICRO_PER_MILLI) * MICRO_PER_MILLI;
        (rounded != self.nano).then_some(Quantity { nano: rounded, format: self.format })
    }
}

impl Neg for Quantity {
    type Output = Quantity;

    fn neg(self) -> Quantity {
        Quantity { nano: -self.nano, ..self }
    }
}

/// Amounts compare; how they were written does not matter.
impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

/// Rounds away from zero.
fn ceil_div(amount: i128, unit: i128) -> i128 {
    let (quotient, remainder) = (amount / unit, amount % unit);
    quotient + remainder.signum()
}

fn saturate(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
