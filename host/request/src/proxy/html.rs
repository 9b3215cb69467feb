//! Answers whose links are to lead through the proxy: redirects, and pages in HTML.

use std::io::{Read, Write};

use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};
use http::header::{self, HeaderValue};
use http_body_util::{BodyExt, Limited};
use orch_object::Status;

use super::links::Seen;

/// The largest page whose links are rewritten, as it travels and unpacked.
const LARGEST_PAGE: usize = 16 << 20;

/// Elements and their attributes that hold a URL.
const LINKS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Elements whose content is text, whatever it looks like.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Deflate,
}

/// Rewrites a redirect's `Location`, or the links of a page; everything else passes untouched.
pub async fn rewrite(mut response: Response, seen: &Seen) -> Result<Response, Status> {
    if let Some(location) = response.headers().get(header::LOCATION) {
        let rewritten = location.to_str().ok().and_then(|location| seen.rewritten(location));
        if let Some(location) = rewritten.and_then(|location| HeaderValue::from_str(&location).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return Ok(response);
    }
    let Some(encoding) = page(&response) else { return Ok(response) };
    let (mut parts, body) = response.into_parts();
    let body = Limited::new(body, LARGEST_PAGE).collect().await.map_err(|error| {
        Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}"))
    })?;
    let rewritten = in_encoding(&body.to_bytes(), encoding, seen)
        .map_err(|error| Status::internal(format!("the page cannot be read: {error}")))?;
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(rewritten)))
}

/// The encoding of a page that can be rewritten.
fn page(response: &Response) -> Option<Encoding> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if media != "text/html" {
        return None;
    }
    match text(header::CONTENT_ENCODING) {
        "" => Some(Encoding::Plain),
        "gzip" => Some(Encoding::Gzip),
        "deflate" => Some(Encoding::Deflate),
        _ => None,
    }
}

fn in_encoding(body: &[u8], encoding: Encoding, seen: &Seen) -> std::io::Result<Vec<u8>> {
    let unpacked = |reader: &mut dyn Read| -> std::io::Result<Vec<u8>> {
        let mut page = Vec::new();
        let most = LARGEST_PAGE as u64;
        match reader.take(most + 1).read_to_end(&mut page)? {
            read if read as u64 > most => Err(std::io::Error::other("it is too large")),
            _ => Ok(page),
        }
    };
    match encoding {
        Encoding::Plain => Ok(rewritten(body, seen)),
        Encoding::Gzip => {
            let page = unpacked(&mut MultiGzDecoder::new(body))?;
            let mut writer = GzEncoder::new(Vec::new(), Compression::default());
            writer.write_all(&rewritten(&page, seen))?;
            writer.finish()
        }
        Encoding::Deflate => {
            let page = unpacked(&mut DeflateDecoder::new(body))?;
            let mut writer = DeflateEncoder::new(Vec::new(), Compression::default());
            writer.write_all(&rewritten(&page, seen))?;
            writer.finish()
        }
    }
}

/// The page with its links rewritten, every other byte as it was.
fn rewritten(page: &[u8], seen: &Seen) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.len());
    let mut at = 0;
    while let Some(start) = find(page, at, b"<") {
        out.extend_from_slice(&page[at..start]);
        let rest = &page[start..];
        if rest.starts_with(b"<!--") {
            at = find(page, start, b"-->").map_or(page.len(), |end| end + 3);
            out.extend_from_slice(&page[start..at]);
        } else if rest.get(1).is_some_and(u8::is_ascii_alphabetic) {
            at = tag(page, start, seen, &mut out);
        } else {
            out.push(b'<');
            at = start + 1;
        }
    }
    out.extend_from_slice(&page[at..]);
    out
}

/// Copies a start tag, and the content of an element that is raw; returns where it ends.
fn tag(page: &[u8], start: usize, seen: &Seen, out: &mut Vec<u8>) -> usize {
    let name_end = skip(page, start + 1, |byte| !byte.is_ascii_whitespace() && byte != b'>' && byte != b'/');
    let name = String::from_utf8_lossy(&page[start + 1..name_end]).to_ascii_lowercase();
    let attributes = LINKS.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, names)| names);
    out.extend_from_slice(&page[start..name_end]);
    let mut at = name_end;
    while let Some(attribute) = next_attribute(page, at) {
        let value = &page[attribute.value.0..attribute.value.1];
        let named = String::from_utf8_lossy(&page[attribute.name.0..attribute.name.1]).to_ascii_lowercase();
        let link = std::str::from_utf8(value).ok().filter(|_| attributes.contains(&named.as_str()));
        let link = link.map(|link| link.replace("&amp;", "&"));
        let replaced = link.and_then(|link| seen.rewritten(&link));
        out.extend_from_slice(&page[at..attribute.value.0]);
        match replaced {
            Some(link) => out.extend_from_slice(link.replace('&', "&amp;").as_bytes()),
            None => out.extend_from_slice(value),
        }
        at = attribute.value.1;
    }
    let mut end = find(page, at, b">").map_or(page.len(), |end| end + 1);
    if RAW.contains(&name.as_str()) {
        end = closing(page, end, &name);
    }
    out.extend_from_slice(&page[at..end]);
    end
}

