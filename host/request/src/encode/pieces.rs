//! Large answers, sent piece by piece: the cache's bytes are gathered into chunks as the connection
//! takes them, so that a list never stands in memory a second time.

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderValue};

use super::{full, gzip};

/// Small pieces cost more to send than to copy.
const CHUNK: usize = 128 << 10;

/// A body in pieces.
pub struct Pieces {
    length: usize,
    parts: Box<dyn Iterator<Item = Bytes> + Send>,
}

impl Pieces {
    pub fn new(length: usize, parts: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Pieces { length, parts: Box::new(parts) }
    }

    /// All of it at once.
    pub fn whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.length);
        self.parts.for_each(|part| out.extend_from_slice(&part));
        out.freeze()
    }

    /// The answer; compressed when it is large and the client accepts that.
    pub fn respond(self, content_type: &'static str, headers: &HeaderMap) -> Response {
        let mut response = full(200, content_type, Bytes::new());
        if self.length >= gzip::THRESHOLD && gzip::accepts(headers) {
            gzip::mark(&mut response);
            *response.body_mut() = body(Compressed::new(self.parts));
            return response;
        }
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.length));
        *response.body_mut() = body(Chunks(self.parts));
        response
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Pieces::new(bytes.len(), std::iter::once(bytes))
    }
}

fn body(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Body {
    Body::from_stream(stream::iter(chunks.map(Ok::<Bytes, std::convert::Infallible>)))
}

struct Chunks(Box<dyn Iterator<Item = Bytes> + Send>);

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let first = self.0.next()?;
        if first.len() >= CHUNK {
            return Some(first);
        }
        let mut chunk = BytesMut::with_capacity(CHUNK + first.len());
        chunk.extend_from_slice(&first);
        while chunk.len() < CHUNK
            && let Some(part) = self.0.next()
        {
            chunk.extend_from_slice(&part);
        }
        Some(chunk.freeze())
    }
}

struct Compressed {
    parts: Box<dyn Iterator<Item = Bytes> + Send>,
    /// `None` once the trailer is written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Compressed {
    fn new(parts: Box<dyn Iterator<Item = Bytes> + Send>) -> Self {
        Compressed { parts, encoder: Some(GzEncoder::new(Vec::with_capacity(CHUNK), Compression::fast())) }
    }
}

impl Iterator for Compressed {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut encoder = self.encoder.take()?;
        for part in self.parts.by_ref() {
            encoder.write_all(&part).expect("writing to memory cannot fail");
            if encoder.get_ref().len() >= CHUNK / 2 {
                let chunk = std::mem::replace(encoder.get_mut(), Vec::with_capacity(CHUNK));
                self.encoder = Some(encoder);
                return Some(chunk.into());
            }
        }
        Some(encoder.finish().expect("writing to memory cannot fail").into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pieces() -> (Vec<u8>, Box<dyn Iterator<Item = Bytes> + Send>) {
        let parts: Vec<Bytes> = (0..3_000_u32)
            .map(|n| {
                Bytes::from(format!("{:x}", u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(40))
            })
            .collect();
        (parts.concat(), Box::new(parts.into_iter()))
    }

    #[test]
    fn chunks_hold_every_piece_once() {
        let (whole, parts) = pieces();
        let chunks: Vec<Bytes> = Chunks(parts).collect();
        assert_eq!(chunks.concat(), whole);
        assert!(chunks.len() < 40, "{}", chunks.len());
    }

    #[test]
    fn compressed_chunks_make_one_file() {
        let (whole, parts) = pieces();
        let chunks: Vec<Bytes> = Compressed::new(parts).collect();
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&chunks.concat()[..]).read_to_end(&mut read).unwrap();
        assert_eq!(read, whole);
    }
}
