//! What names may look like: the rules and the words of `k8s.io/apimachinery/pkg/util/validation`.
//! Each rule returns what is wrong, nothing when all is well.

pub(crate) const LABEL_LENGTH: usize = 63;
pub(crate) const SUBDOMAIN_LENGTH: usize = 253;
const CONFIG_KEY_LENGTH: usize = 253;
const PORT_NAME_LENGTH: usize = 15;

const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_MESSAGE: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS1035_MESSAGE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD_MESSAGE: &str = r"a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const CASELESS_MESSAGE: &str = r"an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const IDENTIFIER_MESSAGE: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const QUALIFIED_MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_MESSAGE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY_MESSAGE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const SEARCH_MESSAGE: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const HEADER_MESSAGE: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const ENVIRONMENT_MESSAGE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

/// A rule: the text to what is wrong with it.
pub type Rule = fn(&str) -> Vec<String>;

pub fn is_dns1123_label(name: &str) -> bool {
    dns1123_label(name).is_empty()
}

pub fn is_dns1123_subdomain(name: &str) -> bool {
    dns1123_subdomain(name).is_empty()
}

pub fn dns1123_label(name: &str) -> Vec<String> {
    let well_formed = dashed(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let message = if name.split('.').all(dns_part) { "must not contain dots" } else { LABEL_MESSAGE };
    check(name, LABEL_LENGTH, well_formed, message)
}

pub fn dns1123_subdomain(name: &str) -> Vec<String> {
    check(name, SUBDOMAIN_LENGTH, name.split('.').all(dns_part), SUBDOMAIN_MESSAGE)
}

/// `*.` and a domain: hosts of certificates and rules.
pub fn wildcard_subdomain(name: &str) -> Vec<String> {
    let well_formed = name.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(dns_part));
    check(name, SUBDOMAIN_LENGTH, well_formed, WILDCARD_MESSAGE)
}

/// As [`dns1123_label`], where upstream declares the rule on a type: lengths are told in bytes.
pub fn short_name(name: &str) -> Vec<String> {
    in_bytes(dns1123_label(name))
}

/// As [`dns1123_subdomain`], where upstream declares the rule on a type.
pub fn long_name(name: &str) -> Vec<String> {
    in_bytes(dns1123_subdomain(name))
}

pub fn long_name_caseless(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    in_bytes(check(&lower, SUBDOMAIN_LENGTH, lower.split('.').all(dns_part), CASELESS_MESSAGE))
}

pub fn c_identifier(name: &str) -> Vec<String> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    check(name, usize::MAX, well_formed, IDENTIFIER_MESSAGE)
}

pub fn dns1035_label(name: &str) -> Vec<String> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && dashed(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit());
    check(name, LABEL_LENGTH, well_formed, DNS1035_MESSAGE)
}

/// A name that more will follow may end in a dash.
pub fn as_base(name: &str) -> String {
    match name.char_indices().nth_back(1) {
        Some((last_but_one, _)) if name.ends_with('-') => format!("{}a", &name[..last_but_one]),
        _ => name.to_owned(),
    }
}

/// `[prefix/]name`: keys of labels and annotations, finalizers, resources.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let mut parts = text.split('/');
    let (first, second, more) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if more.is_some() {
        return vec![format!(
            "a valid label key {QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )];
    }
    if second.is_some() {
        match first {
            "" => errors.push("prefix part must be non-empty".into()),
            prefix => errors.extend(long_name(prefix).iter().map(|error| format!("prefix part {error}"))),
        }
    }
    errors.extend(name_part(second.unwrap_or(first)));
    errors
}

fn name_part(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.is_empty() {
        errors.push("name part must be non-empty".into());
    } else if name.len() > LABEL_LENGTH {
        errors.push(format!("name part {}", too_many_bytes(LABEL_LENGTH)));
    }
    if !word(name) {
        errors.push(format!("name part {QUALIFIED_MESSAGE}"));
    }
    errors
}

pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_LENGTH {
        errors.push(too_many_bytes(LABEL_LENGTH));
    }
    if !value.is_empty() && !word(value) {
        errors.push(LABEL_VALUE_MESSAGE.into());
    }
    errors
}

/// Keys of ConfigMaps and Secrets, which become file names.
pub fn config_key(key: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let mut errors =
        check(key, CONFIG_KEY_LENGTH, !key.is_empty() && key.chars().all(allowed), CONFIG_KEY_MESSAGE);
    match key {
        "." => errors.push("must not be '.'".into()),
        ".." => errors.push("must not be '..'".into()),
        _ if key.starts_with("..") => errors.push("must not start with '..'".into()),
        _ => {}
    }
    errors
}

