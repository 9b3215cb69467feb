//! Milliseconds since the epoch to and from RFC 3339 in UTC, without a calendar library: the
//! smallest thing a controller needs for `startTime`, `creationTimestamp` and conditions.

const DAY_MS: i64 = 86_400_000;

/// `2026-11-21T12:00:00Z`, as `metav1.Time` is written.
pub fn rfc3339(millis: u64) -> String {
    let (days, rest) = ((millis as i64).div_euclid(DAY_MS), (millis as i64).rem_euclid(DAY_MS) / 1000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `2026-11-21T12:00:00Z`, with or without a fraction, `Z` or an offset.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let (fraction, zone) = split_fraction(text.get(19..)?);
    let seconds = hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
    u64::try_from(days_from_civil(year, month, day) * DAY_MS + seconds * 1000 + fraction).ok()
}

fn split_fraction(rest: &str) -> (i64, &str) {
    let Some(digits) = rest.strip_prefix('.') else { return (0, rest) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let millis: String = digits[..end].chars().chain("000".chars()).take(3).collect();
    (millis.parse().unwrap_or(0), &digits[end..])
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days since 1970-01-01 to a Gregorian date; the year begins in March so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_262_400_123), "2026-11-21T12:00:00Z");
        for day in (0..40_000).step_by(13) {
            let millis = day * DAY_MS as u64 + 3_723_000;
            assert_eq!(parse_rfc3339(&rfc3339(millis)), Some(millis));
        }
    }

    #[test]
    fn fractions_and_offsets_are_read() {
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01.5Z"), Some(1500));
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01.123456Z"), Some(1123));
        assert_eq!(parse_rfc3339("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
