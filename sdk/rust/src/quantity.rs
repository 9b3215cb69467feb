//! Quantities (`500m`, `1Gi`, `1e3`) as whole units or thousandths, rounded up as Kubernetes does, or
//! exactly, as an [`Amount`] that is added up and written again.

mod amount;

pub use amount::Amount;

/// The value in thousandths: millicores of a CPU quantity.
pub fn milli(text: &str) -> Option<i64> {
    scaled(text, 1000)
}

/// The value in whole units: bytes of a memory quantity.
pub fn whole(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// `scale` times the quantity, rounded away from zero, saturating.
fn scaled(text: &str, scale: i128) -> Option<i64> {
    plain(text, scale as i64).or_else(|| any(text, scale))
}

/// What most quantities are, in 64 bits: some digits and a suffix that needs no rounding.
fn plain(text: &str, scale: i64) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits).filter(|_| (1..=15).contains(&digits))?;
    let number = number.bytes().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let factor = match suffix {
        "" => scale,
        "m" if scale == 1000 => 1,
        "Ki" => scale << 10,
        "Mi" => scale << 20,
        "Gi" => scale << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn any(text: &str, scale: i128) -> Option<i64> {
    exact(text, scale).map(|value| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// As [`scaled`], in 128 bits.
fn exact(text: &str, scale: i128) -> Option<i128> {
    let digits = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (mantissa, decimals) = mantissa(number)?;
    let (factor, exponent) = unit(suffix)?;
    let exponent = exponent - decimals;
    let value = mantissa.checked_mul(factor)?.checked_mul(scale)?;
    Some(if exponent >= 0 {
        value.checked_mul(power_of_ten(exponent)?).unwrap_or(i128::MAX)
    } else {
        divide_away_from_zero(value, power_of_ten(-exponent)?)
    })
}

/// `1.25` as 125 and 2 decimals. Digits beyond what could matter are cut.
fn mantissa(number: &str) -> Option<(i128, i32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains(['+', '-', '.'])
        || (whole.trim_start_matches(['+', '-']).is_empty() && fraction.is_empty())
    {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(15)];
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let digits = format!("{}{fraction}", whole.strip_prefix(['+', '-']).unwrap_or(whole));
    let value: i128 =
        digits.parse().ok().filter(|_| digits.len() <= 30 && !digits.starts_with(['+', '-']))?;
    Some((sign * value, fraction.len() as i32))
}

/// A binary factor and a decimal exponent.
fn unit(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|exponent| i32::abs(*exponent) <= 18)?),
    })
}

fn power_of_ten(exponent: i32) -> Option<i128> {
    10i128.checked_pow(exponent.try_into().ok()?)
}

fn divide_away_from_zero(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    quotient + if rest == 0 { 0 } else { rest.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        for text in ["0", "1", "100m", "250Mi", "64Gi", "7Ki", "999999999999999", "999999999999999Gi", "007"]
        {
            for scale in [1, 1000] {
                assert_eq!(scaled(text, scale.into()), any(text, scale.into()), "{text}");
                assert!(
                    plain(text, scale).is_none_or(|short| Some(short) == any(text, scale.into())),
                    "{text}"
                );
            }
        }
        assert_eq!(plain("250Mi", 1), Some(250 << 20));
    }

    #[test]
    fn quantities_are_read_and_rounded_up() {
        assert_eq!(milli("1"), Some(1000));
        assert_eq!(milli("500m"), Some(500));
        assert_eq!(milli("0.1"), Some(100));
        assert_eq!(milli("1.0005"), Some(1001));
        assert_eq!(milli("100n"), Some(1));
        assert_eq!(whole("1Gi"), Some(1 << 30));
        assert_eq!(whole("1.5Ki"), Some(1536));
        assert_eq!(whole("128974848"), Some(128_974_848));
        assert_eq!(whole("129e6"), Some(129_000_000));
        assert_eq!(whole("1E"), Some(1_000_000_000_000_000_000));
        assert_eq!(whole("123m"), Some(1));
        assert_eq!(whole("-1500m"), Some(-2));
        assert_eq!(whole(".5"), Some(1));
        assert_eq!(whole("100Ei"), Some(i64::MAX));
        for wrong in ["", "x", "1x", "1.2.3", "Mi", "1 Gi", "--1", "1-1", "."] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }
}
