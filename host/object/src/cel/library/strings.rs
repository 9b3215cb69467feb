//! The strings extension, version 2, and Kubernetes' regular expressions. Places count letters.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::standard::place;
use super::{Fault, Meter, Row, Value, items, number, text};

/// Bytes a compiled expression may take.
const LARGEST_REGEX: usize = 1 << 20;
/// Compiled expressions that a thread keeps.
const KEPT: usize = 64;

pub(super) const ROWS: &[Row] = &[
    ("(string).charAt(int): string", |a, meter| {
        let (text, at) = (text(&a[0])?, place(&a[1])?);
        meter.traverse(text.len())?;
        match text.chars().nth(at) {
            Some(letter) => Ok(Value::text(&letter.to_string())),
            None if at == text.chars().count() => Ok(Value::text("")),
            None => Err(out_of_range(&a[1])),
        }
    }),
    ("(string).indexOf(string): int", index_of),
    ("(string).indexOf(string, int): int", index_of),
    ("(string).lastIndexOf(string): int", last_index_of),
    ("(string).lastIndexOf(string, int): int", last_index_of),
    ("(string).lowerAscii(): string", |a, meter| changed(a, meter, |text| text.to_ascii_lowercase())),
    ("(string).upperAscii(): string", |a, meter| changed(a, meter, |text| text.to_ascii_uppercase())),
    ("(string).trim(): string", |a, meter| changed(a, meter, |text| text.trim().to_owned())),
    ("(string).replace(string, string): string", replace),
    ("(string).replace(string, string, int): string", replace),
    ("(string).split(string): list<string>", split),
    ("(string).split(string, int): list<string>", split),
    ("(string).substring(int): string", substring),
    ("(string).substring(int, int): string", substring),
    ("(list<string>).join(): string", join),
    ("(list<string>).join(string): string", join),
    ("strings.quote(string): string", |a, meter| changed(a, meter, quote)),
    ("(string).matches(string): bool", |a, meter| {
        let pattern = compiled(a, meter)?;
        Ok(Value::Bool(pattern.is_match(text(&a[0])?)))
    }),
    ("matches(string, string): bool", |a, meter| {
        let pattern = compiled(a, meter)?;
        Ok(Value::Bool(pattern.is_match(text(&a[0])?)))
    }),
    ("(string).find(string): string", |a, meter| {
        let pattern = compiled(a, meter)?;
        Ok(Value::text(pattern.find(text(&a[0])?).map_or("", |found| found.as_str())))
    }),
    ("(string).findAll(string): list<string>", find_all),
    ("(string).findAll(string, int): list<string>", find_all),
];

fn out_of_range(at: &Value) -> Fault {
    Fault::other(format!("index out of range: {}", at.print().unwrap_or_default()))
}

fn changed(a: &[Value], meter: &Meter, change: fn(&str) -> String) -> Result<Value, Fault> {
    let text = text(&a[0])?;
    meter.traverse(text.len())?;
    Ok(Value::text(&change(text)))
}

fn index_of(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (text, part) = (text(&a[0])?, text(&a[1])?);
    meter.traverse(text.len())?;
    let from = a.get(2).map_or(Ok(0), place)?;
    let length = text.chars().count();
    if part.is_empty() {
        return Ok(Value::Int(from.min(length) as i64));
    }
    let Some((start, _)) = text.char_indices().nth(from) else { return Ok(Value::Int(-1)) };
    let found = text[start..].find(part).map(|at| from + text[start..start + at].chars().count());
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn last_index_of(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (text, part) = (text(&a[0])?, text(&a[1])?);
    meter.traverse(text.len())?;
    let length = text.chars().count();
    let until = a.get(2).map(place).transpose()?;
    if part.is_empty() {
        return Ok(Value::Int(until.unwrap_or(length).min(length) as i64));
    }
    if until.is_some_and(|until| until >= length) {
        return Ok(Value::Int(-1));
    }
    // The last letter at which the part may begin, and the bytes up to its end.
    let last = until.unwrap_or(length).saturating_add(part.chars().count());
    let end = text.char_indices().nth(last).map_or(text.len(), |(at, _)| at);
    let found = text[..end].rfind(part).map(|at| text[..at].chars().count());
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn replace(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (text, old, new) = (text(&a[0])?, text(&a[1])?, text(&a[2])?);
    let most = a.get(3).map(number).transpose()?.and_then(|most| usize::try_from(most).ok());
    let count = if old.is_empty() { text.chars().count() + 1 } else { text.len() / old.len() };
    meter.traverse(2 * text.len() + count.min(most.unwrap_or(count)) * new.len())?;
    Ok(Value::text(&match most {
        Some(most) => text.replacen(old, new, most),
        None => text.replace(old, new),
    }))
}

fn split(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (text, by) = (text(&a[0])?, text(&a[1])?);
    meter.traverse(2 * text.len())?;
    let most = a.get(2).map(number).transpose()?.and_then(|most| usize::try_from(most).ok());
    if most == Some(0) {
        return Ok(Value::list(Vec::new()));
    }
    let most = most.unwrap_or(usize::MAX);
    if !by.is_empty() {
        return Ok(Value::texts(text.splitn(most, by)));
    }
    // By nothing: into letters, the last piece keeps the rest.
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if parts.len() + 1 == most {
            parts.push(rest);
            break;
        }
        let (first, after) = rest.split_at(letter.len_utf8());
        parts.push(first);
        rest = after;
    }
    Ok(Value::texts(parts))
}

fn substring(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let text = text(&a[0])?;
    meter.traverse(text.len())?;
    let length = text.chars().count();
    let start = place(&a[1])?;
    let end = a.get(2).map_or(Ok(length), place)?;
    for (at, value) in [(start, &a[1]), (end, a.get(2).unwrap_or(&a[1]))] {
        if at > length {
            return Err(out_of_range(value));
        }
    }
    if end < start {
        return Err(Fault::other(format!("invalid substring range. start: {start}, end: {end}")));
    }
    Ok(Value::text(&text.chars().skip(start).take(end - start).collect::<String>()))
}

fn join(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let between = a.get(1).map_or(Ok(""), text)?;
    let mut joined = String::new();
    for (index, item) in items(&a[0])?.iter().enumerate() {
        let item = text(item)?;
        meter.traverse(2 * (item.len() + between.len()))?;
        if index > 0 {
            joined.push_str(between);
        }
        joined.push_str(item);
    }
    Ok(Value::text(&joined))
}

/// In double quotes, safe to print.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn find_all(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let pattern = compiled(a, meter)?;
    let most = a.get(2).map(number).transpose()?.and_then(|most| usize::try_from(most).ok());
    let found = pattern.find_iter(text(&a[0])?).take(most.unwrap_or(usize::MAX));
    Ok(Value::texts(found.map(|found| found.as_str())))
}

/// The regular expression of the second argument, for the text of the first.
fn compiled(a: &[Value], meter: &Meter) -> Result<Regex, Fault> {
    let (subject, pattern) = (text(&a[0])?, text(&a[1])?);
    meter.spend((subject.len() as u64 + 1).div_ceil(10) * (pattern.len() as u64).div_ceil(4))?;
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    if let Some(known) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(known);
    }
    let regex = compile(pattern).map_err(|why| Fault::other(format!("Illegal regex: {why}")))?;
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
    });
    Ok(regex)
}

pub(in crate::cel) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(LARGEST_REGEX).dfa_size_limit(LARGEST_REGEX).build()
}
