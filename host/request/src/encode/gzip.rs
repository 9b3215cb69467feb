//! Large answers, compressed for those who accept it.

use std::io::{Read, Write};

use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

/// Smaller bodies gain nothing.
const THRESHOLD: usize = 128 * 1024;

pub fn accepts(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|v| v.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.next() != Some("q=0")
    })
}

/// The bytes of an answer and whether they were compressed.
pub fn compress(bytes: Bytes, headers: &HeaderMap) -> (Bytes, bool) {
    if bytes.len() < THRESHOLD || !accepts(headers) {
        return (bytes, false);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(compressed) => (compressed.into(), true),
        Err(_) => (bytes, false),
    }
}

/// What was compressed, or nothing where that cannot be read.
pub fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).ok().map(|_| plain)
}

pub fn mark(response: &mut Response) {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_answers_and_only_when_accepted() {
        let mut headers = HeaderMap::new();
        let large = Bytes::from(vec![b'a'; THRESHOLD]);
        assert!(!compress(large.clone(), &headers).1);
        headers.insert(ACCEPT_ENCODING, "gzip, deflate".parse().unwrap());
        let (small, compressed) = compress(large.clone(), &headers);
        assert!(compressed);
        assert_eq!(decompress(&small).unwrap(), large);
        assert!(!compress(Bytes::from_static(b"small"), &headers).1);
    }
}
