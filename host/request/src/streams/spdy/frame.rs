//! Frames and their bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::SpdyError;

const VERSION: u16 = 3;
const CONTROL: u32 = 1 << 31;
const FIN: u8 = 1;
/// The length's 24 bits allow 16 MiB; Go's client copies 32 KiB at a time.
const LONGEST: usize = 4 * 1024 * 1024;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// `headers` are compressed, with the one context of the connection: blocks must be read in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    SynStream {
        stream: u32,
        fin: bool,
        headers: Bytes,
    },
    SynReply {
        stream: u32,
        fin: bool,
        headers: Bytes,
    },
    RstStream {
        stream: u32,
        code: u32,
    },
    Settings {
        flags: u8,
        entries: Bytes,
    },
    Ping {
        id: u32,
    },
    GoAway {
        last_stream: u32,
        code: u32,
    },
    Headers {
        stream: u32,
        fin: bool,
        headers: Bytes,
    },
    WindowUpdate {
        stream: u32,
        delta: u32,
    },
    /// A control frame this side does not know; to be ignored.
    Unknown {
        kind: u16,
    },
    Data {
        stream: u32,
        fin: bool,
        data: Bytes,
    },
}

/// Error codes of RST_STREAM.
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 3;

#[derive(Debug, Default)]
pub struct FrameCodec;

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = SpdyError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, SpdyError> {
        let Some(mut head) = buffer.get(..8) else { return Ok(None) };
        let first = head.get_u32();
        let second = head.get_u32();
        let (flags, length) = ((second >> 24) as u8, (second & 0x00ff_ffff) as usize);
        if length > LONGEST {
            return Err(SpdyError::TooLong(length));
        }
        if buffer.len() < 8 + length {
            buffer.reserve(8 + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(8);
        let payload = buffer.split_to(length).freeze();
        if first & CONTROL == 0 {
            return Ok(Some(Frame::Data { stream: first, fin: flags & FIN != 0, data: payload }));
        }
        let version = (first >> 16) as u16 & 0x7fff;
        if version != VERSION {
            return Err(SpdyError::Version(version));
        }
        control(first as u16, flags, payload).map(Some)
    }
}

fn control(kind: u16, flags: u8, mut payload: Bytes) -> Result<Frame, SpdyError> {
    let fixed = match kind {
        SYN_STREAM => 10,
        SYN_REPLY | SETTINGS | PING | HEADERS => 4,
        RST_STREAM | GOAWAY | WINDOW_UPDATE => 8,
        _ => 0,
    };
    if payload.len() < fixed {
        return Err(SpdyError::Truncated { kind, length: payload.len() });
    }
    let fin = flags & FIN != 0;
    Ok(match kind {
        SYN_STREAM => {
            let stream = stream_id(&mut payload);
            // Associated stream, priority and slot: nobody here uses them.
            payload.advance(6);
            Frame::SynStream { stream, fin, headers: payload }
        }
        SYN_REPLY => Frame::SynReply { stream: stream_id(&mut payload), fin, headers: payload },
        HEADERS => Frame::Headers { stream: stream_id(&mut payload), fin, headers: payload },
        RST_STREAM => Frame::RstStream { stream: stream_id(&mut payload), code: payload.get_u32() },
        SETTINGS => {
            payload.advance(4);
            Frame::Settings { flags, entries: payload }
        }
        PING => Frame::Ping { id: payload.get_u32() },
        GOAWAY => Frame::GoAway { last_stream: stream_id(&mut payload), code: payload.get_u32() },
        WINDOW_UPDATE => {
            Frame::WindowUpdate { stream: stream_id(&mut payload), delta: payload.get_u32() & !CONTROL }
        }
        kind => Frame::Unknown { kind },
    })
}

fn stream_id(payload: &mut Bytes) -> u32 {
    payload.get_u32() & !CONTROL
}

impl Encoder<Frame> for FrameCodec {
    type Error = SpdyError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), SpdyError> {
        match frame {
            Frame::Data { stream, fin, data } => {
                out.put_u32(stream & !CONTROL);
                put_length(out, u8::from(fin), data.len())?;
                out.extend_from_slice(&data);
            }
            Frame::SynStream { stream, fin, headers } => {
                put_head(out, SYN_STREAM, u8::from(fin), 10 + headers.len())?;
                out.put_u32(stream);
                out.put_bytes(0, 6);
                out.extend_from_slice(&headers);
            }
            Frame::SynReply { stream, fin, headers } => put_headers(out, SYN_REPLY, stream, fin, &headers)?,
            Frame::Headers { stream, fin, headers } => put_headers(out, HEADERS, stream, fin, &headers)?,
            Frame::RstStream { stream, code } => put_pair(out, RST_STREAM, stream, code)?,
            Frame::Settings { flags, entries } => {
                put_head(out, SETTINGS, flags, 4 + entries.len())?;
                out.put_u32((entries.len() / 8) as u32);
                out.extend_from_slice(&entries);
            }
            Frame::Ping { id } => {
                put_head(out, PING, 0, 4)?;
                out.put_u32(id);
            }
            Frame::GoAway { last_stream, code } => put_pair(out, GOAWAY, last_stream, code)?,
            Frame::WindowUpdate { stream, delta } => put_pair(out, WINDOW_UPDATE, stream, delta)?,
            Frame::Unknown { kind } => put_head(out, kind, 0, 0)?,
        }
        Ok(())
    }
}

