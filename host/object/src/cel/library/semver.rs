//! Semantic versions.

use std::cmp::Ordering;

use super::{Fault, Meter, Native, Row, Value, text};

/// What follows a plus is kept out: it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    /// What stands before a release comes before it.
    before: Vec<Identifier>,
}

/// Numbers come before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

pub(super) const ROWS: &[Row] = &[
    ("semver(string): kubernetes.Semver", convert),
    ("semver(string, bool): kubernetes.Semver", convert),
    ("isSemver(string): bool", |a, meter| Ok(Value::Bool(read(a, meter)?.is_ok()))),
    ("isSemver(string, bool): bool", |a, meter| Ok(Value::Bool(read(a, meter)?.is_ok()))),
    ("(kubernetes.Semver).isGreaterThan(kubernetes.Semver): bool", |a, _| {
        Ok(Value::Bool(order(a)? == Ordering::Greater))
    }),
    ("(kubernetes.Semver).isLessThan(kubernetes.Semver): bool", |a, _| {
        Ok(Value::Bool(order(a)? == Ordering::Less))
    }),
    ("(kubernetes.Semver).compareTo(kubernetes.Semver): int", |a, _| Ok(Value::Int(order(a)? as i64))),
    ("(kubernetes.Semver).major(): int", |a, _| part(a, 0)),
    ("(kubernetes.Semver).minor(): int", |a, _| part(a, 1)),
    ("(kubernetes.Semver).patch(): int", |a, _| part(a, 2)),
];

fn convert(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    read(a, meter)?.map(|version| Value::native(Native::Semver(version))).map_err(Fault::other)
}

fn read(a: &[Value], meter: &Meter) -> Result<Result<Semver, String>, Fault> {
    let text = text(&a[0])?;
    meter.traverse(text.len())?;
    Ok(match a.get(1) {
        Some(Value::Bool(true)) => normalized(text).and_then(|text| parse(&text)),
        _ => parse(text),
    })
}

fn version(value: &Value) -> Result<&Semver, Fault> {
    match value {
        Value::Native(native) => match &**native {
            Native::Semver(version) => Ok(version),
            _ => Err(Fault::NoSuchOverload),
        },
        _ => Err(Fault::NoSuchOverload),
    }
}

fn part(a: &[Value], index: usize) -> Result<Value, Fault> {
    Ok(Value::Int(i64::try_from(version(&a[0])?.numbers[index]).unwrap_or(i64::MAX)))
}

fn order(a: &[Value]) -> Result<Ordering, Fault> {
    let (a, b) = (version(&a[0])?, version(&a[1])?);
    let released = |version: &Semver| version.before.is_empty();
    Ok(a.numbers.cmp(&b.numbers).then(released(a).cmp(&released(b))).then_with(|| a.before.cmp(&b.before)))
}

fn parse(text: &str) -> Result<Semver, String> {
    if text.is_empty() {
        return Err("Version string empty".into());
    }
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, before) = rest.split_once('-').map_or((rest, None), |(core, before)| (core, Some(before)));
    let parts: Vec<&str> = core.split('.').collect();
    let [major, minor, patch] = parts[..] else { return Err("No Major.Minor.Patch elements found".into()) };
    for identifier in build.into_iter().flat_map(|build| build.split('.')) {
        check_letters(identifier, "Build meta data")?;
    }
    let before = before.map_or(Ok(Vec::new()), |before| before.split('.').map(identifier).collect())?;
    Ok(Semver {
        numbers: [numeric(major, "Major")?, numeric(minor, "Minor")?, numeric(patch, "Patch")?],
        before,
    })
}

fn numeric(digits: &str, what: &str) -> Result<u64, String> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {} number {digits:?}", what.to_lowercase()));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(format!("{what} number must not contain leading zeroes {digits:?}"));
    }
    digits.parse().map_err(|_| format!("{what} number is out of range {digits:?}"))
}

fn identifier(text: &str) -> Result<Identifier, String> {
    check_letters(text, "Prerelease")?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Identifier::Text(text.to_owned()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("Numeric PreRelease version must not contain leading zeroes {text:?}"));
    }
    text.parse().map(Identifier::Number).map_err(|_| format!("PreRelease number is out of range {text:?}"))
}

fn check_letters(text: &str, what: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.bytes().all(known) {
        Ok(())
    } else {
        Err(format!("Invalid character(s) found in {what} {text:?}"))
    }
}

/// Without a leading `v`, with three numbers, without leading zeros.
fn normalized(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
        return Err("short version cannot contain PreRelease/Build meta data".into());
    }
    parts.resize(3, "0".into());
    Ok(parts.join("."))
}

fn without_zeros(part: &str) -> String {
    let rest = if part.len() > 1 { part.trim_start_matches('0') } else { part };
    if rest.starts_with(|c: char| c.is_ascii_digit()) || part.len() <= 1 {
        rest.into()
    } else {
        format!("0{rest}")
    }
}
