//! URLs, as Go's `url.ParseRequestURI` reads them: absolute, or an absolute path.

use std::collections::BTreeMap;

use super::{Fault, Meter, Native, Row, Value, text};
use crate::cel::value::Key;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    /// With its port; an address of IPv6 in brackets.
    host: String,
    /// As it is sent.
    path: String,
    query: String,
}

pub(super) const ROWS: &[Row] = &[
    ("url(string): kubernetes.URL", |a, meter| {
        let text = text(&a[0])?;
        meter.traverse(text.len())?;
        let failed = |why| Fault::other(format!("URL parse error during conversion from string: {why}"));
        Url::parse(text).map(|url| Value::native(Native::Url(url))).map_err(failed)
    }),
    ("isURL(string): bool", |a, meter| {
        meter.traverse(text(&a[0])?.len())?;
        Ok(Value::Bool(Url::parse(text(&a[0])?).is_ok()))
    }),
    ("(kubernetes.URL).getScheme(): string", |a, meter| part(a, meter, |url| Value::text(&url.scheme))),
    ("(kubernetes.URL).getHost(): string", |a, meter| part(a, meter, |url| Value::text(&url.host))),
    ("(kubernetes.URL).getHostname(): string", |a, meter| {
        part(a, meter, |url| Value::text(url.host_and_port().0))
    }),
    ("(kubernetes.URL).getPort(): string", |a, meter| {
        part(a, meter, |url| Value::text(url.host_and_port().1))
    }),
    ("(kubernetes.URL).getEscapedPath(): string", |a, meter| part(a, meter, |url| Value::text(&url.path))),
    ("(kubernetes.URL).getQuery(): map<string, list<string>>", |a, meter| part(a, meter, Url::parameters)),
];

fn part(a: &[Value], _: &Meter, of: fn(&Url) -> Value) -> Result<Value, Fault> {
    match &a[0] {
        Value::Native(native) => match &**native {
            Native::Url(url) => Ok(of(url)),
            _ => Err(Fault::NoSuchOverload),
        },
        _ => Err(Fault::NoSuchOverload),
    }
}

impl Url {
    /// # Errors
    /// In Go's words.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        let failed = |why: String| format!("parse {text:?}: {why}");
        if text.is_empty() {
            return Err(failed("empty url".into()));
        }
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(failed("net/url: invalid control character in URL".into()));
        }
        let (scheme, rest) = split_scheme(text).map_err(failed)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let url = |host: &str, path: String| Url {
            scheme: scheme.to_ascii_lowercase(),
            host: host.into(),
            path,
            query: query.into(),
        };
        if !rest.starts_with('/') {
            // `mailto:someone` has no path.
            return if scheme.is_empty() {
                Err(failed("invalid URI for request".into()))
            } else {
                Ok(url("", String::new()))
            };
        }
        let (host, path) = match rest.strip_prefix("//") {
            Some(authority) if !scheme.is_empty() || !rest.starts_with("///") => {
                let end = authority.find('/').unwrap_or(authority.len());
                (check_host(&authority[..end]).map_err(failed)?, &authority[end..])
            }
            _ => ("", rest),
        };
        Ok(url(host, escape_path(path).map_err(failed)?))
    }

    fn host_and_port(&self) -> (&str, &str) {
        let (host, port) = match self.host.rfind(':').filter(|at| !self.host[*at..].contains(']')) {
            Some(at) => (&self.host[..at], &self.host[at + 1..]),
            None => (&self.host[..], ""),
        };
        (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
    }

    /// Each key with all its values; what is malformed is left out.
    fn parameters(&self) -> Value {
        let mut found: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(key), Some(value)) = (unescape(key, true), unescape(value, true)) else { continue };
            found.entry(Key::String(key.into())).or_default().push(Value::text(&value));
        }
        Value::map(found.into_iter().map(|(key, values)| (key, Value::list(values))))
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, letter) in text.char_indices() {
        match letter {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Ok((&text[..at], &text[at + 1..])),
            ':' => return Err("missing protocol scheme".into()),
            _ => break,
        }
    }
    Ok(("", text))
}

/// Without the user's name.
fn check_host(authority: &str) -> Result<&str, String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    if !after.is_empty()
        && !after.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(format!("invalid port {after:?} after host"));
    }
    match host.chars().find(|letter| " <>\"\\^`{|}".contains(*letter)) {
        Some(letter) => Err(format!("invalid character {:?} in host name", letter.to_string())),
        None => Ok(host),
    }
}

/// As it was sent, where that is well-formed; else decoded and encoded again.
fn escape_path(path: &str) -> Result<String, String> {
    let decoded = unescape(path, false).ok_or_else(|| invalid_escape(path))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]/%".contains(&byte);
    if path.bytes().all(plain) {
        return Ok(path.to_owned());
    }
    let keeps = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(byte);
    let escaped = |byte: u8| if keeps(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Ok(decoded.bytes().map(escaped).collect())
}

fn invalid_escape(path: &str) -> String {
    let valid = |at: usize| path.get(at + 1..at + 3).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok());
    let at = path.match_indices('%').map(|(at, _)| at).find(|at| !valid(*at)).unwrap_or(0);
    format!("invalid URL escape {:?}", path[at..].chars().take(3).collect::<String>())
}

fn unescape(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let hex = after.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))?;
                rest = &after[2..];
                u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?
            }
            b'+' if plus_is_space => b' ',
            other => *other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