/// Where an attribute's name and value stand.
struct Attribute {
    name: (usize, usize),
    value: (usize, usize),
}

/// The next attribute of a tag; `None`: the tag ends.
fn next_attribute(page: &[u8], at: usize) -> Option<Attribute> {
    let blank = |byte: u8| byte.is_ascii_whitespace();
    let start = skip(page, at, |byte| blank(byte) || matches!(byte, b'/' | b'"' | b'\''));
    if page.get(start).is_none_or(|byte| *byte == b'>') {
        return None;
    }
    let end = skip(page, start + 1, |byte| !blank(byte) && !matches!(byte, b'=' | b'>' | b'/'));
    let equals = skip(page, end, blank);
    if page.get(equals) != Some(&b'=') {
        return Some(Attribute { name: (start, end), value: (end, end) });
    }
    let first = skip(page, equals + 1, blank);
    let value = match page.get(first) {
        Some(quote @ (b'"' | b'\'')) => (first + 1, skip(page, first + 1, |byte| byte != *quote)),
        _ => (first, skip(page, first, |byte| !blank(byte) && byte != b'>')),
    };
    Some(Attribute { name: (start, end), value })
}

fn skip(page: &[u8], from: usize, while_true: impl Fn(u8) -> bool) -> usize {
    let rest = page.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !while_true(*byte)).unwrap_or(rest.len())
}

fn find(page: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = page.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

/// Where `</name` begins; there the page goes on.
fn closing(page: &[u8], from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(found) = find(page, at, b"</") {
        let named = page.get(found + 2..found + 2 + name.len()).unwrap_or_default();
        if named.eq_ignore_ascii_case(name.as_bytes()) {
            return found;
        }
        at = found + 2;
    }
    page.len()
}

#[cfg(test)]
mod tests {
    use super::super::links::Links;
    use super::*;

    fn seen() -> Seen {
        Links { prefix: "/p/proxy".into() }.seen_from("10.0.0.1:80", "api")
    }

    fn page_of(page: &str) -> String {
        String::from_utf8(rewritten(page.as_bytes(), &seen())).unwrap()
    }

    #[test]
    fn links_of_elements_are_rewritten_and_nothing_else() {
        let cases = [
            (r#"<a href="/x">/x</a>"#, r#"<a href="/p/proxy/x">/x</a>"#),
            (r#"<A class=b HREF=/x >"#, r#"<A class=b HREF=/p/proxy/x >"#),
            (r#"<img alt='/y' src='/x?a=1&amp;b=2'/>"#, r#"<img alt='/y' src='/p/proxy/x?a=1&amp;b=2'/>"#),
            (r#"<a disabled href="rel">"#, r#"<a disabled href="rel">"#),
            (r#"<!-- <a href="/x"> --><b href="/x">"#, r#"<!-- <a href="/x"> --><b href="/x">"#),
            (
                r#"<script src="/s">if (a<b) "<a href='/x'>"</script><a href="/y">"#,
                r#"<script src="/p/proxy/s">if (a<b) "<a href='/x'>"</script><a href="/p/proxy/y">"#,
            ),
            ("1 < 2 <", "1 < 2 <"),
            (r#"<a href="/x"#, r#"<a href="/p/proxy/x"#),
        ];
        for (given, expected) in cases {
            assert_eq!(page_of(given), expected);
        }
    }

    #[test]
    fn packed_pages_stay_packed() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(br#"<a href="/x">"#).unwrap();
        let rewritten = in_encoding(&packed.finish().unwrap(), Encoding::Gzip, &seen()).unwrap();
        let mut page = String::new();
        MultiGzDecoder::new(&rewritten[..]).read_to_string(&mut page).unwrap();
        assert_eq!(page, r#"<a href="/p/proxy/x">"#);
        assert!(in_encoding(b"nonsense", Encoding::Gzip, &seen()).is_err());
    }
}
