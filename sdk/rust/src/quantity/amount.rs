use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};

use serde_json::Value;

/// One, in billionths.
const ONE: i128 = 1_000_000_000;
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// A quantity to the billionth that remembers in which suffixes it was written, and is written so
/// again: upstream's canonical form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Amount {
    billionths: i128,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Format {
    #[default]
    Decimal,
    Binary,
    /// `1e3`
    Exponent,
}

impl Amount {
    pub const ZERO: Amount = Amount { billionths: 0, format: Format::Decimal };

    /// So many whole units.
    pub const fn units(units: i64) -> Amount {
        Amount { billionths: units as i128 * ONE, format: Format::Decimal }
    }

    pub fn parse(text: &str) -> Option<Amount> {
        let billionths = super::exact(text, ONE)?;
        let suffix = text.trim_start_matches(|c: char| matches!(c, '0'..='9' | '.' | '+' | '-'));
        let format = match suffix {
            "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => Format::Binary,
            "" | "E" => Format::Decimal,
            exponent if exponent.starts_with(['e', 'E']) => Format::Exponent,
            _ => Format::Decimal,
        };
        Some(Amount { billionths, format })
    }

    /// From an object's JSON, where small integers may be numbers.
    pub fn read(value: &Value) -> Option<Amount> {
        match value {
            Value::String(text) => Amount::parse(text),
            Value::Number(number) => Amount::parse(&number.to_string()),
            _ => None,
        }
    }

    pub fn is_zero(self) -> bool {
        self.billionths == 0
    }

    pub fn is_positive(self) -> bool {
        self.billionths > 0
    }

    pub fn is_negative(self) -> bool {
        self.billionths < 0
    }

    /// Up to a whole unit.
    pub fn rounded_up(self) -> Amount {
        let whole = super::divide_away_from_zero(self.billionths, ONE);
        Amount { billionths: whole.saturating_mul(ONE), ..self }
    }

    /// How many times `other` it is; `None` when that is zero.
    pub fn ratio(self, other: Amount) -> Option<f64> {
        (other.billionths != 0).then(|| self.billionths as f64 / other.billionths as f64)
    }

    fn combined(self, other: Amount, billionths: i128) -> Amount {
        let format = if self.is_zero() { other.format } else { self.format };
        Amount { billionths, format }
    }
}

impl Add for Amount {
    type Output = Amount;
    fn add(self, other: Amount) -> Amount {
        self.combined(other, self.billionths.saturating_add(other.billionths))
    }
}

impl Sub for Amount {
    type Output = Amount;
    fn sub(self, other: Amount) -> Amount {
        self.combined(other, self.billionths.saturating_sub(other.billionths))
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Amount) -> bool {
        self.billionths == other.billionths
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Amount) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Amount) -> Ordering {
        self.billionths.cmp(&other.billionths)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.billionths % ONE == 0;
        match self.format {
            _ if self.is_zero() => out.write_str("0"),
            Format::Binary if whole && self.billionths.abs() >= 1024 * ONE => {
                let (number, times) = divided(self.billionths / ONE, 1024, BINARY.len() - 1);
                write!(out, "{number}{}", BINARY[times])
            }
            Format::Binary | Format::Decimal => {
                let (number, times) = divided(self.billionths, 1000, DECIMAL.len() - 1);
                write!(out, "{number}{}", DECIMAL[times])
            }
            Format::Exponent => {
                let (number, times) = divided(self.billionths, 1000, usize::MAX);
                match 3 * times as i64 - 9 {
                    0 => write!(out, "{number}"),
                    exponent => write!(out, "{number}e{exponent}"),
                }
            }
        }
    }
}

/// Divides as often as nothing is left over.
fn divided(mut number: i128, by: i128, most: usize) -> (i128, usize) {
    let mut times = 0;
    while times < most && number != 0 && number % by == 0 {
        number /= by;
        times += 1;
    }
    (number, times)
}

impl From<Amount> for Value {
    fn from(amount: Amount) -> Value {
        amount.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    #[test]
    fn amounts_are_written_canonically() {
        for (text, canonical) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1.5Gi", "1536Mi"),
            ("1000Ki", "1000Ki"),
            ("1024Ki", "1Mi"),
            ("1023", "1023"),
            ("0.5Ki", "512"),
            ("1500", "1500"),
            ("1000000", "1M"),
            ("1e3", "1e3"),
            ("1200e3", "1200e3"),
            ("5E", "5E"),
            ("-500m", "-500m"),
            ("1n", "1n"),
        ] {
            assert_eq!(amount(text).to_string(), canonical, "{text}");
        }
        assert_eq!(Amount::parse("x"), None);
        assert_eq!(Amount::read(&Value::from(3)).unwrap().to_string(), "3");
    }

    #[test]
    fn a_sum_is_written_like_its_first_part() {
        assert_eq!((amount("500m") + amount("600m")).to_string(), "1100m");
        assert_eq!((Amount::ZERO + amount("256Mi") + amount("256Mi")).to_string(), "512Mi");
        assert_eq!((amount("1Gi") - amount("1Gi")).to_string(), "0");
        assert!(amount("1Gi") > amount("1G"));
        assert_eq!(amount("100m").rounded_up().to_string(), "1");
        assert_eq!(amount("1").ratio(amount("250m")), Some(4.0));
    }
}