fn put_head(out: &mut BytesMut, kind: u16, flags: u8, length: usize) -> Result<(), SpdyError> {
    out.put_u32(CONTROL | u32::from(VERSION) << 16 | u32::from(kind));
    put_length(out, flags, length)
}

fn put_length(out: &mut BytesMut, flags: u8, length: usize) -> Result<(), SpdyError> {
    let length = u32::try_from(length).ok().filter(|l| *l < 1 << 24).ok_or(SpdyError::TooLong(length))?;
    out.put_u32(u32::from(flags) << 24 | length);
    Ok(())
}

fn put_headers(
    out: &mut BytesMut,
    kind: u16,
    stream: u32,
    fin: bool,
    headers: &Bytes,
) -> Result<(), SpdyError> {
    put_head(out, kind, u8::from(fin), 4 + headers.len())?;
    out.put_u32(stream);
    out.extend_from_slice(headers);
    Ok(())
}

fn put_pair(out: &mut BytesMut, kind: u16, first: u32, second: u32) -> Result<(), SpdyError> {
    put_head(out, kind, 0, 8)?;
    out.put_u32(first);
    out.put_u32(second);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let headers = Bytes::from_static(b"squeezed");
        vec![
            Frame::SynStream { stream: 1, fin: false, headers: headers.clone() },
            Frame::SynReply { stream: 1, fin: true, headers: headers.clone() },
            Frame::RstStream { stream: 3, code: REFUSED_STREAM },
            Frame::Settings { flags: 1, entries: Bytes::from_static(&[0, 0, 0, 4, 0, 0, 0, 100]) },
            Frame::Ping { id: 7 },
            Frame::GoAway { last_stream: 9, code: 0 },
            Frame::Headers { stream: 1, fin: false, headers },
            Frame::WindowUpdate { stream: 5, delta: 65_536 },
            Frame::Data { stream: 1, fin: true, data: Bytes::from_static(b"hello") },
            Frame::Data { stream: 1, fin: false, data: Bytes::new() },
        ]
    }

    #[test]
    fn frames_round_trip_in_any_cut() {
        let mut bytes = BytesMut::new();
        frames().into_iter().for_each(|frame| FrameCodec.encode(frame, &mut bytes).unwrap());
        for size in [1, 3, 7, bytes.len()] {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for chunk in bytes.chunks(size) {
                buffer.extend_from_slice(chunk);
                while let Some(frame) = FrameCodec.decode(&mut buffer).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames(), "chunks of {size}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn bytes_are_as_the_draft_draws_them() {
        let mut bytes = BytesMut::new();
        FrameCodec.encode(Frame::Ping { id: 1 }, &mut bytes).unwrap();
        assert_eq!(bytes[..], [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
        bytes.clear();
        FrameCodec
            .encode(Frame::Data { stream: 5, fin: true, data: Bytes::from_static(b"a") }, &mut bytes)
            .unwrap();
        assert_eq!(bytes[..], [0, 0, 0, 5, 1, 0, 0, 1, b'a']);
    }

    #[test]
    fn malformed_frames_are_refused() {
        let decode = |bytes: &[u8]| FrameCodec.decode(&mut BytesMut::from(bytes));
        assert!(matches!(decode(&[0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]), Err(SpdyError::Version(2))));
        assert!(matches!(decode(&[0x80, 3, 0, 6, 0, 0, 0, 1, 0]), Err(SpdyError::Truncated { kind: 6, .. })));
        assert!(matches!(decode(&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff]), Err(SpdyError::TooLong(_))));
        assert!(matches!(decode(&[0x80, 3, 0, 99, 0, 0, 0, 0]), Ok(Some(Frame::Unknown { kind: 99 }))));
    }
}
