use std::str::FromStr;

use super::{Format, MAX, Quantity, QuantityError};

/// Digits after the point that are looked at; what lies beyond only rounds up.
const FRACTION_DIGITS: usize = 18;
const FRACTION: i128 = 1_000_000_000_000_000_000;
const FRACTION_PER_NANO: i128 = 1_000_000_000;

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let number = Number::parse(number).ok_or(QuantityError::Malformed)?;
        let (scale, format) = scale(suffix)?;
        let nano = number.scaled(scale).unwrap_or(MAX).min(MAX);
        Ok(Quantity { nano: if negative { -nano } else { nano }, format })
    }
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    PowerOfTen(i32),
    PowerOfTwo(u32),
}

/// Digits as written; `None` for a whole part that no amount reaches.
struct Number {
    whole: Option<i128>,
    /// In units of 10⁻¹⁸, rounded up.
    fraction: i128,
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole = if whole.is_empty() { Some(0) } else { whole.parse().ok() };
        Some(Number { whole, fraction: parse_fraction(fraction) })
    }

    fn is_zero(&self) -> bool {
        self.whole == Some(0) && self.fraction == 0
    }

    /// Billionths, rounded up; `None` when the amount is too large to hold.
    fn scaled(&self, scale: Scale) -> Option<i128> {
        if self.is_zero() {
            return Some(0);
        }
        match scale {
            Scale::PowerOfTen(exponent) if exponent < 0 => self.divided(exponent.unsigned_abs()),
            Scale::PowerOfTen(exponent) => self.multiplied(10_i128.checked_pow(exponent.unsigned_abs())?),
            Scale::PowerOfTwo(exponent) => self.multiplied(1 << exponent),
        }
    }

    fn multiplied(&self, factor: i128) -> Option<i128> {
        let whole = self.whole?.checked_mul(factor)?.checked_mul(super::NANO)?;
        let fraction = self.fraction.checked_mul(factor)?;
        whole.checked_add(super::ceil_div(fraction, FRACTION_PER_NANO))
    }

    fn divided(&self, exponent: u32) -> Option<i128> {
        let amount = self.whole?.checked_mul(FRACTION)?.checked_add(self.fraction)?;
        let divisor = 10_i128.checked_pow(exponent).and_then(|power| power.checked_mul(FRACTION_PER_NANO));
        // Too small to tell from zero, but not zero.
        Some(divisor.map_or(1, |divisor| super::ceil_div(amount, divisor)))
    }
}

fn parse_fraction(digits: &str) -> i128 {
    let (kept, beyond) = digits.split_at(digits.len().min(FRACTION_DIGITS));
    let padded = format!("{kept:0<FRACTION_DIGITS$}");
    let fraction: i128 = padded.parse().unwrap_or(0);
    fraction + i128::from(beyond.bytes().any(|digit| digit != b'0'))
}

fn scale(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    use Scale::{PowerOfTen, PowerOfTwo};
    let found = match suffix {
        "n" => (PowerOfTen(-9), Format::DecimalSi),
        "u" => (PowerOfTen(-6), Format::DecimalSi),
        "m" => (PowerOfTen(-3), Format::DecimalSi),
        "" => (PowerOfTen(0), Format::DecimalSi),
        "k" => (PowerOfTen(3), Format::DecimalSi),
        "M" => (PowerOfTen(6), Format::DecimalSi),
        "G" => (PowerOfTen(9), Format::DecimalSi),
        "T" => (PowerOfTen(12), Format::DecimalSi),
        "P" => (PowerOfTen(15), Format::DecimalSi),
        "E" => (PowerOfTen(18), Format::DecimalSi),
        "Ki" => (PowerOfTwo(10), Format::BinarySi),
        "Mi" => (PowerOfTwo(20), Format::BinarySi),
        "Gi" => (PowerOfTwo(30), Format::BinarySi),
        "Ti" => (PowerOfTwo(40), Format::BinarySi),
        "Pi" => (PowerOfTwo(50), Format::BinarySi),
        "Ei" => (PowerOfTwo(60), Format::BinarySi),
        other => (PowerOfTen(exponent(other)?), Format::DecimalExponent),
    };
    Ok(found)
}

/// `e3`, `E-6`
fn exponent(suffix: &str) -> Result<i32, QuantityError> {
    let digits = suffix.strip_prefix(['e', 'E']).ok_or_else(|| suffix_error(suffix))?;
    digits.parse::<i32>().map_err(|_| suffix_error(suffix))
}

/// Letters that could be a suffix are a bad suffix; anything else is no quantity at all.
fn suffix_error(suffix: &str) -> QuantityError {
    let plausible = suffix.chars().all(|c| "eEinumkKMGTP+-".contains(c) || c.is_ascii_digit());
    if plausible { QuantityError::Suffix } else { QuantityError::Malformed }
}
