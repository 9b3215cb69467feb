//! `"…%s…".format([…])`.

use super::standard::in_words;
use super::{Fault, Meter, Row, Value, items, text};

/// Digits after the point, where a clause does not say.
const PRECISION: usize = 6;
/// More digits say nothing and cost memory.
const MOST_DIGITS: usize = 1000;

pub(super) const ROWS: &[Row] = &[("(string).format(list<dyn>): string", format)];

fn format(a: &[Value], meter: &Meter) -> Result<Value, Fault> {
    let (template, arguments) = (text(&a[0])?, items(&a[1])?);
    let mut given = arguments.iter().enumerate();
    let mut written = String::new();
    let mut letters = template.chars();
    meter.traverse(template.len())?;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            written.push(letter);
            continue;
        }
        let mut clause = letters.next().ok_or_else(|| Fault::other("unexpected end of string"))?;
        if clause == '%' {
            written.push('%');
            continue;
        }
        let mut precision = None;
        if clause == '.' {
            (precision, clause) = read_precision(&mut letters)?;
        }
        let next = given.next();
        let (index, argument) =
            next.ok_or_else(|| Fault::other(format!("index {} out of range", arguments.len())))?;
        let part = substitute(clause, precision, argument)
            .map_err(|why| Fault::other(format!("error during formatting: {why} (argument {index})")))?;
        meter.traverse(part.len())?;
        written.push_str(&part);
    }
    Ok(Value::text(&written))
}

fn read_precision(letters: &mut std::str::Chars<'_>) -> Result<(Option<usize>, char), Fault> {
    let mut digits = String::new();
    for letter in letters.by_ref() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let precision = digits.parse().ok().filter(|digits| *digits <= MOST_DIGITS);
        let precision =
            precision.ok_or_else(|| Fault::other(format!("precision {digits:?} is not allowed")))?;
        return Ok((Some(precision), letter));
    }
    Err(Fault::other("could not find end of precision specifier"))
}

fn substitute(clause: char, precision: Option<usize>, argument: &Value) -> Result<String, String> {
    let wrong = |wants: &str| format!("{wants} clause can not be used on {}", argument.type_name());
    Ok(match (clause, argument) {
        ('s', value) => in_words(value).map_err(|why| why.to_string())?,
        ('d', Value::Int(value)) => value.to_string(),
        ('d', Value::Uint(value)) => value.to_string(),
        ('d', Value::Double(_)) => in_words(argument).map_err(|why| why.to_string())?,
        ('d', _) => return Err(wrong("decimal")),
        ('f', value) => fixed(double(value).ok_or_else(|| wrong("fixed-point"))?, precision),
        ('e', value) => scientific(double(value).ok_or_else(|| wrong("scientific"))?, precision),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('b', value) => radix(value, |n| format!("{n:b}")).ok_or_else(|| wrong("binary"))?,
        ('o', value) => radix(value, |n| format!("{n:o}")).ok_or_else(|| wrong("octal"))?,
        ('x' | 'X', value) => {
            let hex = hexadecimal(value).ok_or_else(|| wrong("hex"))?;
            if clause == 'X' { hex.to_uppercase() } else { hex }
        }
        (other, _) => return Err(format!("unrecognized formatting clause \"{other}\"")),
    })
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::String(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn not_finite(value: f64) -> Option<String> {
    match value {
        value if value.is_nan() => Some("NaN".into()),
        value if value.is_infinite() => Some(if value > 0.0 { "∞".into() } else { "-∞".into() }),
        _ => None,
    }
}

fn fixed(value: f64, precision: Option<usize>) -> String {
    not_finite(value).unwrap_or_else(|| format!("{value:.*}", precision.unwrap_or(PRECISION)))
}

/// `2.718280×10⁰⁰`, as cel-go's locale writes it.
fn scientific(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = not_finite(value) {
        return text;
    }
    let text = format!("{value:.*e}", precision.unwrap_or(PRECISION));
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("", exponent), |rest| ("⁻", rest));
    let raised: String = format!("{exponent:0>2}")
        .chars()
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize))
        .collect();
    format!("{digits}×10{sign}{raised}")
}

fn radix(value: &Value, write: fn(u64) -> String) -> Option<String> {
    match value {
        Value::Int(value) => {
            Some(format!("{}{}", if *value < 0 { "-" } else { "" }, write(value.unsigned_abs())))
        }
        Value::Uint(value) => Some(write(*value)),
        _ => None,
    }
}

fn hexadecimal(value: &Value) -> Option<String> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match value {
        Value::String(text) => Some(bytes(text.as_bytes())),
        Value::Bytes(raw) => Some(bytes(raw)),
        other => radix(other, |n| format!("{n:x}")),
    }
}