pub fn environment_name(name: &str) -> Vec<String> {
    let well_formed = !name.is_empty() && name.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    check(name, usize::MAX, well_formed, ENVIRONMENT_MESSAGE)
}

/// Search domains, whose parts may have underscores.
pub fn search_domain(name: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |part: &str| part.chars().all(|c| allowed(c) || c == '-' || c == '_');
    let part = |part: &str| {
        let rest = part.strip_prefix('_').unwrap_or(part);
        rest.starts_with(allowed) && rest.ends_with(allowed) && inner(rest)
    };
    check(name, SUBDOMAIN_LENGTH, name.split('.').all(part), SEARCH_MESSAGE)
}

/// Names of HTTP headers.
pub fn header_name(name: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    check(name, usize::MAX, !name.is_empty() && name.chars().all(allowed), HEADER_MESSAGE)
}

/// Names that stand in a URL's path (roles and their bindings).
pub fn path_segment(name: &str) -> Vec<String> {
    match name {
        "." => return vec!["may not be '.'".into()],
        ".." => return vec!["may not be '..'".into()],
        _ => {}
    }
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// Names of ports (IANA service names).
pub fn port_name(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > PORT_NAME_LENGTH {
        errors.push(too_long(PORT_NAME_LENGTH));
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') || name.is_empty() {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !name.chars().any(|c| c.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".into());
    }
    if name.contains("--") {
        errors.push("must not contain consecutive hyphens".into());
    }
    if name.starts_with('-') || name.ends_with('-') {
        errors.push("must not begin or end with a hyphen".into());
    }
    errors
}

pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) {
        Vec::new()
    } else {
        vec!["must be between 1 and 65535, inclusive".into()]
    }
}

fn check(text: &str, length: usize, well_formed: bool, message: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > length {
        errors.push(too_long(length));
    }
    if !well_formed {
        errors.push(message.into());
    }
    errors
}

fn too_long(length: usize) -> String {
    format!("must be no more than {length} characters")
}

/// Labels are counted in other words than names.
fn too_many_bytes(length: usize) -> String {
    format!("must be no more than {length} bytes")
}

fn in_bytes(errors: Vec<String>) -> Vec<String> {
    let reworded = |error: String| match error
        .strip_prefix("must be no more than ")
        .and_then(|rest| rest.strip_suffix(" characters"))
    {
        Some(length) => format!("must be no more than {length} bytes"),
        None => error,
    };
    errors.into_iter().map(reworded).collect()
}

/// A label of a DNS name.
fn dns_part(part: &str) -> bool {
    dashed(part, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// Not empty, dashes inside only, otherwise of these characters.
fn dashed(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    let edge = |c: Option<char>| c.is_some_and(&allowed);
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c == '-' || allowed(c))
}

/// Letters and digits at the ends, `-_.` between.
fn word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_good_names_from_bad() {
        let long = "a".repeat(64);
        let cases: [(Rule, &[&str], &[&str]); 8] = [
            (dns1123_label, &["a", "web-0", "0a"], &["", "-a", "a-", "A", "a.b", "a_b", &long]),
            (dns1123_subdomain, &["a.b", "web-0", "1.2"], &["", ".a", "a..b", "A.b", "a.-b", "a/b"]),
            (dns1035_label, &["a1", "web-0"], &["0a", "", "a.b", "-"]),
            (
                qualified_name,
                &["a", "example.com/My_Name", "a.b"],
                &["", "/a", "a/", "a/b/c", "-a", "Ex.com/a"],
            ),
            (label_value, &["", "a", "A_b.c-1"], &["-a", "a b", &long]),
            (config_key, &["a", ".a", "A_b-c.d"], &["", ".", "..", "..a", "a/b", "a b"]),
            (environment_name, &["A", "a.b-c", "1"], &["", "a=b", "ä"]),
            (port_name, &["http", "a-1"], &["", "1", "-a", "a--b", "A", "abcdefghijklmnop"]),
        ];
        for (rule, good, bad) in cases {
            for name in good {
                assert_eq!(rule(name), Vec::<String>::new(), "{name}");
            }
            for name in bad {
                assert!(!rule(name).is_empty(), "{name}");
            }
        }
    }
}
