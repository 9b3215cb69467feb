//! Header blocks: a count, then names and values with their lengths, through one zlib stream per
//! direction that starts from a preset dictionary.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::SpdyError;

/// Names in lower case; a value that occurs several times is joined with NUL.
pub type Headers = Vec<(String, String)>;

/// A block that unpacks to more is refused.
const LARGEST_BLOCK: usize = 64 * 1024;

/// Each of these stands in the dictionary behind its length in four bytes.
const DICTIONARY_WORDS: &[&str] = &[
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
];
/// The dictionary's end, without lengths.
const DICTIONARY_TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417\
    502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized\
    403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr \
    May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,\
    image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=\
    gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// SPDY/3's dictionary, section 2.6.10.1 of the draft.
fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1423);
    for word in DICTIONARY_WORDS {
        bytes.put_u32(word.len() as u32);
        bytes.extend_from_slice(word.as_bytes());
    }
    bytes.extend_from_slice(DICTIONARY_TAIL.as_bytes());
    bytes
}

fn failed(error: impl std::fmt::Display) -> SpdyError {
    SpdyError::Headers(error.to_string())
}

/// The sending direction.
pub struct HeaderCompressor(Compress);

impl HeaderCompressor {
    pub fn new() -> Result<Self, SpdyError> {
        let mut zlib = Compress::new(Compression::best(), true);
        zlib.set_dictionary(&dictionary()).map_err(failed)?;
        Ok(HeaderCompressor(zlib))
    }

    pub fn compress(&mut self, headers: &[(String, String)]) -> Result<Bytes, SpdyError> {
        let mut block = BytesMut::new();
        block.put_u32(headers.len() as u32);
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.put_u32(text.len() as u32);
            block.extend_from_slice(text.as_bytes());
        }
        let mut packed = Vec::with_capacity(block.len() + 64);
        let start = self.0.total_in();
        loop {
            let used = (self.0.total_in() - start) as usize;
            self.0.compress_vec(&block[used..], &mut packed, FlushCompress::Sync).map_err(failed)?;
            if (self.0.total_in() - start) as usize == block.len() && packed.len() < packed.capacity() {
                return Ok(packed.into());
            }
            packed.reserve(256);
        }
    }
}

/// The receiving direction.
pub struct HeaderDecompressor(Decompress);

impl HeaderDecompressor {
    pub fn new() -> Self {
        HeaderDecompressor(Decompress::new(true))
    }

    pub fn decompress(&mut self, packed: &[u8]) -> Result<Headers, SpdyError> {
        let mut block = Vec::with_capacity(1024);
        let start = self.0.total_in();
        loop {
            let used = (self.0.total_in() - start) as usize;
            let before = block.len();
            match self.0.decompress_vec(&packed[used..], &mut block, FlushDecompress::Sync) {
                Ok(_) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary()).map_err(failed)?;
                    continue;
                }
                Err(error) => return Err(failed(error)),
            }
            if block.len() > LARGEST_BLOCK {
                return Err(failed("they unpack to more than 64 KiB"));
            }
            let consumed = (self.0.total_in() - start) as usize;
            if consumed == packed.len() && block.len() < block.capacity() {
                return parse(block.into());
            }
            if consumed == used && block.len() == before && block.len() < block.capacity() {
                return Err(failed("the block is cut"));
            }
            block.reserve(1024);
        }
    }
}

fn parse(mut block: Bytes) -> Result<Headers, SpdyError> {
    let count = number(&mut block)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = text(&mut block)?;
        headers.push((name, text(&mut block)?));
    }
    Ok(headers)
}

fn number(block: &mut Bytes) -> Result<u32, SpdyError> {
    block.try_get_u32().map_err(|_| failed("the block ends in a number"))
}

fn text(block: &mut Bytes) -> Result<String, SpdyError> {
    let length = number(block)? as usize;
    if length > block.len() {
        return Err(failed("the block ends in a text"));
    }
    Ok(String::from_utf8_lossy(&block.split_to(length)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_the_drafts() {
        let adler = dictionary().iter().fold((1u32, 0u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        // The identifier that zlib streams of every SPDY/3 implementation name.
        assert_eq!(adler.1 << 16 | adler.0, 0xe3c6_a7c2);
        assert_eq!(dictionary().len(), 1423);
    }

    fn headers(of: &[(&str, &str)]) -> Headers {
        of.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn blocks_round_trip_over_one_context() {
        let (mut out, mut back) = (HeaderCompressor::new().unwrap(), HeaderDecompressor::new());
        let long = "x".repeat(5000);
        for block in [
            headers(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]),
            headers(&[]),
            headers(&[("streamtype", "data"), ("port", "80"), ("requestid", "0")]),
            headers(&[("long", &long)]),
        ] {
            assert_eq!(back.decompress(&out.compress(&block).unwrap()).unwrap(), block);
        }
    }

    #[test]
    fn what_is_cut_or_too_large_is_refused() {
        let block = HeaderCompressor::new().unwrap().compress(&headers(&[("streamtype", "stdin")])).unwrap();
        assert!(HeaderDecompressor::new().decompress(&block[..block.len() / 2]).is_err());
        assert!(HeaderDecompressor::new().decompress(b"garbage").is_err());
        let large = "x".repeat(100 * 1024);
        let block = HeaderCompressor::new().unwrap().compress(&headers(&[("a", &large)])).unwrap();
        assert!(HeaderDecompressor::new().decompress(&block).is_err());
    }
}
