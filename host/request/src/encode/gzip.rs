//! Large answers, compressed for those who accept it.

use std::io::{Read, Write};

use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

/// Smaller bodies gain nothing, in bytes.
pub const THRESHOLD: usize = 128 * 1024;

pub fn accepts(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|v| v.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.next() != Some("q=0")
    })
}

pub fn compressed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail").into()
}

/// What was compressed, or nothing where that cannot be read.
pub fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).ok().map(|_| plain)
}

pub fn mark(response: &mut Response) {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_when_accepted() {
        let mut headers = HeaderMap::new();
        assert!(!accepts(&headers));
        for (text, accepted) in [("gzip, deflate", true), ("br", false), ("gzip;q=0", false)] {
            headers.insert(ACCEPT_ENCODING, text.parse().unwrap());
            assert_eq!(accepts(&headers), accepted, "{text}");
        }
    }
}
