//! Timestamps and durations.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Fault, Meter, Row, Value, number, text};

/// Years 1 to 9999.
pub(in crate::cel) const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

pub(super) const ROWS: &[Row] = &[
    ("timestamp(timestamp): timestamp", to_timestamp),
    ("timestamp(string): timestamp", to_timestamp),
    ("timestamp(int): timestamp", to_timestamp),
    ("duration(duration): duration", to_duration),
    ("duration(string): duration", to_duration),
    ("duration(int): duration", to_duration),
    ("(timestamp).getFullYear(): int", |a, _| part(a, |at| at.year().into())),
    ("(timestamp).getFullYear(string): int", |a, _| part(a, |at| at.year().into())),
    ("(timestamp).getMonth(): int", |a, _| part(a, |at| i64::from(at.month()) - 1)),
    ("(timestamp).getMonth(string): int", |a, _| part(a, |at| i64::from(at.month()) - 1)),
    ("(timestamp).getDayOfYear(): int", |a, _| part(a, |at| i64::from(at.day_of_year()) - 1)),
    ("(timestamp).getDayOfYear(string): int", |a, _| part(a, |at| i64::from(at.day_of_year()) - 1)),
    ("(timestamp).getDayOfMonth(): int", |a, _| part(a, |at| i64::from(at.day()) - 1)),
    ("(timestamp).getDayOfMonth(string): int", |a, _| part(a, |at| i64::from(at.day()) - 1)),
    ("(timestamp).getDate(): int", |a, _| part(a, |at| at.day().into())),
    ("(timestamp).getDate(string): int", |a, _| part(a, |at| at.day().into())),
    ("(timestamp).getDayOfWeek(): int", |a, _| part(a, day_of_week)),
    ("(timestamp).getDayOfWeek(string): int", |a, _| part(a, day_of_week)),
    ("(timestamp).getHours(): int", |a, _| part(a, |at| at.hour().into())),
    ("(timestamp).getHours(string): int", |a, _| part(a, |at| at.hour().into())),
    ("(timestamp).getMinutes(): int", |a, _| part(a, |at| at.minute().into())),
    ("(timestamp).getMinutes(string): int", |a, _| part(a, |at| at.minute().into())),
    ("(timestamp).getSeconds(): int", |a, _| part(a, |at| at.second().into())),
    ("(timestamp).getSeconds(string): int", |a, _| part(a, |at| at.second().into())),
    ("(timestamp).getMilliseconds(): int", |a, _| part(a, |at| at.millisecond().into())),
    ("(timestamp).getMilliseconds(string): int", |a, _| part(a, |at| at.millisecond().into())),
    ("(duration).getHours(): int", |a, _| whole(a, |of| of.as_hours())),
    ("(duration).getMinutes(): int", |a, _| whole(a, |of| of.as_mins())),
    ("(duration).getSeconds(): int", |a, _| whole(a, |of| of.as_secs())),
    ("(duration).getMilliseconds(): int", |a, _| {
        whole(a, |of| i64::try_from(of.as_millis()).unwrap_or(i64::MAX))
    }),
];

fn to_timestamp(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(Value::Timestamp(match &a[0] {
        Value::Timestamp(at) => *at,
        Value::String(text) => parse_timestamp(text)
            .ok_or_else(|| Fault::other(format!("parsing time {text:?}: not in RFC 3339 format")))?,
        other => Timestamp::from_second(number(other)?).map_err(|_| Fault::other("timestamp overflow"))?,
    }))
}

/// RFC 3339, years 1 to 9999.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let is_whole = text.len() >= 20 && matches!(text.as_bytes()[10], b'T' | b't');
    let at: Timestamp = text.parse().ok().filter(|_| is_whole && !text.contains('['))?;
    SECONDS.contains(&at.as_second()).then_some(at)
}

fn to_duration(a: &[Value], _: &Meter) -> Result<Value, Fault> {
    Ok(Value::Duration(match &a[0] {
        Value::Duration(duration) => *duration,
        Value::String(text) => {
            parse_duration(text).ok_or_else(|| Fault::other(format!("time: invalid duration {text:?}")))?
        }
        other => SignedDuration::from_nanos(number(other)?),
    }))
}

/// Go's notation: `1h30m`, `-1.5s`, `100ms`.
pub(crate) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let (amount, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        nanos = nanos.checked_add(scaled(amount, unit_of(unit)?)?)?;
        rest = after;
    }
    let nanos = i64::try_from(if negative { -nanos } else { nanos }).ok()?;
    Some(SignedDuration::from_nanos(nanos))
}

fn unit_of(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Digits with at most one point, times the unit; what is finer is cut off.
fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let fraction = &fraction[..fraction.len().min(18)];
    let part = parse(fraction)?.checked_mul(unit)? / 10_i128.pow(fraction.len() as u32);
    parse(whole)?.checked_mul(unit)?.checked_add(part)
}

fn whole(a: &[Value], of: impl Fn(&SignedDuration) -> i64) -> Result<Value, Fault> {
    match &a[0] {
        Value::Duration(duration) => Ok(Value::Int(of(duration))),
        _ => Err(Fault::NoSuchOverload),
    }
}

/// A part of a moment as a clock of the zone shows it; UTC where none is given.
fn part(a: &[Value], of: impl Fn(&Zoned) -> i64) -> Result<Value, Fault> {
    let Value::Timestamp(at) = &a[0] else { return Err(Fault::NoSuchOverload) };
    let zone = match a.get(1) {
        None => TimeZone::UTC,
        Some(name) => zone(text(name)?)?,
    };
    Ok(Value::Int(of(&at.to_zoned(zone))))
}

/// `UTC`, `America/New_York`, `-07:30`.
fn zone(name: &str) -> Result<TimeZone, Fault> {
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let unknown = || Fault::other(format!("unknown time zone {name}"));
    let Some((hours, minutes)) = name.split_once(':') else {
        return TimeZone::get(name).map_err(|_| unknown());
    };
    let (negative, digits) = match hours.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, hours.strip_prefix('+').unwrap_or(hours)),
    };
    let whole = |digits: &str| digits.parse::<i32>().ok().filter(|number| (0..60).contains(number));
    let (hours, minutes) = whole(digits).zip(whole(minutes)).ok_or_else(unknown)?;
    let seconds = hours * 3600 + minutes * 60;
    let offset = Offset::from_seconds(if negative { -seconds } else { seconds }).map_err(|_| unknown())?;
    Ok(TimeZone::fixed(offset))
}

fn day_of_week(at: &Zoned) -> i64 {
    at.weekday().to_sunday_zero_offset().into()
}
