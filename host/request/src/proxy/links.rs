//! Links of a server that is seen through a proxy.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// How the server behind is seen from outside.
#[derive(Debug, Clone)]
pub struct Links {
    /// `/api/v1/namespaces/n/pods/p/proxy`
    pub prefix: String,
}

/// The same, for the links of one answer.
#[derive(Debug, Clone)]
pub struct Seen {
    prefix: String,
    /// The server's own address.
    address: String,
    /// What the client called the host.
    asked: String,
}

/// A URL cut into what a rewriting looks at.
struct Parts<'u> {
    scheme: &'u str,
    host: &'u str,
    path: &'u str,
    /// Query and fragment.
    rest: &'u str,
}

impl Links {
    /// Tells the server how it is seen (`X-Forwarded-Uri`).
    pub fn announce(&self, headers: &mut HeaderMap, path: &str) {
        if let Ok(uri) = HeaderValue::from_str(&format!("{}{path}", self.prefix)) {
            headers.insert(HeaderName::from_static("x-forwarded-uri"), uri);
        }
    }

    pub fn seen_from(&self, address: &str, asked: &str) -> Seen {
        Seen { prefix: self.prefix.clone(), address: address.to_owned(), asked: asked.to_owned() }
    }
}

impl Seen {
    /// The link as the client can follow it; `None`: it can follow it as it is.
    pub fn rewritten(&self, link: &str) -> Option<String> {
        let Parts { scheme, host, path, rest } = parts(link);
        let elsewhere = !host.is_empty() && host != self.address && host != self.asked;
        if elsewhere || !path.starts_with('/') {
            return None;
        }
        // A link to the host the client knows may keep it.
        let before = match host == self.asked && !host.is_empty() {
            true => format!("{scheme}{}//{host}", if scheme.is_empty() { "" } else { ":" }),
            false => String::new(),
        };
        let prefix = if path.starts_with(&self.prefix) { "" } else { self.prefix.trim_end_matches('/') };
        let rewritten = format!("{before}{prefix}{path}{rest}");
        (rewritten != link).then_some(rewritten)
    }
}

fn parts(link: &str) -> Parts<'_> {
    let end = link.find(['?', '#']).unwrap_or(link.len());
    let (before, rest) = link.split_at(end);
    let (scheme, after) = match before.split_once("://") {
        Some((scheme, after)) if !scheme.contains('/') => (scheme, Some(after)),
        _ => ("", before.strip_prefix("//")),
    };
    match after {
        None => Parts { scheme, host: "", path: before, rest },
        Some(after) => {
            let (host, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            Parts { scheme, host, path, rest }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_through_the_proxy() {
        let links = Links { prefix: "/p/proxy".into() };
        let seen = links.seen_from("10.0.0.1:80", "api:6443");
        let cases = [
            ("/a/b?c=d#e", Some("/p/proxy/a/b?c=d#e")),
            ("/a/", Some("/p/proxy/a/")),
            ("http://10.0.0.1:80/a", Some("/p/proxy/a")),
            ("//10.0.0.1:80/a", Some("/p/proxy/a")),
            ("https://api:6443/a", Some("https://api:6443/p/proxy/a")),
            ("https://elsewhere/a", None),
            ("/p/proxy/a", None),
            ("relative/a", None),
            ("#top", None),
            ("mailto:a@b", None),
        ];
        for (link, expected) in cases {
            assert_eq!(seen.rewritten(link).as_deref(), expected, "{link}");
        }
    }
}
