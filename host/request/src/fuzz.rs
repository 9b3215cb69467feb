//! Whatever a request brings is read or refused, never a panic: every decoder of this crate on bytes and
//! texts that nobody meant. `make fuzz` runs many more cases than `make test`.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use tokio_util::codec::Decoder;

use crate::encode::negotiate::{Offer, accept, content_type};
use crate::routes::fuzzed::{Query, RequestInfo, parse, parse_json, parse_yaml};
use crate::streams::fuzzed::{FrameCodec, HeaderCompressor, HeaderDecompressor};
use crate::streams::{ExecOptions, PortForwardOptions, log_options};
use crate::verbs::fuzzed::ContinueToken;

fn media() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "text/plain",
    ])
}

/// A path or query as browsers and attackers write it.
fn url() -> impl Strategy<Value = String> {
    "(/|api|apis|v1|watch|namespaces|pods|status|log|proxy|%2[fF]|%|%zz|\\.\\.|[a-z]{1,3}|\\PC){0,12}"
}

fn query() -> impl Strategy<Value = String> {
    "((labelSelector|fieldSelector|limit|continue|resourceVersion|resourceVersionMatch|timeoutSeconds|dryRun|\
       fieldManager|fieldValidation|gracePeriodSeconds|propagationPolicy|watch|sendInitialEvents|command|container|\
       stdin|tty|tailLines|sinceTime|ports|pretty)=(-?[0-9]{1,22}|true|All|[a-zA-Z,=!%]{0,6}|\\PC{0,4})&?){0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bodies_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), media in media()) {
        if let Err(status) = parse(&bytes, media) {
            prop_assert!((400..500).contains(&status.code), "{status:?}");
        }
    }

    #[test]
    fn texts_as_bodies_are_read_or_refused(text in "([{}\\[\\],:\"&*!|>#%@ \n-]|[a-z0-9.]{1,4}|\\PC){0,60}") {
        for answer in [parse_json(text.as_bytes()).map(drop), parse_yaml(text.as_bytes()).map(drop)] {
            if let Err(status) = answer {
                prop_assert_eq!(status.code, 400);
            }
        }
    }

    #[test]
    fn urls_name_something_or_nothing(path in url(), query in query()) {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let _ = RequestInfo::parse(&method, &format!("/{path}"), true);
        }
        let parsed = Query::parse(&query);
        let _ = (parsed.list(), parsed.write("CreateOptions"), parsed.delete(&serde_json::Value::Null));
        let _ = (ExecOptions::exec(&query), ExecOptions::attach(&query), PortForwardOptions::parse(&query));
        let _ = log_options(&query, "pod", jiff::Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn continue_tokens_are_read_or_refused(text in "[A-Za-z0-9_=-]{0,60}", revision in any::<i64>(), start in "\\PC{0,20}") {
        let _ = ContinueToken::decode(&text, "core/pods/");
        use base64::Engine;
        let forged = serde_json::json!({ "v": "orch/v1", "rv": revision, "start": start }).to_string();
        let forged = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(forged);
        if let Ok(token) = ContinueToken::decode(&forged, "core/pods/") {
            prop_assert!(token.start.starts_with("core/pods/"));
        }
    }

    #[test]
    fn headers_are_read_or_refused(value in "([a-z*]{1,12}/[a-z*.+]{0,20}|;|,|q=|[0-9.]{1,5}|as=|Table|g=|v=|=|\"| |[!-~]){0,20}") {
        let Ok(value) = HeaderValue::from_str(&value) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, value.clone());
        headers.insert(http::header::CONTENT_TYPE, value);
        for offer in [Offer::PLAIN, Offer::DISCOVERY, Offer::objects(true), Offer::objects(false)] {
            if let Err(status) = accept(&headers, offer) {
                prop_assert_eq!(status.code, 406);
            }
        }
        let _ = content_type(&headers);
    }

    #[test]
    fn spdy_frames_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..12_u8) {
        let mut framed = vec![0x80, 3, 0, kind, 0, 0, 0, bytes.len() as u8];
        framed.extend_from_slice(&bytes);
        for bytes in [bytes, framed] {
            let (mut buffer, mut codec) = (BytesMut::from(&bytes[..]), FrameCodec);
            while let Ok(Some(_)) = codec.decode(&mut buffer) {}
        }
    }

    #[test]
    fn spdy_headers_are_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        headers in proptest::collection::vec(("[a-z-]{1,10}", "[!-~]{0,20}"), 0..5),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let _ = HeaderDecompressor::new().decompress(&bytes);
        let packed = HeaderCompressor::new().and_then(|mut c| c.compress(&headers)).expect("plain headers");
        let mut damaged = packed.to_vec();
        let at = at.index(damaged.len().max(1));
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = HeaderDecompressor::new().decompress(&damaged);
    }
}

/// Small bodies that would grow without bound where nobody counts.
#[test]
fn bodies_that_explode_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let again = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs += &format!("a{n}: &a{n} [{again}]\n");
    }
    let deep = ["[".repeat(100_000), "{\"a\":".repeat(100_000), "- ".repeat(100_000)];
    for text in deep.iter().chain([&laughs]) {
        assert_eq!(parse_json(text.as_bytes()).map(drop).unwrap_err().code, 400);
        assert_eq!(parse_yaml(text.as_bytes()).map(drop).unwrap_err().code, 400);
    }
    for huge in ["1e999", "{\"a\": 1e400}", "{\"spec\":{\"replicas\":99999999999999999999999999}}"] {
        let _ = parse_json(huge.as_bytes());
        let _ = parse_yaml(huge.as_bytes());
    }
}
