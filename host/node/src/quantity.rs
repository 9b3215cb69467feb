//! Quantities as the node needs them: whole units and thousandths.

use serde_json::Value;

/// Thousandths of a unit, rounded up as Kubernetes rounds (`1m` of memory is one byte).
pub fn milli(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whole units, rounded up: bytes, pods.
pub fn whole(value: &Value) -> Option<i64> {
    let milli = milli(value)?;
    i64::try_from(milli.div_euclid(1000) + i128::from(milli.rem_euclid(1000) != 0)).ok()
}

fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    // Nanos in between, so that `0.5Ki`, `100n` and `1.5` are all exact.
    let nanos = decimal_nanos(number)?;
    let scaled = match suffix {
        "" => nanos,
        "n" => nanos / 1_000_000_000,
        "u" => nanos / 1_000_000,
        "m" => nanos / 1_000,
        "k" => nanos.checked_mul(1_000)?,
        "M" => nanos.checked_mul(1_000_000)?,
        "G" => nanos.checked_mul(1_000_000_000)?,
        "T" => nanos.checked_mul(1_000_000_000_000)?,
        "P" => nanos.checked_mul(1_000_000_000_000_000)?,
        "E" => nanos.checked_mul(1_000_000_000_000_000_000)?,
        "Ki" => nanos.checked_mul(1 << 10)?,
        "Mi" => nanos.checked_mul(1 << 20)?,
        "Gi" => nanos.checked_mul(1 << 30)?,
        "Ti" => nanos.checked_mul(1 << 40)?,
        "Pi" => nanos.checked_mul(1 << 50)?,
        "Ei" => nanos.checked_mul(1 << 60)?,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            if power >= 0 {
                nanos.checked_mul(10i128.checked_pow(power as u32)?)?
            } else {
                nanos / 10i128.checked_pow(power.unsigned_abs())?
            }
        }
    };
    Some(scaled.div_euclid(1_000_000) + i128::from(scaled.rem_euclid(1_000_000) != 0))
}

fn decimal_nanos(number: &str) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos = whole.checked_mul(1_000_000_000)? + padded.parse::<i128>().ok()?;
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_every_notation() {
        for (text, expected) in [
            ("100m", 100),
            ("1", 1000),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("1e3", 1_000_000),
            ("1k", 1_000_000),
            ("128Mi", 134_217_728_000),
        ] {
            assert_eq!(milli(&json!(text)), Some(expected), "{text}");
        }
        assert_eq!(milli(&json!(2)), Some(2000));
        assert_eq!(whole(&json!("1m")), Some(1));
        assert_eq!(milli(&json!("x")), None);
        assert_eq!(milli(&json!("1e999")), None);
    }
}
